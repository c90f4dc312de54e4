#include "dataplane/bridge/app/pushes.h"

#include <algorithm>

#include "dataplane/bridge/app/status.h"

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
    return found == wanted.end() || !(*found->second == item.second.push->target());
  });
}

void Pushes::make_missing(Bridge& bridge) {
  for (const auto& [id, channel] : bridge.channels()) {
    for (const protocol::BridgePush& push : channel->state().pushes) {
      if (pushes_.contains({id, push.url})) continue;
      if (auto made = make_(*channel, push)) pushes_[{id, push.url}] = {++last_number_, std::move(made)};
    }
  }
}

std::vector<push::Push*> Pushes::of(const Channel& channel) const {
  std::vector<push::Push*> out;
  for (const protocol::BridgePush& push : channel.state().pushes) {
    const auto found = pushes_.find({channel.state().id, push.url});
    if (found != pushes_.end()) out.push_back(found->second.push.get());
  }
  return out;
}

hub::SessionInfo Pushes::info_of(const Key& key, const Held& held) {
  const push::PushStatus& status = held.push->status();
  hub::SessionInfo out;
  out.id = "push-" + std::to_string(held.number);
  out.channel = key.first;
  out.protocol = held.push->target().kind == protocol::PushKind::srt ? "srt" : "rtmp";
  if (key.second.starts_with("rtmps:")) out.protocol = "rtmps";
  out.role = "push";
  out.address = status.peer;
  out.url = key.second;
  out.state = to_string(status.state);
  out.error = status.error;
  out.since_unix_ns = status.since_ns;
  out.bytes = status.bytes;
  out.bitrate_bps = status.bitrate_bps;
  out.skipped = status.skipped;
  out.rtt_ns = round_trip_of(status.details);
  return out;
}

void Pushes::list(std::vector<hub::SessionInfo>& out) {
  for (const auto& [key, held] : pushes_) out.push_back(info_of(key, held));
}

std::optional<hub::SessionInfo> Pushes::kick(std::uint64_t number, Bridge& bridge) {
  const auto found = std::find_if(pushes_.begin(), pushes_.end(),
                                  [&](const auto& item) { return item.second.number == number; });
  if (found == pushes_.end()) return {};
  hub::SessionInfo info = info_of(found->first, found->second);
  const protocol::BridgePush target = found->second.push->target();
  found->second.push.reset();  // its connection ends before the next begins
  Channel* channel = bridge.find(found->first.first);
  if (channel != nullptr) found->second.push = make_(*channel, target);
  if (found->second.push == nullptr) pushes_.erase(found);
  return info;
}

}  // namespace headgate::bridge::app
