#include "dataplane/bridge/srt/endpoint.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace headgate::bridge::srt {
namespace {

// Where a filter of a UDP socket finds things: it sees the UDP header first.
constexpr std::uint32_t kUdpHeader = 8;
constexpr std::uint32_t kSrtHeader = 16;
constexpr std::uint32_t kTypeAt = kUdpHeader;
constexpr std::uint32_t kPacketAt = kUdpHeader + kSrtHeader + 12;  // "MTU Size"
constexpr std::uint32_t kWindowAt = kUdpHeader + kSrtHeader + 16;  // "Maximum Flow Window Size"
constexpr std::uint32_t kHandshake = 0x8000;                       // control bit, type 0

sock_filter statement(unsigned code, std::uint32_t k) { return {static_cast<std::uint16_t>(code), 0, 0, k}; }
// `yes`, `no`: instructions to skip.
sock_filter branch(unsigned code, std::uint32_t k, std::uint8_t yes, std::uint8_t no) {
  return {static_cast<std::uint16_t>(code), yes, no, k};
}

}  // namespace

tl::expected<HostPort, std::string> parse_host_port(std::string_view text) {
  auto parts = net::split_host_port(text);
  if (!parts) return tl::unexpected(fmt::format("address \"{}\": {}", text, parts.error()));
  return parts;
}

std::optional<Endpoint> numeric_endpoint(const std::string& host, std::uint16_t port) {
  Endpoint out;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
  if (::inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    out.length = sizeof *v4;
    return out;
  }
  if (::inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    out.length = sizeof *v6;
    return out;
  }
  return std::nullopt;
}

Endpoint any_endpoint(int family) { return *numeric_endpoint(family == AF_INET6 ? "::" : "0.0.0.0", 0); }

bool guard_handshakes(int udp_socket) {
  // A load beyond the packet's end drops it: a handshake that short is none.
  std::array program{
      statement(BPF_LD | BPF_H | BPF_ABS, kTypeAt),
      branch(BPF_JMP | BPF_JEQ | BPF_K, kHandshake, 0, 6),
      statement(BPF_LD | BPF_W | BPF_ABS, kPacketAt),
      branch(BPF_JMP | BPF_JGE | BPF_K, kMinPacketOnWire, 0, 3),
      statement(BPF_LD | BPF_W | BPF_ABS, kWindowAt),
      branch(BPF_JMP | BPF_JGE | BPF_K, kMinWindow, 0, 1),
      branch(BPF_JMP | BPF_JGT | BPF_K, kMaxWindow, 0, 1),
      statement(BPF_RET | BPF_K, 0),
      statement(BPF_RET | BPF_K, 0xffffffff),
  };
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return ::setsockopt(udp_socket, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0;
}

tl::expected<void, std::string> bind_udp(SRTSOCKET socket, const Endpoint& at, bool both_families) {
  const auto failure = [](const char* what) {
    return tl::unexpected(fmt::format("can't {}: {}", what, std::strerror(errno)));
  };
  const int v6_only = both_families ? 0 : 1;
  if (at.family() == AF_INET6) srt_setsockflag(socket, SRTO_IPV6ONLY, &v6_only, sizeof v6_only);
  const int udp = ::socket(at.family(), SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);
  if (udp < 0) return failure("make a UDP socket");
  const auto closed = [&](auto result) {
    ::close(udp);
    return result;
  };
  if (at.family() == AF_INET6 && ::setsockopt(udp, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only) != 0)
    return closed(failure("set up a UDP socket"));
  if (!guard_handshakes(udp)) return closed(failure("attach a packet filter"));
  if (::bind(udp, at.get(), static_cast<socklen_t>(at.length)) != 0) {
    auto failed = closed(failure("bind"));
    // A UDP socket of an own listener that went a moment ago, with the filter on it: libsrt shares it.
    if (srt_bind(socket, at.get(), at.length) != SRT_ERROR) return {};
    return failed;
  }
  if (srt_bind_acquire(socket, udp) == SRT_ERROR) {
    const std::string why = srt_getlasterror_str();
    ::close(udp);
    return tl::unexpected("can't bind: " + why);
  }
  return {};
}

}  // namespace headgate::bridge::srt
