#include "dataplane/bridge/app/rendition.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "dataplane/bridge/app/channel.h"
#include "dataplane/bridge/hub/unix_time.h"

namespace headgate::bridge::app {

Rendition::Rendition(const protocol::RenditionState& state, FindChannel find)
    : state_(state), find_(std::move(find)) {}

std::string Rendition::part_of(const protocol::RenditionState& state,
                               const protocol::RenditionMember& member) {
  if (!member.derived) return "";
  // Ids have underscores, names of parts don't; the handle keeps "a-b" and "a_b" apart.
  std::string id = state.id.substr(0, 32);
  std::replace(id.begin(), id.end(), '_', '-');
  return fmt::format("{}-{}p-{}", id, member.height, member.handle);
}

std::vector<hls::Member> Rendition::members() const {
  std::vector<hls::Member> out;
  for (const protocol::RenditionMember& member : state_.members) {
    const Channel* channel = find_(member.channel);
    if (channel == nullptr || !channel->serves_hls()) continue;
    out.push_back({member.channel, &channel->store(), part_of(state_, member)});
  }
  return out;
}

std::uint32_t Rendition::segment_ms() const {
  std::uint32_t longest = 1000;
  for (const hls::Member& member : members()) longest = std::max(longest, member.store->segment_ms());
  return longest;
}

hls::SegmentStore::Text Rendition::multivariant() {
  return adaptive_.multivariant(members(), hub::unix_now_ns());
}

bool Rendition::find_playlist(std::string_view channel, std::string_view name,
                              hls::SegmentStore::Text& text) {
  return adaptive_.find_playlist(members(), hub::unix_now_ns(), channel, name, text);
}

std::chrono::milliseconds Rendition::patience() const {
  return 3 * std::chrono::seconds(hls::target_duration(segment_ms()));
}

bool Rendition::on_viewer(const http::Request& request, std::uint64_t& last_number) {
  return viewers_.on_viewer(request.client, request.user_agent, std::chrono::steady_clock::now(), patience(),
                            last_number);
}

void Rendition::list_viewers(std::vector<hub::SessionInfo>& out) {
  viewers_.list(state_.id, std::chrono::steady_clock::now(), patience(), out);
}

std::optional<hub::SessionInfo> Rendition::kick_viewer(std::uint64_t number) {
  return viewers_.kick(number, state_.id, std::chrono::steady_clock::now());
}

std::size_t Rendition::viewers() { return viewers_.count(std::chrono::steady_clock::now(), patience()); }

std::vector<RenditionMemberStatus> Rendition::status() {
  const std::int64_t now = hub::unix_now_ns();
  std::vector<RenditionMemberStatus> out;
  for (const protocol::RenditionMember& member : state_.members) {
    RenditionMemberStatus& status = out.emplace_back();
    status.channel = member.channel;
    status.part = part_of(state_, member);
    const Channel* channel = find_(member.channel);
    if (channel == nullptr || !channel->serves_hls()) continue;
    status.plays = hls::plays({member.channel, &channel->store(), status.part}, now);
    const hls::Variant* variant = status.part.empty() ? &channel->store().variant() : nullptr;
    for (const hls::Rendition& r : channel->store().renditions()) {
      if (!status.part.empty() && r.name == status.part) variant = &r.variant;
    }
    if (variant != nullptr) {
      status.codecs = variant->codecs;
      status.width = variant->width;
      status.height = variant->height;
      status.bandwidth = variant->bandwidth;
    }
    for (transcode::LadderStatus& step : channel->ladder()) {
      if (!status.part.empty() && step.name == status.part) status.ladder = std::move(step);
    }
  }
  return out;
}

}  // namespace headgate::bridge::app
