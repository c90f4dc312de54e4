#include "dataplane/bridge/net/listen_address.h"

#include "dataplane/bridge/net/host_port.h"

namespace headgate::bridge::net {

tl::expected<ListenAddress, std::string> parse_listen_address(std::string_view text) {
  auto parts = split_host_port(text);
  if (!parts) {
    const bool bare = text.find(':') == std::string_view::npos;
    return tl::unexpected<std::string>("listen address \"" + std::string(text) + "\": " + parts.error() +
                                       (bare ? ", for example [::]:8080" : ""));
  }
  return ListenAddress{parts->host.empty() ? "::" : std::move(parts->host), parts->port};
}

}  // namespace headgate::bridge::net
