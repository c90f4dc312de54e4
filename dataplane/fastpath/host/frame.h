// Ethernet II frames with at most one 802.1Q tag, and IPv4 packets within: views that are checked once when
// made. IEEE 802.3, IEEE 802.1Q; RFC 791 3.1, RFC 1071 (checksum), RFC 2113 (Router Alert). Threading: pure
// functions; views don't own their bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/fastpath/host/address.h"

namespace headgate::fastpath {

using Bytes = std::span<const std::uint8_t>;

inline constexpr std::uint16_t kEtherTypeIpv4 = 0x0800;
inline constexpr std::uint16_t kEtherTypeArp = 0x0806;
inline constexpr std::uint16_t kEtherTypeVlan = 0x8100;
inline constexpr std::uint8_t kProtocolIcmp = 1;
inline constexpr std::uint8_t kProtocolIgmp = 2;

constexpr std::uint16_t get16(Bytes b, std::size_t at) noexcept {
  return static_cast<std::uint16_t>(b[at] << 8 | b[at + 1]);
}
constexpr std::uint32_t get32(Bytes b, std::size_t at) noexcept {
  return std::uint32_t{get16(b, at)} << 16 | get16(b, at + 2);
}
void put16(std::vector<std::uint8_t>& out, std::uint16_t value);
void put32(std::vector<std::uint8_t>& out, std::uint32_t value);
// Over the bytes with their checksum field as it stands: 0 for a right one, the field's value where it was 0.
std::uint16_t internet_checksum(Bytes bytes) noexcept;

struct EthernetView {
  Mac destination{};
  Mac source{};
  std::uint16_t vlan = 0;  // 0: untagged or priority-tagged
  std::uint16_t ether_type = 0;
  Bytes payload;  // may have padding behind it
};
std::optional<EthernetView> parse_ethernet(Bytes frame) noexcept;

struct Ipv4View {
  Ipv4 source;
  Ipv4 destination;
  std::uint8_t ttl = 0;
  std::uint8_t protocol = 0;
  std::uint8_t tos = 0;
  bool router_alert = false;
  Bytes payload;  // exactly what total_length says
};
// Nothing where lengths disagree, the checksum is wrong, or it is a fragment.
std::optional<Ipv4View> parse_ipv4_packet(Bytes packet) noexcept;

// Header bytes; the payload follows by appending.
void put_ethernet(std::vector<std::uint8_t>& out, const Mac& destination, const Mac& source,
                  std::uint16_t vlan, std::uint16_t ether_type);

struct Ipv4Header {
  Ipv4 source;
  Ipv4 destination;
  std::uint8_t ttl = 64;
  std::uint8_t protocol = 0;
  std::uint8_t tos = 0;
  bool router_alert = false;  // IHL 6
};
void put_ipv4(std::vector<std::uint8_t>& out, const Ipv4Header& header, std::size_t payload_size);

}  // namespace headgate::fastpath
