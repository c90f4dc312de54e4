#include "dataplane/bridge/net/host_port.h"

#include <charconv>

namespace headgate::bridge::net {

tl::expected<HostPort, std::string> split_host_port(std::string_view text) {
  const auto failure = [](const char* why) { return tl::unexpected<std::string>(why); };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return failure("write HOST:PORT");
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  HostPort out;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (port.empty() || error != std::errc{} || end != port.data() + port.size())
    return failure("the port is no number up to 65535");
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return failure("write an IPv6 address in brackets");
  }
  out.host = host;
  return out;
}

}  // namespace headgate::bridge::net
