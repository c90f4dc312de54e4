// "HOST:PORT" of a listener: "[::]:8080" (IPv6 and IPv4), "0.0.0.0:8080", "127.0.0.1:9000". Numeric addresses
// only. Threading: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

namespace headgate::bridge::net {

struct ListenAddress {
  std::string host;  // without brackets
  std::uint16_t port = 0;
};

tl::expected<ListenAddress, std::string> parse_listen_address(std::string_view text);

}  // namespace headgate::bridge::net
