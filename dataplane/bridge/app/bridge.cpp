#include "dataplane/bridge/app/bridge.h"

#include <filesystem>
#include <set>

#include "control/log/log.h"

namespace headgate::bridge::app {

namespace fs = std::filesystem;

void Bridge::apply(const protocol::BridgeState& state) {
  by_handle_.clear();
  std::set<std::string> wanted;
  std::set<std::string> with_files;
  for (const protocol::BridgeChannel& channel : state.channels) {
    const bool watched = workers_.jobs != nullptr && Channel::watches_anything(channel);
    if (!Channel::serves_anything(channel) && !watched) continue;
    wanted.insert(channel.id);
    if (channel.hls) with_files.insert(channel.id);
    auto& place = channels_[channel.id];
    const bool changed = place == nullptr || !(place->state() == channel);
    if (place != nullptr && place->can_become(channel)) {
      if (changed) place->become(channel);
    } else {
      const bool keeps_files = place != nullptr && place->serves_hls() && channel.hls &&
                               place->segment_ms() != channel.hls->segment_ms;
      auto retired = keeps_files ? place->store().retire() : nullptr;
      place.reset();  // the old one's files are read by the new one, which keeps what it can
      place = std::make_unique<Channel>(channel, hls_directory_ + "/" + channel.id, &memory_, workers_);
      if (place->serves_hls()) place->store().adopt(std::move(retired));
    }
    if (changed && place->serves_hls() && !place->store().last_error().empty())
      log::warning({channel.id, "segments"}, "{}", place->store().last_error());
    by_handle_[channel.handle] = place.get();
  }
  std::erase_if(channels_, [&](const auto& item) { return !wanted.contains(item.first); });
  apply_renditions(state);
  if (!workers_.pictures_directory.empty()) {
    transcode::Thumbnail::remove_others(workers_.pictures_directory,
                                        [&](const std::string& id) { return wanted.contains(id); });
  }
  std::error_code error;
  for (const auto& item : fs::directory_iterator(hls_directory_, error)) {
    if (!with_files.contains(item.path().filename().string()))
      hls::SegmentStore::remove(item.path().string());
  }
}

void Bridge::apply_renditions(const protocol::BridgeState& state) {
  std::set<std::string> members;
  std::map<std::string, std::vector<transcode::LadderStep>> ladders;
  std::set<std::string> wanted;
  for (const protocol::RenditionState& rendition : state.renditions) {
    wanted.insert(rendition.id);
    auto& place = renditions_[rendition.id];
    if (place == nullptr || place->state() != rendition)
      place = std::make_unique<Rendition>(rendition, [this](const std::string& id) { return find(id); });
    for (const protocol::RenditionMember& member : rendition.members) {
      members.insert(member.channel);
      if (!member.derived) continue;
      ladders[member.channel].push_back(
          {Rendition::part_of(rendition, member), member.width, member.height, member.bitrate_bps});
    }
  }
  std::erase_if(renditions_, [&](const auto& item) { return !wanted.contains(item.first); });
  for (const auto& [id, channel] : channels_)
    channel->set_renditions(members.contains(id), ladders[id], workers_.jobs);
}

Rendition* Bridge::find_rendition(std::string_view id) {
  const auto found = renditions_.find(id);
  return found == renditions_.end() ? nullptr : found->second.get();
}

void Bridge::on_slot(const ring::Slot& slot) {
  ++slots_;
  const auto found = by_handle_.find(slot.channel);
  if (found == by_handle_.end()) {
    ++unknown_slots_;
    return;
  }
  found->second->on_slot(slot);
}

void Bridge::on_gap() {
  for (auto& [id, channel] : channels_) channel->on_gap();
}

void Bridge::on_tick(std::chrono::steady_clock::time_point now) {
  for (auto& [id, channel] : channels_) channel->on_tick(now);
}

Channel* Bridge::find(std::string_view id) {
  const auto found = channels_.find(id);
  return found == channels_.end() ? nullptr : found->second.get();
}

}  // namespace headgate::bridge::app
