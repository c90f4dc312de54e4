#include "control/daemon/foreign.h"
#include "control/daemon/metrics/families.h"
#include "control/protocol/bridge_drops.h"

namespace headgate::control::metrics {
namespace {

// Of whom: what does not apply is "".
struct Place {
  std::string_view channel = {};
  std::string input = {};
  std::string_view output = {};
  std::string_view interface = {};
  std::string vlan = {};
};

class Drops {
 public:
  explicit Drops(Page& page) : family_(page.family<"headgate_drops_total">()) {}

  void add(const Place& place, std::string_view where, std::string_view reason, std::uint64_t count) {
    family_.sample(count, place.channel, place.input, place.output, place.interface, place.vlan, where,
                   reason);
  }
  // Zeros too, for each reason once a port, so that a rate is defined before the first drop; of inputs and
  // outputs only what has happened, to keep the page small with hundreds of channels.
  void add(const Place& place, const DropCounts& drops, bool zeros) {
    for (std::size_t i = 0; i < drops.size(); ++i) {
      if (drops[i] != 0 || zeros)
        add(place, protocol::kDropReasons[i].where, protocol::kDropReasons[i].name, drops[i]);
    }
  }

 private:
  decltype(std::declval<Page&>().family<"headgate_drops_total">()) family_;
};

// Of the hosts that speak IGMP and ARP, and of what belongs to nobody.
void about_rest(Drops& drops, const Scene& scene) {
  for (const NetworkSnapshot& network : scene.view.snapshot.networks) {
    if (!scene.has_network(network)) continue;
    Place place;
    place.interface = network.interface;
    place.vlan = std::to_string(network.vlan);
    if (network.ignored != 0) drops.add(place, "parser", "host_ignored", network.ignored);
    if (network.unsent != 0) drops.add(place, "output", "host_unsent", network.unsent);
  }
  std::uint64_t unknown = 0;
  for (const WorkerSnapshot& worker : scene.view.snapshot.workers) unknown += worker.unknown_slots;
  if (unknown != 0) drops.add({}, "parser", "unknown_input", unknown);
  const auto slots = foreign::count(foreign::member(scene.bridge, "ring"), "unknown_channel_slots");
  if (slots) drops.add({}, "ring", "unknown_channel", *slots);
}

void about_bridge_of(Drops& drops, const ChannelScene& channel) {
  Place place;
  place.channel = channel.channel.id;
  for (const auto& [about, count] : channel.bridge.drops) drops.add(place, about->where, about->name, count);
  for (const PushScene& push : channel.pushes) {
    if (push.sent == nullptr || push.sent->skipped == 0) continue;
    place.output = push.push.url;
    for (const protocol::BridgeReason& about : protocol::kPushDrops)
      drops.add(place, about.where, about.name, push.sent->skipped);
  }
}

void about_channel(Drops& drops, const ChannelScene& channel) {
  Place place;
  place.channel = channel.channel.id;
  // Tracks that the switch has no place for.
  if (channel.counters != nullptr && channel.counters->left_out != 0)
    drops.add(place, "parser", "track_left_out", channel.counters->left_out);
  for (const InputScene& input : channel.inputs) {
    place.input = std::to_string(input.input.number);
    if (input.counters != nullptr) drops.add(place, input.counters->drops, false);
    if (input.source == nullptr) continue;
    for (const protocol::BridgeReason& about : protocol::kIngestDrops) {
      const auto found = input.source->drops.find(std::string(about.name));
      if (found != input.source->drops.end() && found->second != 0)
        drops.add(place, about.where, about.name, found->second);
    }
  }
  place.input.clear();
  for (const PushScene& push : channel.pushes) {
    place.output = push.push.url;
    if (push.counters != nullptr) drops.add(place, push.counters->drops, false);
  }
}

void about_multiplex(Drops& drops, const MultiplexScene& multiplex) {
  Place place;
  place.channel = multiplex.multiplex.id;
  for (const PushScene& push : multiplex.pushes) {
    place.output = push.push.url;
    if (push.counters != nullptr) drops.add(place, push.counters->drops, false);
  }
}

}  // namespace

void about_drops(Page& page, const Scene& scene) {
  Drops drops(page);
  for (const InterfaceSnapshot& interface : scene.view.snapshot.interfaces) {
    if (!scene.has_interface(interface.name)) continue;
    Place place;
    place.interface = interface.name;
    drops.add(place, interface.drops, true);
  }
  for (const ChannelScene& channel : scene.channels) {
    about_channel(drops, channel);
    about_bridge_of(drops, channel);
  }
  for (const MultiplexScene& multiplex : scene.multiplexes) about_multiplex(drops, multiplex);
  about_rest(drops, scene);
}

}  // namespace headgate::control::metrics
