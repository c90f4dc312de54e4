// The IPv4 host of one interface and its VLANs: ARP, ICMP echo and a MulticastHost for each. Gets the frames
// that are not media; sends through the sink. Frames of a VLAN that it doesn't have are ignored. Threading:
// owned by one thread; the sink outlives it.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "dataplane/fastpath/host/multicast_host.h"

namespace headgate::fastpath {

class InterfaceHost {
 public:
  struct Network {
    std::uint16_t vlan = 0;       // 0: untagged
    std::vector<Ipv4> addresses;  // the first one is the source of reports
  };
  struct Config {
    Mac mac{};
    std::size_t mtu = 1500;
    IgmpVersionMode igmp = IgmpVersionMode::automatic;
    std::vector<Network> networks;
  };
  struct Counters {
    std::uint64_t arp_replies = 0;
    std::uint64_t icmp_replies = 0;
    // Frames that nothing here takes; those of VLANs that the interface hasn't got count as untagged.
    std::uint64_t ignored = 0;
  };

  InterfaceHost(const Config& config, const Random& random, FrameSink& sink);

  // Sends a gratuitous ARP for each address.
  void announce();
  // `vlan`: where the driver has taken the tag out of the frame; a tag within the frame counts first.
  void on_frame(Time now, Bytes frame, std::uint16_t vlan = 0);
  void on_timer(Time now);
  std::optional<Time> next_deadline() const;

  // Null where the interface has no such VLAN.
  MulticastHost* multicast(std::uint16_t vlan);
  const Counters* counters(std::uint16_t vlan) const;

 private:
  struct Part {
    std::vector<Ipv4> addresses;
    std::unique_ptr<MulticastHost> multicast;
    Counters counters;
  };
  // True where something took it.
  bool dispatch(Part& part, std::uint16_t vlan, const EthernetView& frame, Time now);

  Mac mac_;
  std::size_t mtu_;
  FrameSink& sink_;
  std::map<std::uint16_t, Part> parts_;
};

}  // namespace headgate::fastpath
