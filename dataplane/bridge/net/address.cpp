#include "dataplane/bridge/net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

namespace headgate::bridge::net {
namespace {

// By its bytes: nobody says how the caller's address is aligned.
template <typename Address>
Address as(const sockaddr* address) {
  Address out{};
  std::memcpy(&out, address, sizeof out);
  return out;
}

std::string text_of(int family, const void* bytes) {
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(family, bytes, text, sizeof text);
  return text;
}

std::string text_of(const in6_addr& address) {
  return IN6_IS_ADDR_V4MAPPED(&address) ? text_of(AF_INET, address.s6_addr + 12)
                                        : text_of(AF_INET6, &address);
}

}  // namespace

std::string host_text(const sockaddr* address) {
  if (address->sa_family == AF_INET6) return text_of(as<sockaddr_in6>(address).sin6_addr);
  const auto v4 = as<sockaddr_in>(address);
  return text_of(AF_INET, &v4.sin_addr);
}

std::string address_text(const sockaddr* address) {
  const std::string host = host_text(address);
  // The port stands in the same place in both families.
  const std::string port = std::to_string(ntohs(as<sockaddr_in>(address).sin_port));
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + port;
}

std::string client_of(const sockaddr* address) {
  if (address->sa_family != AF_INET6) return host_text(address);
  in6_addr network = as<sockaddr_in6>(address).sin6_addr;
  if (!IN6_IS_ADDR_V4MAPPED(&network) && !IN6_IS_ADDR_LOOPBACK(&network))
    std::fill(network.s6_addr + 8, network.s6_addr + 16, std::uint8_t{0});
  return text_of(network);
}

}  // namespace headgate::bridge::net
