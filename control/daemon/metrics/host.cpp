#include "control/daemon/metrics/families.h"

namespace headgate::control::metrics {
namespace {

void about_interfaces(Page& page, const Scene& scene) {
  const auto each = [&](auto sample) {
    for (const InterfaceSnapshot& interface : scene.view.snapshot.interfaces) {
      if (scene.has_interface(interface.name)) sample(interface);
    }
  };
  auto up = page.family<"headgate_interface_up">();
  each([&](const InterfaceSnapshot& interface) { up.sample(interface.link_up, interface.name); });
  auto packets = page.family<"headgate_interface_packets_total">();
  each([&](const InterfaceSnapshot& interface) {
    packets.sample(interface.rx_packets, interface.name, "rx");
    packets.sample(interface.tx_packets, interface.name, "tx");
  });
  auto bytes = page.family<"headgate_interface_bytes_total">();
  each([&](const InterfaceSnapshot& interface) {
    bytes.sample(interface.rx_bytes, interface.name, "rx");
    bytes.sample(interface.tx_bytes, interface.name, "tx");
  });
}

void about_networks(Page& page, const Scene& scene) {
  const auto samples = [&](auto family, auto value) {
    for (const NetworkSnapshot& network : scene.view.snapshot.networks) {
      if (scene.has_network(network)) family.sample(value(network), network.interface, network.vlan);
    }
  };
  samples(page.family<"headgate_igmp_last_query_timestamp_seconds">(),
          [](const NetworkSnapshot& network) { return seconds(network.last_query_unix_ns); });
  samples(page.family<"headgate_igmp_groups">(),
          [](const NetworkSnapshot& network) { return network.groups; });
  samples(page.family<"headgate_igmp_version">(),
          [](const NetworkSnapshot& network) { return network.igmp_version; });
}

void about_workers(Page& page, const Scene& scene) {
  const auto& workers = scene.view.snapshot.workers;
  const auto busy_by = [&](auto family, std::uint64_t WorkerSnapshot::*by) {
    for (std::size_t i = 0; i < workers.size(); ++i) {
      if (workers[i].*by != 0)
        family.sample(static_cast<double>(workers[i].busy_cycles) / static_cast<double>(workers[i].*by), i);
    }
  };
  busy_by(page.family<"headgate_fastpath_cycles_per_packet">(), &WorkerSnapshot::packets);
  busy_by(page.family<"headgate_fastpath_busy_ratio">(), &WorkerSnapshot::total_cycles);
  auto packets = page.family<"headgate_fastpath_packets_total">();
  for (std::size_t i = 0; i < workers.size(); ++i) packets.sample(workers[i].packets, i);
}

}  // namespace

void about_host(Page& page, const Scene& scene) {
  about_interfaces(page, scene);
  about_networks(page, scene);
  about_workers(page, scene);
}

}  // namespace headgate::control::metrics
