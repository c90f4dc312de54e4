#include "control/launcher/launcher_client.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <sstream>

#include "control/launcher/unique_fd.h"

namespace headgate::control {

tl::expected<std::string, std::string> launcher_call(const std::string& socket_path, const std::string& line,
                                                     int* answered_by) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) return tl::unexpected("path too long: " + socket_path);
  std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size() + 1);
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval bound{1, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof bound);
  if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return tl::unexpected("can't reach the launcher at " + socket_path + ": " + std::strerror(errno));
  ucred peer{};
  socklen_t size = sizeof peer;
  if (answered_by != nullptr && ::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
    *answered_by = peer.pid;
  const std::string request = line + "\n";
  if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
    return tl::unexpected(std::string("can't send to the launcher: ") + std::strerror(errno));
  std::string text;
  char buffer[1024];
  for (;;) {
    const ssize_t n = ::recv(fd.get(), buffer, sizeof buffer, 0);
    if (n < 0) return tl::unexpected(std::string("no answer from the launcher: ") + std::strerror(errno));
    if (n == 0) break;
    text.append(buffer, static_cast<std::size_t>(n));
    if (text.size() > 64 * 1024) return tl::unexpected(std::string("the launcher's answer is too long"));
  }
  if (text.starts_with("error: ")) return tl::unexpected(text.substr(7, text.find('\n') - 7));
  return text;
}

std::vector<ProcessStatus> parse_launcher_status(const std::string& text) {
  std::vector<ProcessStatus> processes;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    ProcessStatus process;
    int crash_loop = 0;
    if (fields >> process.name >> process.state >> process.pid >> process.deaths >> process.started_unix_ns >>
        crash_loop) {
      process.crash_loop = crash_loop != 0;
      if (!(fields >> process.hung)) process.hung = 0;  // a launcher of an older version
      processes.push_back(std::move(process));
    }
  }
  return processes;
}

bool awaits_ready(const std::string& status_text) { return status_text.starts_with("ready 0\n"); }

}  // namespace headgate::control
