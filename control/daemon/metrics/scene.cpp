#include "control/daemon/metrics/scene.h"

#include <algorithm>

#include "control/daemon/foreign.h"

namespace headgate::control::metrics {
namespace {

constexpr std::size_t kShownUrl = sizeof(protocol::OutputStats::url) - 1;

constexpr std::array<std::string_view, kHlsCounts> kHlsNames{"segments_total", "gaps", "discontinuities",
                                                             "gop_too_long", "late_units"};

// A reason that the table does not have is not shown.
BridgeCounts counts_of(const nlohmann::json& told) {
  BridgeCounts counts;
  counts.ring_gaps = foreign::count(told, "ring_gaps");
  const nlohmann::json& hls = foreign::member(told, "hls");
  for (std::size_t i = 0; i < kHlsCounts; ++i) counts.hls[i] = foreign::count(hls, kHlsNames[i]);
  const nlohmann::json& drops = foreign::member(told, "drops");
  const bool any = std::any_of(drops.begin(), drops.end(), [](const auto& count) { return count != 0; });
  if (!any) return counts;
  for (const protocol::BridgeReason& about : protocol::kBridgeDrops) {
    if (const auto count = foreign::count(drops, about.name); count && *count != 0)
      counts.drops.emplace_back(&about, *count);
  }
  return counts;
}

}  // namespace

Scene::Scene(const GatewayView& of) : view(of), bridge(of.bridge_status), transcode(of.transcode_status) {
  channels.reserve(view.model->channels.size());
  for (const config::Channel& channel : view.model->channels) {
    places.emplace(channel.id, channels.size());
    const nlohmann::json& told = foreign::channel(bridge, channel.id);
    ChannelScene scene{channel, view.monitor.find(channel.id), nullptr, counts_of(told), {}, {}, {}, {}, {},
                       {}};
    scene.served = counted_outputs(channel, told);
    scene.watched = watched(told);
    scene.sources = sources_of(told);
    scene.sent = pushes_of(told);
    for (const config::Input& input : channel.inputs)
      scene.inputs.push_back({input, nullptr, find_source(scene.sources, input.number)});
    for (const config::Push& push : channel.push) {
      const auto sent = std::find_if(scene.sent.begin(), scene.sent.end(),
                                     [&](const PushView& each) { return each.url == push.url; });
      scene.pushes.push_back({push, nullptr, sent == scene.sent.end() ? nullptr : &*sent});
    }
    channels.push_back(std::move(scene));
  }
  add_counters();
  add_multiplexes();
}

void Scene::add_multiplexes() {
  for (const config::Multiplex& multiplex : view.model->multiplexes) {
    MultiplexScene& scene = multiplexes.emplace_back(MultiplexScene{multiplex, nullptr, {}});
    for (const ChannelSnapshot& counters : view.snapshot.channels) {
      if (counters.channel == multiplex.id) scene.counters = &counters;
    }
    for (const config::Push& push : multiplex.push) {
      const auto sent = std::find_if(view.snapshot.outputs.begin(), view.snapshot.outputs.end(),
                                     [&](const OutputSnapshot& output) {
                                       return output.channel == multiplex.id && push.enabled &&
                                              std::string_view(push.url).substr(0, kShownUrl) == output.url;
                                     });
      scene.pushes.push_back({push, sent == view.snapshot.outputs.end() ? nullptr : &*sent, nullptr});
    }
  }
}

// After an apply the fast path may still have an entry of what was: it belongs to nothing.
void Scene::add_counters() {
  const auto find = [this](const std::string& id) {
    const auto place = places.find(id);
    return place == places.end() ? nullptr : &channels[place->second];
  };
  for (const ChannelSnapshot& counters : view.snapshot.channels) {
    if (ChannelScene* scene = find(counters.channel)) scene->counters = &counters;
  }
  for (const InputSnapshot& counters : view.snapshot.inputs) {
    ChannelScene* scene = find(counters.channel);
    if (scene == nullptr || !is_input_of(scene->channel, counters)) continue;
    for (InputScene& input : scene->inputs) {
      if (input.input.number == counters.number) input.counters = &counters;
    }
  }
  for (const OutputSnapshot& counters : view.snapshot.outputs) {
    ChannelScene* scene = find(counters.channel);
    if (scene == nullptr) continue;
    const auto place = std::find_if(scene->pushes.begin(), scene->pushes.end(), [&](const PushScene& push) {
      return push.push.enabled && std::string_view(push.push.url).substr(0, kShownUrl) == counters.url;
    });
    if (place != scene->pushes.end()) place->counters = &counters;
  }
}

const config::Interface* Scene::interface(const std::string& name) const {
  const auto& all = view.model->node.interfaces;
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.name == name; });
  return found == all.end() ? nullptr : &*found;
}

bool Scene::has_network(const NetworkSnapshot& network) const {
  const config::Interface* port = interface(network.interface);
  if (port == nullptr) return false;
  return network.vlan == 0 || std::any_of(port->vlans.begin(), port->vlans.end(),
                                          [&](const auto& vlan) { return vlan.id == network.vlan; });
}

}  // namespace headgate::control::metrics
