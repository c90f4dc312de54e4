// What the tests of the IPv4 host share: a sink that reads back what was sent, randomness that is told,
// queries.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "dataplane/fastpath/host/interface_host.h"

namespace headgate::fastpath {

inline constexpr Mac kOwnMac{2, 0, 0, 0, 0, 1};
inline constexpr Mac kPeerMac{2, 0, 0, 0, 0, 9};
inline constexpr Ipv4 kOwn{0x0A140005};
inline constexpr Ipv4 kPeer{0x0A140001};

// A frame sent, taken apart with our own parsers (which host_message_test checks byte by byte).
struct Sent {
  EthernetView ethernet;
  Ipv4View ip;
  IgmpMessage message;
  std::vector<GroupRecord> records() const {
    const auto* report = std::get_if<Igmpv3Report>(&message);
    return report ? report->records : std::vector<GroupRecord>{};
  }
};

struct RecordingSink : FrameSink {
  void send(Bytes frame) override { frames.emplace_back(frame.begin(), frame.end()); }
  // The IGMP messages since the last call.
  std::vector<Sent> take() {
    taken = std::move(frames);
    frames.clear();
    std::vector<Sent> out;
    for (const auto& frame : taken) {
      const auto ethernet = parse_ethernet(frame);
      if (!ethernet) throw std::runtime_error("bad frame");
      const auto ip = parse_ipv4_packet(ethernet->payload);
      if (!ip) throw std::runtime_error("bad packet");
      const auto message = parse_igmp(ip->payload);
      if (!message) throw std::runtime_error("bad message");
      out.push_back({*ethernet, *ip, *message});
    }
    return out;
  }
  std::vector<GroupRecord> take_records() {
    std::vector<GroupRecord> out;
    for (const Sent& sent : take()) {
      for (GroupRecord& record : sent.records()) out.push_back(record);
    }
    return out;
  }
  std::vector<std::vector<std::uint8_t>> frames;
  std::vector<std::vector<std::uint8_t>> taken;
};

inline std::vector<std::uint8_t> igmp_frame(std::vector<std::uint8_t> message, Ipv4 destination,
                                            Ipv4 source = kPeer, std::uint16_t vlan = 0) {
  const std::uint16_t checksum = internet_checksum(message);
  message[2] = static_cast<std::uint8_t>(checksum >> 8);
  message[3] = static_cast<std::uint8_t>(checksum);
  std::vector<std::uint8_t> out;
  put_ethernet(out, multicast_mac(destination), kPeerMac, vlan, kEtherTypeIpv4);
  put_ipv4(out, {source, destination, 1, kProtocolIgmp, 0xC0, true}, message.size());
  out.insert(out.end(), message.begin(), message.end());
  return out;
}

inline std::vector<std::uint8_t> v3_query(Ipv4 group, const std::vector<Ipv4>& sources, std::uint8_t code,
                                          Ipv4 from = kPeer, std::uint8_t qrv = 2, std::uint8_t qqic = 125,
                                          std::uint16_t vlan = 0) {
  std::vector<std::uint8_t> message{0x11, code, 0, 0};
  put32(message, group.value);
  message.push_back(qrv);
  message.push_back(qqic);
  put16(message, static_cast<std::uint16_t>(sources.size()));
  for (const Ipv4 source : sources) put32(message, source.value);
  return igmp_frame(std::move(message), group.value == 0 ? kAllSystems : group, from, vlan);
}

inline std::vector<std::uint8_t> old_message(IgmpType type, std::uint8_t code, Ipv4 group) {
  std::vector<std::uint8_t> message{static_cast<std::uint8_t>(type), code, 0, 0};
  put32(message, group.value);
  return igmp_frame(std::move(message), group.value == 0 ? kAllSystems : group);
}

}  // namespace headgate::fastpath
