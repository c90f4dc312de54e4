#include "dataplane/fastpath/control/hosts.h"

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <algorithm>
#include <cstring>
#include <random>

namespace headgate::fastpath {
namespace {

constexpr std::size_t kFramesPerTurn = 256;
// A group that carried media and is silent for so long is asked for again: the switch may have lost it.
constexpr std::chrono::seconds kSilence{5};

IgmpVersionMode mode_of(protocol::IgmpMode mode) {
  switch (mode) {
    case protocol::IgmpMode::v1:
      return IgmpVersionMode::v1;
    case protocol::IgmpMode::v2:
      return IgmpVersionMode::v2;
    case protocol::IgmpMode::v3:
      return IgmpVersionMode::v3;
    case protocol::IgmpMode::automatic:
      break;
  }
  return IgmpVersionMode::automatic;
}

InterfaceHost::Network network_of(std::uint16_t vlan, const std::vector<std::string>& addresses) {
  InterfaceHost::Network network;
  network.vlan = vlan;
  for (const std::string& text : addresses) {
    if (const auto address = parse_ipv4(text, true)) network.addresses.push_back(*address);
  }
  return network;
}

std::optional<Ipv4> source_of(const Membership& membership) {
  if (membership.source == 0) return std::nullopt;
  return Ipv4{membership.source};
}

}  // namespace

// Puts a frame into the worker's queue. A full queue loses it, which counts: reports are repeated, requests
// asked again.
class Hosts::Sink : public FrameSink {
 public:
  Sink(std::uint16_t index, PortRuntime& port, rte_ring* queue) : index_(index), port_(port), queue_(queue) {}

  void send(Bytes frame) override {
    if (!enqueue(frame)) ++unsent_;
  }
  std::uint64_t unsent() const { return unsent_; }

 private:
  bool enqueue(Bytes frame) {
    if (frame.size() > kBufferBytes) return false;
    rte_mbuf* copy = rte_pktmbuf_alloc(port_.port->pool());
    if (copy == nullptr) return false;
    copy->port = index_;
    char* room =
        rte_pktmbuf_append(copy, static_cast<std::uint16_t>(std::max<std::size_t>(frame.size(), 60)));
    if (room != nullptr) {
      std::memcpy(room, frame.data(), frame.size());
      // IEEE 802.3: at least 60 bytes before the FCS.
      if (frame.size() < 60) std::memset(room + frame.size(), 0, 60 - frame.size());
      if (rte_ring_sp_enqueue(queue_, copy) == 0) return true;
    }
    rte_pktmbuf_free(copy);
    return false;
  }

  std::uint16_t index_;
  PortRuntime& port_;
  rte_ring* queue_;
  std::uint64_t unsent_ = 0;
};

Time Hosts::now() {
  return std::chrono::duration_cast<Time>(std::chrono::steady_clock::now().time_since_epoch());
}

Hosts::Hosts(const std::vector<Registry::Interface>& interfaces, HostQueues queues,
             protocol::StatsPage* stats)
    : queues_(queues), stats_(stats) {
  auto generator = std::make_shared<std::mt19937_64>(std::random_device{}());
  const Random random = [generator](std::uint64_t bound) {
    return std::uniform_int_distribution<std::uint64_t>(0, bound)(*generator);
  };
  for (std::size_t i = 0; i < interfaces.size(); ++i) {
    const protocol::InterfaceState& state = interfaces[i].state;
    Interface interface;
    interface.name = state.name;
    interface.sink =
        std::make_unique<Sink>(static_cast<std::uint16_t>(i), *interfaces[i].port, queues_.from_host);
    InterfaceHost::Config config;
    config.mac = interfaces[i].port->port->mac();
    config.mtu = state.mtu;
    config.igmp = mode_of(state.igmp);
    config.networks.push_back(network_of(0, state.addresses));
    for (const protocol::VlanState& vlan : state.vlans)
      config.networks.push_back(network_of(vlan.id, vlan.addresses));
    for (const auto& network : config.networks) interface.vlans.push_back(network.vlan);
    interface.host = std::make_unique<InterfaceHost>(config, random, *interface.sink);
    interfaces_.push_back(std::move(interface));
  }
}

Hosts::~Hosts() = default;

void Hosts::announce() {
  for (const Interface& interface : interfaces_) interface.host->announce();
}

void Hosts::join(const std::set<Membership>& wanted) {
  for (const Membership& membership : wanted) {
    if (!joined_.try_emplace(membership, Heard{0, now(), false}).second) continue;
    if (MulticastHost* host = host_of(membership)) {
      host->join(Ipv4{membership.group}, source_of(membership), now());
      host->doubt(Ipv4{membership.group}, source_of(membership), now());
    }
  }
}

void Hosts::leave(const std::set<Membership>& wanted) {
  std::erase_if(joined_, [&](const auto& entry) {
    const Membership& membership = entry.first;
    if (wanted.contains(membership)) return false;
    if (MulticastHost* host = host_of(membership))
      host->leave(Ipv4{membership.group}, source_of(membership), now());
    return true;
  });
}

void Hosts::hear(const std::map<Membership, std::uint64_t>& arrivals) {
  const Time when = now();
  for (auto& [membership, heard] : joined_) {
    const auto came = arrivals.find(membership);
    const std::uint64_t datagrams = came != arrivals.end() ? came->second : 0;
    MulticastHost* host = host_of(membership);
    if (host == nullptr) continue;
    if (datagrams != heard.datagrams) {
      heard.datagrams = datagrams;
      heard.at = when;
      if (!heard.media) host->confirm(Ipv4{membership.group}, source_of(membership));
      heard.media = true;
    } else if (heard.media && when - heard.at > kSilence) {
      heard.media = false;
      host->doubt(Ipv4{membership.group}, source_of(membership), when);
    }
  }
}

void Hosts::refresh(std::size_t interface) {
  for (const std::uint16_t vlan : interfaces_[interface].vlans) {
    if (MulticastHost* host = interfaces_[interface].host->multicast(vlan)) host->refresh(now());
  }
  for (auto& [membership, heard] : joined_) {
    MulticastHost* host = membership.interface == interface ? host_of(membership) : nullptr;
    if (host == nullptr) continue;
    heard.media = false;
    host->confirm(Ipv4{membership.group}, source_of(membership));  // the pauses begin short again
    host->doubt(Ipv4{membership.group}, source_of(membership), now());
  }
  interfaces_[interface].host->announce();
}

void Hosts::turn() {
  std::array<void*, kFramesPerTurn> frames;
  const unsigned n = rte_ring_sc_dequeue_burst(queues_.to_host, frames.data(), kFramesPerTurn, nullptr);
  for (unsigned i = 0; i < n; ++i) {
    auto* frame = static_cast<rte_mbuf*>(frames[i]);
    const bool stripped = (frame->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0;
    interfaces_[frame->port].host->on_frame(now(),
                                            {rte_pktmbuf_mtod(frame, const std::uint8_t*), frame->data_len},
                                            stripped ? frame->vlan_tci & 0x0FFF : 0);
    rte_pktmbuf_free(frame);
  }
  for (const Interface& interface : interfaces_) interface.host->on_timer(now());
}

std::chrono::milliseconds Hosts::next_wait(std::chrono::milliseconds limit) const {
  Time wait = limit;
  for (const Interface& interface : interfaces_) {
    if (const auto deadline = interface.host->next_deadline()) wait = std::min(wait, *deadline - now());
  }
  return std::clamp(std::chrono::ceil<std::chrono::milliseconds>(wait), std::chrono::milliseconds(0), limit);
}

void Hosts::publish_network(const Interface& interface, std::uint16_t vlan, protocol::NetworkStats& stats,
                            std::int64_t steady_to_unix_ns) {
  const auto set = [](protocol::Counter& counter, std::uint64_t value) {
    counter.store(value, std::memory_order_relaxed);
  };
  const auto unix_time = [&](Time time) {
    return time.count() == 0 ? 0 : static_cast<std::uint64_t>(time.count() + steady_to_unix_ns);
  };
  const MulticastHost::Counters& igmp = interface.host->multicast(vlan)->counters();
  const InterfaceHost::Counters& others = *interface.host->counters(vlan);
  set(stats.igmp_version, static_cast<std::uint64_t>(igmp.version));
  set(stats.last_query_unix_ns, unix_time(igmp.last_query));
  set(stats.queries, igmp.queries);
  set(stats.last_report_unix_ns, unix_time(igmp.last_report));
  set(stats.reports, igmp.reports);
  set(stats.groups, igmp.groups);
  set(stats.arp_replies, others.arp_replies);
  set(stats.icmp_replies, others.icmp_replies);
  set(stats.ignored, others.ignored);
  if (vlan == 0) set(stats.unsent, interface.sink->unsent());  // of all its VLANs
  if (stats.in_use.load(std::memory_order_relaxed) != 0) return;
  stats.vlan = vlan;
  interface.name.copy(stats.interface.data(), stats.interface.size() - 1);
  stats.in_use.store(1, std::memory_order_release);
}

void Hosts::publish(std::int64_t steady_to_unix_ns) {
  std::size_t place = 0;
  for (const Interface& interface : interfaces_) {
    for (const std::uint16_t vlan : interface.vlans) {
      if (place == stats_->networks.size()) return;
      publish_network(interface, vlan, stats_->networks[place++], steady_to_unix_ns);
    }
  }
}

}  // namespace headgate::fastpath
