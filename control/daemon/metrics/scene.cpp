#include "control/daemon/metrics/scene.h"

#include <algorithm>

#include "control/daemon/foreign.h"

namespace headgate::control::metrics {
namespace {

constexpr std::size_t kShownUrl = sizeof(protocol::OutputStats::url) - 1;

}  // namespace

Scene::Scene(const GatewayView& of, const nlohmann::json& bridge_status,
             const nlohmann::json& transcode_status)
    : view(of), bridge(bridge_status), transcode(transcode_status) {
  channels.reserve(view.model->channels.size());
  for (const config::Channel& channel : view.model->channels) {
    places.emplace(channel.id, channels.size());
    const nlohmann::json& told = foreign::channel(bridge, channel.id);
    ChannelScene scene{channel, view.monitor.find(channel.id), nullptr, told, {}, {}, {}, {}, {}, {}};
    scene.served = served_outputs(view.model->node, channel, told);
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
