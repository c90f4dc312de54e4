// "HOST:PORT" taken apart: "192.0.2.1:9000", "[2001:db8::1]:9000", "name:9000", ":9000". Threading: pure
// functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

namespace headgate::bridge::net {

struct HostPort {
  std::string host;  // without brackets; "" where only a port was given
  std::uint16_t port = 0;
};

// The error says what is wrong, not with what.
tl::expected<HostPort, std::string> split_host_port(std::string_view text);

}  // namespace headgate::bridge::net
