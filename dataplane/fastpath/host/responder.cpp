#include "dataplane/fastpath/host/responder.h"

#include <algorithm>

namespace headgate::fastpath {
namespace {

constexpr std::uint16_t kArpRequest = 1;
constexpr std::uint16_t kArpReply = 2;
constexpr std::size_t kArpSize = 28;
constexpr std::size_t kMinimumFrame = 60;  // IEEE 802.3 without the check sequence
constexpr std::uint8_t kEchoRequest = 8;

std::vector<std::uint8_t> build_arp(std::uint16_t operation, const Mac& ethernet_target, const Mac& own_mac,
                                    std::uint16_t vlan, Ipv4 own, const Mac& target_mac, Ipv4 target) {
  std::vector<std::uint8_t> out;
  put_ethernet(out, ethernet_target, own_mac, vlan, kEtherTypeArp);
  put16(out, 1);  // Ethernet
  put16(out, kEtherTypeIpv4);
  out.push_back(6);
  out.push_back(4);
  put16(out, operation);
  out.insert(out.end(), own_mac.begin(), own_mac.end());
  put32(out, own.value);
  out.insert(out.end(), target_mac.begin(), target_mac.end());
  put32(out, target.value);
  out.resize(std::max(out.size(), kMinimumFrame));
  return out;
}

bool contains(std::span<const Ipv4> addresses, Ipv4 address) {
  return address.value != 0 && std::find(addresses.begin(), addresses.end(), address) != addresses.end();
}

}  // namespace

std::optional<std::vector<std::uint8_t>> answer_arp(Bytes arp, const Mac& own_mac, std::uint16_t vlan,
                                                    std::span<const Ipv4> addresses) {
  if (arp.size() < kArpSize || get16(arp, 0) != 1 || get16(arp, 2) != kEtherTypeIpv4) return std::nullopt;
  if (arp[4] != 6 || arp[5] != 4 || get16(arp, 6) != kArpRequest) return std::nullopt;
  Mac asker;
  std::copy_n(arp.begin() + 8, 6, asker.begin());
  const Ipv4 asker_address{get32(arp, 14)};
  const Ipv4 wanted{get32(arp, 24)};
  if (!contains(addresses, wanted) || (asker[0] & 1) != 0 || asker == own_mac) return std::nullopt;
  return build_arp(kArpReply, asker, own_mac, vlan, wanted, asker, asker_address);
}

std::vector<std::uint8_t> gratuitous_arp(const Mac& own_mac, std::uint16_t vlan, Ipv4 address) {
  return build_arp(kArpRequest, kBroadcastMac, own_mac, vlan, address, Mac{}, address);
}

std::optional<std::vector<std::uint8_t>> answer_echo(const EthernetView& frame, const Ipv4View& packet,
                                                     const Mac& own_mac, std::uint16_t vlan,
                                                     std::span<const Ipv4> addresses) {
  const Bytes icmp = packet.payload;
  if (icmp.size() < 8 || icmp[0] != kEchoRequest || icmp[1] != 0 || internet_checksum(icmp) != 0)
    return std::nullopt;
  if (!contains(addresses, packet.destination) || (frame.source[0] & 1) != 0) return std::nullopt;
  if (packet.source.value == 0 || packet.source.is_multicast() || packet.source.value == 0xFFFFFFFF) {
    return std::nullopt;
  }
  std::vector<std::uint8_t> out;
  put_ethernet(out, frame.source, own_mac, vlan, kEtherTypeIpv4);
  put_ipv4(out, {packet.destination, packet.source, 64, kProtocolIcmp, packet.tos, false}, icmp.size());
  const std::size_t begin = out.size();
  out.insert(out.end(), icmp.begin(), icmp.end());
  out[begin] = 0;  // echo reply
  out[begin + 2] = 0;
  out[begin + 3] = 0;
  const std::uint16_t checksum = internet_checksum(Bytes(out).subspan(begin));
  out[begin + 2] = static_cast<std::uint8_t>(checksum >> 8);
  out[begin + 3] = static_cast<std::uint8_t>(checksum);
  out.resize(std::max(out.size(), kMinimumFrame));
  return out;
}

}  // namespace headgate::fastpath
