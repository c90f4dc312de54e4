// The IGMP, ARP and ICMP hosts of all interfaces, between the worker's exception queues and the state
// machines of host/. Threading: main thread. Ownership: the ports outlive it.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "dataplane/fastpath/control/registry.h"
#include "dataplane/fastpath/host/interface_host.h"
#include "dataplane/fastpath/worker/worker.h"

namespace headgate::fastpath {

class Hosts {
 public:
  Hosts(const std::vector<Registry::Interface>& interfaces, HostQueues queues, protocol::StatsPage* stats);
  ~Hosts();

  void announce();
  // Joins what is new; the frames go out with the next turn().
  void join(const std::set<Membership>& wanted);
  // Leaves what is not wanted any more.
  void leave(const std::set<Membership>& wanted);
  // Datagrams that came on each membership so far. Where none come, the group is reported again, with longer
  // and longer pauses: a switch whose port wasn't ready yet has missed the first reports.
  void hear(const std::map<Membership, std::uint64_t>& arrivals);
  // Reports everything again: the link came back, and the switch behind it may have forgotten us.
  void refresh(std::size_t interface);
  void leave_all() { leave({}); }
  // Handles waiting frames and timers that are due.
  void turn();
  // Until the next timer, at most `limit`.
  std::chrono::milliseconds next_wait(std::chrono::milliseconds limit) const;
  void publish(std::int64_t steady_to_unix_ns);
  // The memberships in force, and whether media comes on each.
  struct Heard {
    std::uint64_t datagrams = 0;
    Time at{};  // when they last rose, or were last asked for
    bool media = false;
  };
  const std::map<Membership, Heard>& memberships() const noexcept { return joined_; }

 private:
  class Sink;
  struct Interface {
    std::string name;
    std::vector<std::uint16_t> vlans;
    std::unique_ptr<Sink> sink;
    std::unique_ptr<InterfaceHost> host;
  };
  static Time now();
  MulticastHost* host_of(const Membership& membership) {
    return interfaces_[membership.interface].host->multicast(membership.vlan);
  }
  void publish_network(const Interface& interface, std::uint16_t vlan, protocol::NetworkStats& stats,
                       std::int64_t steady_to_unix_ns);

  HostQueues queues_;
  protocol::StatsPage* stats_;
  std::vector<Interface> interfaces_;
  std::map<Membership, Heard> joined_;
};

}  // namespace headgate::fastpath
