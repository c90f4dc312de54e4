#include "dataplane/bridge/net/listen_address.h"

#include <charconv>

namespace headgate::bridge::net {

tl::expected<ListenAddress, std::string> parse_listen_address(std::string_view text) {
  const auto failure = [&](const char* why) {
    return tl::unexpected<std::string>("listen address \"" + std::string(text) + "\": " + why);
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return failure("write HOST:PORT, for example [::]:8080");
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  ListenAddress address;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (port.empty() || error != std::errc{} || end != port.data() + port.size())
    return failure("the port is no number up to 65535");
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return failure("write an IPv6 address in brackets");
  }
  address.host = host.empty() ? "::" : std::string(host);
  return address;
}

}  // namespace headgate::bridge::net
