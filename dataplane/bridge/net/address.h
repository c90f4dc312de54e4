// Socket addresses in words, and whom limits count. An IPv4 address in IPv6's form (RFC 4291 2.5.5.2) is
// itself. Threading: pure functions.
#pragma once

#include <sys/socket.h>

#include <string>

namespace headgate::bridge::net {

// "203.0.113.7", "2001:db8::1".
std::string host_text(const sockaddr* address);
// "203.0.113.7:40112", "[2001:db8::1]:40112".
std::string address_text(const sockaddr* address);
// Whom limits count: an IPv4 address, or an IPv6 network of 64 bits, which is one customer's ("2001:db8::").
std::string client_of(const sockaddr* address);

}  // namespace headgate::bridge::net
