#include "dataplane/bridge/app/pushes.h"

#include <algorithm>

namespace headgate::bridge::app {

void Pushes::end_unwanted(const Bridge& bridge, const protocol::BridgeState& state) {
  std::map<Key, const protocol::BridgePush*> wanted;
  for (const protocol::BridgeChannel& channel : state.channels) {
    const auto stands = bridge.channels().find(channel.id);
    if (stands == bridge.channels().end() || !stands->second->can_become(channel)) continue;
    for (const protocol::BridgePush& push : channel.pushes) wanted[{channel.id, push.url}] = &push;
  }
  std::erase_if(pushes_, [&](const auto& item) {
    const auto found = wanted.find(item.first);
    return found == wanted.end() || !(*found->second == item.second->target());
  });
}

void Pushes::make_missing(Bridge& bridge) {
  for (const auto& [id, channel] : bridge.channels()) {
    for (const protocol::BridgePush& push : channel->state().pushes) {
      if (pushes_.contains({id, push.url})) continue;
      if (auto made = make_(*channel, push)) pushes_[{id, push.url}] = std::move(made);
    }
  }
}

std::vector<push::Push*> Pushes::of(const Channel& channel) const {
  std::vector<push::Push*> out;
  for (const protocol::BridgePush& push : channel.state().pushes) {
    const auto found = pushes_.find({channel.state().id, push.url});
    if (found != pushes_.end()) out.push_back(found->second.get());
  }
  return out;
}

}  // namespace headgate::bridge::app
