#include "control/protocol/message.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "control/protocol/json_members.h"

namespace headgate::protocol {
namespace {

using nlohmann::json;
using SteadyClock = std::chrono::steady_clock;

// Throws MemberError or json::exception.
json parse_line(const std::string& line) {
  if (line.size() > kMaxLine) fail("message", "line longer than " + std::to_string(kMaxLine) + " bytes");
  json value = parse_bounded(line, "message");
  if (!value.is_object()) fail("message", "must be an object");
  const auto version = value.find("v");
  if (version == value.end()) fail("v", "missing");
  if (!version->is_number_unsigned() || version->get<std::uint64_t>() != kProtocolVersion) {
    fail("v", "protocol version is " + dump(*version) + ", this program speaks " +
                  std::to_string(kProtocolVersion));
  }
  return value;
}

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd() const { return fd_; }

 private:
  int fd_;
};

tl::unexpected<std::string> system_error(const std::string& what, const std::string& path, int error) {
  return tl::unexpected<std::string>(what + " " + path + ": " + std::strerror(error));
}

// True when the descriptor is ready before the deadline.
bool wait_for(int fd, short events, SteadyClock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - SteadyClock::now()).count();
    if (left <= 0) return false;
    pollfd waiting{fd, events, 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(std::min<long long>(left, 3'600'000)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return true;  // the following read or write reports the error
  }
}

tl::expected<void, std::string> connect_to(int fd, const std::string& path,
                                           SteadyClock::time_point deadline) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return tl::unexpected<std::string>("socket path longer than " +
                                       std::to_string(sizeof address.sun_path - 1) + " bytes: " + path +
                                       "; choose a shorter run_dir");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  for (;;) {
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return {};
    if (errno == EINTR) continue;
    // A Unix socket whose backlog is full answers EAGAIN at once and can't be polled for: try again a little
    // later.
    if (errno != EAGAIN) return system_error("can't connect to", path, errno);
    if (SteadyClock::now() >= deadline) return system_error("can't connect to", path, ETIMEDOUT);
    ::poll(nullptr, 0, 5);
  }
}

tl::expected<void, std::string> send_all(int fd, const std::string& text, const std::string& path,
                                         SteadyClock::time_point deadline) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::send(fd, text.data() + done, text.size() - done, MSG_NOSIGNAL);
    if (n >= 0) {
      done += static_cast<std::size_t>(n);
    } else if (errno == EAGAIN) {
      if (!wait_for(fd, POLLOUT, deadline)) return system_error("no answer from", path, ETIMEDOUT);
    } else if (errno != EINTR) {
      return system_error("can't send to", path, errno);
    }
  }
  return {};
}

tl::expected<std::string, std::string> receive_line(int fd, const std::string& path,
                                                    SteadyClock::time_point deadline) {
  std::string line;
  std::array<char, 65536> chunk;
  for (;;) {
    const ssize_t n = ::recv(fd, chunk.data(), chunk.size(), 0);
    if (n == 0) return tl::unexpected<std::string>(path + " closed the connection before it answered");
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return system_error("can't receive from", path, errno);
      if (!wait_for(fd, POLLIN, deadline)) return system_error("no answer from", path, ETIMEDOUT);
      continue;
    }
    const auto* end = static_cast<const char*>(std::memchr(chunk.data(), '\n', static_cast<std::size_t>(n)));
    const auto size =
        end != nullptr ? static_cast<std::size_t>(end - chunk.data()) : static_cast<std::size_t>(n);
    if (line.size() + size > kMaxLine)
      return tl::unexpected<std::string>("answer of " + path + " is too long");
    line.append(chunk.data(), size);
    if (end != nullptr) return line;
  }
}

tl::expected<json, std::string> read_answer(const std::string& line, std::uint64_t id) {
  try {
    json answer = parse_line(line);
    const Members members(answer, "", {"v", "id", "result", "error"});
    std::uint64_t answered = 0;
    members.read("id", answered);
    if (answered != id) fail("id", "is that of another request");
    if (answer.contains("error")) {
      const Members error(members.get("error"), "error", {"message"});
      std::string message;
      error.read("message", message);
      return tl::unexpected<std::string>(message);
    }
    members.get("result");
    return std::move(answer["result"]);  // of a bridge with many channels a copy would cost most
  } catch (const MemberError& error) {
    return tl::unexpected<std::string>(std::string("bad answer: ") + error.what());
  } catch (const json::exception& error) {
    return tl::unexpected<std::string>(std::string("bad answer: ") + error.what());
  }
}

}  // namespace

tl::expected<Request, std::string> parse_request(const std::string& line) {
  try {
    const json value = parse_line(line);
    const Members members(value, "", {"v", "id", "method", "params"});
    Request request;
    members.read("id", request.id);
    members.read("method", request.method);
    if (value.contains("params")) {
      request.params = members.get("params");
      if (!request.params.is_object()) fail("params", "must be an object");
    }
    return request;
  } catch (const MemberError& error) {
    return tl::unexpected<std::string>(error.what());
  } catch (const json::exception& error) {
    return tl::unexpected<std::string>(std::string("not JSON: ") + error.what());
  }
}

std::string format_request(const Request& request) {
  return dump(
      {{"v", kProtocolVersion}, {"id", request.id}, {"method", request.method}, {"params", request.params}});
}

std::string format_result(std::uint64_t id, const json& result) {
  return dump({{"v", kProtocolVersion}, {"id", id}, {"result", result}});
}

std::string format_error(std::uint64_t id, const std::string& message) {
  return dump({{"v", kProtocolVersion}, {"id", id}, {"error", {{"message", message}}}});
}

tl::expected<json, std::string> call(const std::string& socket_path, const std::string& method,
                                     const json& params, std::chrono::milliseconds timeout) {
  const auto deadline = SteadyClock::now() + timeout;
  const Socket socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket.fd() < 0) return system_error("can't make a socket for", socket_path, errno);
  if (auto connected = connect_to(socket.fd(), socket_path, deadline); !connected) {
    return tl::unexpected<std::string>(connected.error());
  }
  Request request;
  request.id = 1;
  request.method = method;
  request.params = params.is_null() ? json::object() : params;
  if (auto sent = send_all(socket.fd(), format_request(request) + "\n", socket_path, deadline); !sent) {
    return tl::unexpected<std::string>(sent.error());
  }
  const auto line = receive_line(socket.fd(), socket_path, deadline);
  if (!line) return tl::unexpected<std::string>(line.error());
  return read_answer(*line, request.id);
}

}  // namespace headgate::protocol
