// Addresses, and the UDP sockets that libsrt is given. libsrt believes what a handshake announces: it
// allocates a list as long as the caller's flow window before a passphrase is checked, and divides by what
// the caller's packet size leaves for payload. So each UDP socket has a packet filter in the kernel that lets
// pass only handshakes whose figures are sane; all else is libsrt's to judge. References:
// draft-sharabayko-srt 3.2.1 (handshake packet); BSD packet filter, SO_ATTACH_FILTER. Threading: pure
// functions but for bind_udp(), which touches no state of the process.
#pragma once

#include <srt/srt.h>
#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "dataplane/bridge/net/host_port.h"

namespace headgate::bridge::srt {

// What the flow window of a handshake may be, in packets: libsrt keeps 24 bytes for each.
inline constexpr std::uint32_t kMinWindow = 32;
inline constexpr std::uint32_t kMaxWindow = 131'072;
// And the largest packet: a transport packet must fit.
inline constexpr std::uint32_t kMinPacketOnWire = 28 + 16 + 188;

struct Endpoint {
  sockaddr_storage storage{};
  int length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};

using net::HostPort;
// As net::split_host_port(); the error names the address.
tl::expected<HostPort, std::string> parse_host_port(std::string_view text);
// Null: the host is a name.
std::optional<Endpoint> numeric_endpoint(const std::string& host, std::uint16_t port);
// Any port on all addresses of that family.
Endpoint any_endpoint(int family);

// Binds `socket` to a UDP socket that is guarded as above. `both_families`: [::] takes IPv4, too. The error
// names what failed.
tl::expected<void, std::string> bind_udp(SRTSOCKET socket, const Endpoint& at, bool both_families);
// The filter alone.
bool guard_handshakes(int udp_socket);

}  // namespace headgate::bridge::srt
