// Answers to ARP requests and ICMP echo requests. RFC 826, RFC 5227 3 (announcement), RFC 792 (echo).
// Threading: pure functions.
#pragma once

#include <optional>
#include <vector>

#include "dataplane/fastpath/host/frame.h"

namespace headgate::fastpath {

// The reply frame where the ARP payload asks for one of `addresses`.
std::optional<std::vector<std::uint8_t>> answer_arp(Bytes arp, const Mac& own_mac, std::uint16_t vlan,
                                                    std::span<const Ipv4> addresses);
std::vector<std::uint8_t> gratuitous_arp(const Mac& own_mac, std::uint16_t vlan, Ipv4 address);
// The reply frame where `packet` is an echo request to one of `addresses` (never to a group or broadcast).
std::optional<std::vector<std::uint8_t>> answer_echo(const EthernetView& frame, const Ipv4View& packet,
                                                     const Mac& own_mac, std::uint16_t vlan,
                                                     std::span<const Ipv4> addresses);

}  // namespace headgate::fastpath
