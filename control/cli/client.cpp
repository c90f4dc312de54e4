#include "control/cli/client.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "control/cli/did_you_mean.h"
#include "control/protocol/message.h"

namespace headgate::control {

using nlohmann::json;

void print(const json& value) {
  fmt::print("{}\n", value.dump(2, ' ', false, json::error_handler_t::replace));
}

bool colour() { return ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr; }

std::size_t columns_of_terminal() {
  winsize size{};
  const bool known = ::isatty(STDOUT_FILENO) == 1 && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
  return known && size.ws_col >= 20 ? size.ws_col : std::string::npos;
}

int fail(const CommonOptions& common, const std::string& message) {
  if (common.json) print({{"ok", false}, {"error", message}});
  fmt::print(stderr, "headgate: {}\n", message);
  return 1;
}

std::string not_running(const CommonOptions& common) {
  const int error = errno;
  if (error == EACCES) return "may not use " + common.socket + ": run as root or as a member of its group";
  return "the gateway is not running (nothing answers at " + common.socket +
         "); start it with headgate run --config FILE, or name its socket with --socket";
}

UniqueFd connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return {};
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (fd && ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return {};
  return fd;
}

namespace {

json channel_lines(const CommonOptions& common) {
  const auto status = ask(common, "status", json::object(), kShort);
  return status ? status->value("channels", json::array()) : json::array();
}

}  // namespace

std::vector<std::string> known_channels(const CommonOptions& common) {
  std::vector<std::string> known;
  for (const json& line : channel_lines(common)) known.push_back(line.value("id", ""));
  return known;
}

int fail_unknown(const CommonOptions& common, const std::string& message, const std::string& typed,
                 bool or_multiplex) {
  const bool or_tag = message.starts_with("no channel and no tag ");
  if (!message.starts_with("no channel ")) return fail(common, message);
  std::vector<std::string> known;
  const auto status = ask(common, "status", json::object(), kShort);
  const auto ids_of = [&](const char* what) {
    return status ? status->value(what, json::array()) : json::array();
  };
  for (const json& line : or_multiplex ? ids_of("multiplexes") : json::array())
    known.push_back(line.value("id", ""));
  for (const json& line : ids_of("channels")) {
    known.push_back(line.value("id", ""));
    if (!or_tag) continue;
    for (const json& tag : line.value("tags", json::array())) known.push_back(tag.get<std::string>());
  }
  return fail(common, message + did_you_mean(typed, known, "headgate status lists them"));
}

tl::expected<json, std::string> ask(const CommonOptions& common, const char* method, const json& params,
                                    std::chrono::milliseconds timeout) {
  if (!connect_to(common.socket)) return tl::unexpected(not_running(common));
  return protocol::call(common.socket, method, params, timeout);
}

}  // namespace headgate::control
