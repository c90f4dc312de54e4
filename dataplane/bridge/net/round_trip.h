// The round trip to the other end of a TCP connection, as the kernel estimates it (tcp(7), TCP_INFO).
// Threading: pure but for the system call.
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstdint>
#include <optional>

namespace headgate::bridge::net {

inline std::optional<std::int64_t> round_trip_ns(int socket) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 || info.tcpi_rtt == 0) return {};
  return std::int64_t{info.tcpi_rtt} * 1000;
}

}  // namespace headgate::bridge::net
