#include "dataplane/bridge/app/channel.h"

#include <algorithm>
#include <functional>

#include "dataplane/bridge/app/diagnosis.h"

namespace headgate::bridge::app {
namespace {

constexpr std::size_t kMaxViewers = 20'000;        // remembered; more are not counted
constexpr std::uint64_t kMaxBitrate = 80'000'000;  // a segment's bound, bit/s

constexpr std::chrono::seconds kSilence{2};
// Until tables that name nothing to carry count as final.
constexpr std::chrono::seconds kTablesPatience{5};

hls::SegmenterOptions options_of(const protocol::HlsState& hls, hls::MemoryBudget* budget) {
  hls::SegmenterOptions options;
  options.segment = std::int64_t{hls.segment_ms} * (mpegts::kTicksPerSecond / 1000);
  options.max_bytes = static_cast<std::size_t>(hls.segment_ms) * (kMaxBitrate / 8 / 1000);
  options.max_gaps = hls.window;
  options.budget = budget;
  return options;
}

}  // namespace

Channel::Channel(const protocol::BridgeChannel& state, std::string directory, hls::MemoryBudget* budget)
    : state_(state),
      directory_(std::move(directory)),
      store_(directory_, state.hls->segment_ms, state.hls->window),
      segmenter_(options_of(*state.hls, budget), store_),
      hub_(segmenter_) {
  if (const auto resume = store_.resume()) segmenter_.resume(resume->next_k, resume->next_start);
}

bool Channel::can_become(const protocol::BridgeChannel& state) const {
  return state.id == state_.id && state.handle == state_.handle && state.hls &&
         state.hls->segment_ms == state_.hls->segment_ms;
}

void Channel::become(const protocol::BridgeChannel& state) {
  state_ = state;
  store_.set_window(state.hls->window);
}

void Channel::on_slot(const ring::Slot& slot) {
  if ((slot.flags & ring::kSlotTimeline) != 0) store_.set_arrival(slot.arrival_ns, slot.timeline);
  hub_.on_slot(slot);
}

void Channel::on_gap() {
  hub_.on_gap();
  segmenter_.on_producer_restart();
}

void Channel::on_tick(std::chrono::steady_clock::time_point now) {
  store_.on_tick(now);
  const std::uint64_t packets = hub_.counters().packets;
  if (packets != packets_at_tick_) {
    if (packets_at_tick_ == 0 || now - last_packet_ >= kSilence) waiting_since_ = now;
    packets_at_tick_ = packets;
    last_packet_ = now;
    problem_ = find_problem(now);
    return;
  }
  const auto silent = now - last_packet_;
  if (packets == 0 || silent < kSilence) return;
  problem_.clear();  // nothing comes: that is another trouble, and not this process's to tell
  hub_.on_silence();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(silent).count();
  segmenter_.on_silence(ms * (mpegts::kTicksPerSecond / 1000));
}

std::string Channel::find_problem(std::chrono::steady_clock::time_point now) {
  const std::uint64_t segments = segmenter_.counters().segments;
  if (std::exchange(segments_at_tick_, segments) != segments) waiting_since_ = now;
  if (store_.failing()) return "HLS can't write its segments: " + store_.last_error();
  // The slot under way, one without a random access point, the sound's patience, and a second for a busy
  // machine.
  const auto usual = 3 * std::chrono::milliseconds(state_.hls->segment_ms) + std::chrono::seconds(3);
  const auto patience =
      carries_nothing(hub_) ? std::min<std::chrono::milliseconds>(usual, kTablesPatience) : usual;
  if (now - waiting_since_ > patience) return "HLS has no segment: " + why_no_segment(hub_);
  if (hub_.video_given_up()) return "HLS carries the sound alone: " + why_no_video(hub_);
  const auto& entries = store_.entries();
  const auto listed = static_cast<std::ptrdiff_t>(store_.listed());
  const auto media =
      std::count_if(entries.end() - listed, entries.end(), [](const auto& e) { return !e.gap; });
  const bool joinable = std::any_of(entries.end() - listed, entries.end(),
                                    [](const auto& e) { return !e.gap && e.independent; });
  if (!joinable && store_.listed() == store_.window() && 2 * media >= listed)
    return "players can't begin: no listed segment has a random access point: " + why_no_random_access(hub_);
  return "";
}

void Channel::on_viewer(std::string_view client, std::string_view user_agent) {
  const std::size_t key =
      std::hash<std::string_view>{}(client)*31 + std::hash<std::string_view>{}(user_agent);
  const auto now = std::chrono::steady_clock::now();
  const auto found = viewers_.find(key);
  if (found != viewers_.end()) {
    found->second = now;
    return;
  }
  if (viewers_.size() >= kMaxViewers) forget_viewers();
  if (viewers_.size() < kMaxViewers) viewers_.emplace(key, now);
}

void Channel::forget_viewers() {
  const auto oldest = std::chrono::steady_clock::now() -
                      3 * std::chrono::seconds(hls::target_duration(state_.hls->segment_ms));
  std::erase_if(viewers_, [oldest](const auto& v) { return v.second < oldest; });
}

std::size_t Channel::viewers() {
  forget_viewers();
  return viewers_.size();
}

}  // namespace headgate::bridge::app
