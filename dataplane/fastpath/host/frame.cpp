#include "dataplane/fastpath/host/frame.h"

#include <algorithm>

namespace headgate::fastpath {
namespace {

constexpr std::uint32_t kRouterAlert = 0x94040000;  // RFC 2113 2.1: type 148, length 4, value 0

bool has_router_alert(Bytes options) noexcept {
  // RFC 791 3.1: 0 ends the list, 1 is one byte, all others carry their length.
  while (!options.empty() && options[0] != 0) {
    if (options[0] == 1) {
      options = options.subspan(1);
      continue;
    }
    if (options.size() < 2 || options[1] < 2 || options[1] > options.size()) return false;
    if (options[0] == kRouterAlert >> 24 && options[1] == 4) return true;
    options = options.subspan(options[1]);
  }
  return false;
}

}  // namespace

void put16(std::vector<std::uint8_t>& out, std::uint16_t value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8));
  out.push_back(static_cast<std::uint8_t>(value));
}

void put32(std::vector<std::uint8_t>& out, std::uint32_t value) {
  put16(out, static_cast<std::uint16_t>(value >> 16));
  put16(out, static_cast<std::uint16_t>(value));
}

std::uint16_t internet_checksum(Bytes bytes) noexcept {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) sum += get16(bytes, i);
  if (bytes.size() % 2 != 0) sum += std::uint64_t{bytes.back()} << 8;
  while (sum >> 16 != 0) sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

std::optional<EthernetView> parse_ethernet(Bytes frame) noexcept {
  if (frame.size() < 14) return std::nullopt;
  EthernetView view;
  std::copy_n(frame.begin(), 6, view.destination.begin());
  std::copy_n(frame.begin() + 6, 6, view.source.begin());
  view.ether_type = get16(frame, 12);
  view.payload = frame.subspan(14);
  if (view.ether_type == kEtherTypeVlan) {
    if (frame.size() < 18) return std::nullopt;
    view.vlan = get16(frame, 14) & 0x0FFF;
    view.ether_type = get16(frame, 16);
    view.payload = frame.subspan(18);
  }
  return view;
}

std::optional<Ipv4View> parse_ipv4_packet(Bytes packet) noexcept {
  if (packet.size() < 20 || packet[0] >> 4 != 4) return std::nullopt;
  const std::size_t header = (packet[0] & 0x0F) * std::size_t{4};
  const std::size_t total = get16(packet, 2);
  if (header < 20 || total < header || total > packet.size()) return std::nullopt;
  if ((get16(packet, 6) & 0x3FFF) != 0) return std::nullopt;  // more fragments, or an offset
  if (internet_checksum(packet.first(header)) != 0) return std::nullopt;
  Ipv4View view;
  view.tos = packet[1];
  view.ttl = packet[8];
  view.protocol = packet[9];
  view.source.value = get32(packet, 12);
  view.destination.value = get32(packet, 16);
  view.router_alert = has_router_alert(packet.subspan(20, header - 20));
  view.payload = packet.subspan(header, total - header);
  return view;
}

void put_ethernet(std::vector<std::uint8_t>& out, const Mac& destination, const Mac& source,
                  std::uint16_t vlan, std::uint16_t ether_type) {
  out.insert(out.end(), destination.begin(), destination.end());
  out.insert(out.end(), source.begin(), source.end());
  if (vlan != 0) {
    put16(out, kEtherTypeVlan);
    put16(out, vlan);
  }
  put16(out, ether_type);
}

void put_ipv4(std::vector<std::uint8_t>& out, const Ipv4Header& header, std::size_t payload_size) {
  const std::size_t begin = out.size();
  const std::size_t size = header.router_alert ? 24 : 20;
  out.push_back(static_cast<std::uint8_t>(0x40 | size / 4));
  out.push_back(header.tos);
  put16(out, static_cast<std::uint16_t>(size + payload_size));
  put16(out, 0);
  put16(out, 0x4000);  // don't fragment, so that the identification may be 0 (RFC 6864 4.1)
  out.push_back(header.ttl);
  out.push_back(header.protocol);
  put16(out, 0);
  put32(out, header.source.value);
  put32(out, header.destination.value);
  if (header.router_alert) put32(out, kRouterAlert);
  const std::uint16_t checksum = internet_checksum(Bytes(out).subspan(begin, size));
  out[begin + 10] = static_cast<std::uint8_t>(checksum >> 8);
  out[begin + 11] = static_cast<std::uint8_t>(checksum);
}

}  // namespace headgate::fastpath
