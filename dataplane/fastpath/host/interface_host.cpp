#include "dataplane/fastpath/host/interface_host.h"

#include "dataplane/fastpath/host/responder.h"

namespace headgate::fastpath {

InterfaceHost::InterfaceHost(const Config& config, const Random& random, FrameSink& sink)
    : mac_(config.mac), mtu_(config.mtu), sink_(sink) {
  for (const Network& network : config.networks) {
    Part& part = parts_[network.vlan];
    part.addresses = network.addresses;
    const Ipv4 address = network.addresses.empty() ? Ipv4{} : network.addresses.front();
    part.multicast = std::make_unique<MulticastHost>(IgmpSender{config.mac, network.vlan, address},
                                                     config.mtu, config.igmp, random, sink);
  }
}

void InterfaceHost::announce() {
  for (const auto& [vlan, part] : parts_) {
    for (const Ipv4 address : part.addresses) sink_.send(gratuitous_arp(mac_, vlan, address));
  }
}

void InterfaceHost::on_frame(Time now, Bytes bytes, std::uint16_t vlan) {
  const auto frame = parse_ethernet(bytes);
  if (!frame) return;
  const std::uint16_t id = frame->vlan != 0 ? frame->vlan : vlan;
  const auto found = parts_.find(id);
  if (frame->source == mac_) return;
  if (found == parts_.end()) {
    if (const auto untagged = parts_.find(0); untagged != parts_.end()) ++untagged->second.counters.ignored;
    return;
  }
  if (!dispatch(found->second, id, *frame, now)) ++found->second.counters.ignored;
}

bool InterfaceHost::dispatch(Part& part, std::uint16_t vlan, const EthernetView& frame, Time now) {
  const bool to_group = (frame.destination[0] & 1) != 0;
  if (!to_group && frame.destination != mac_) return false;
  if (frame.ether_type == kEtherTypeArp) {
    const auto reply = answer_arp(frame.payload, mac_, vlan, part.addresses);
    if (!reply) return false;
    ++part.counters.arp_replies;
    sink_.send(*reply);
    return true;
  }
  if (frame.ether_type != kEtherTypeIpv4) return false;
  const auto packet = parse_ipv4_packet(frame.payload);
  if (!packet) return false;
  if (packet->protocol == kProtocolIgmp) {
    part.multicast->on_packet(*packet, now);
    return true;
  }
  // The answer has no options: it fits where the request did, but for a frame that was longer than our MTU.
  if (packet->protocol != kProtocolIcmp || to_group || packet->payload.size() + 20 > mtu_) return false;
  const auto reply = answer_echo(frame, *packet, mac_, vlan, part.addresses);
  if (!reply) return false;
  ++part.counters.icmp_replies;
  sink_.send(*reply);
  return true;
}

void InterfaceHost::on_timer(Time now) {
  for (auto& [vlan, part] : parts_) part.multicast->on_timer(now);
}

std::optional<Time> InterfaceHost::next_deadline() const {
  std::optional<Time> deadline;
  for (const auto& [vlan, part] : parts_) {
    const auto other = part.multicast->next_deadline();
    if (other && (!deadline || *other < *deadline)) deadline = other;
  }
  return deadline;
}

MulticastHost* InterfaceHost::multicast(std::uint16_t vlan) {
  const auto found = parts_.find(vlan);
  return found == parts_.end() ? nullptr : found->second.multicast.get();
}

const InterfaceHost::Counters* InterfaceHost::counters(std::uint16_t vlan) const {
  const auto found = parts_.find(vlan);
  return found == parts_.end() ? nullptr : &found->second.counters;
}

}  // namespace headgate::fastpath
