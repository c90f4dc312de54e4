// Addresses of the small IPv4 host. RFC 1112 6.4 (multicast MAC), RFC 4632 (prefix notation).
// Threading: values, pure functions.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace headgate::fastpath {

struct Ipv4 {
  std::uint32_t value = 0;  // host byte order; 0 = none
  auto operator<=>(const Ipv4&) const = default;
  constexpr bool is_multicast() const noexcept { return value >> 28 == 0xE; }
};

using Mac = std::array<std::uint8_t, 6>;
inline constexpr Mac kBroadcastMac{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};

// The low 23 bits of the group behind 01-00-5E.
constexpr Mac multicast_mac(Ipv4 group) noexcept {
  return {0x01,
          0x00,
          0x5E,
          static_cast<std::uint8_t>(group.value >> 16 & 0x7F),
          static_cast<std::uint8_t>(group.value >> 8),
          static_cast<std::uint8_t>(group.value)};
}

// "10.20.0.5"; with `allow_prefix` also "10.20.0.5/24" (the prefix length is checked and dropped).
std::optional<Ipv4> parse_ipv4(std::string_view text, bool allow_prefix = false) noexcept;

}  // namespace headgate::fastpath
