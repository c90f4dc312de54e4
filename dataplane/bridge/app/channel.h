// One channel in the bridge: hub, segmenter and store tied together, and what status says of it.
// Threading: owned by the bridge's media thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "control/protocol/state.h"
#include "dataplane/bridge/hls/segmenter.h"
#include "dataplane/bridge/hls/store.h"
#include "dataplane/bridge/http/router.h"
#include "dataplane/bridge/hub/channel_hub.h"

namespace headgate::bridge::app {

class Channel : public http::ChannelView {
 public:
  // `budget`, shared with other channels, outlives the channel.
  Channel(const protocol::BridgeChannel& state, std::string directory, hls::MemoryBudget* budget = nullptr);

  // Same segments and numbers: name or window changed, nothing else.
  bool can_become(const protocol::BridgeChannel& state) const;
  void become(const protocol::BridgeChannel& state);

  void on_slot(const ring::Slot& slot);
  // The ring began anew: packets were lost, how many nobody knows.
  void on_gap();
  // Called a few times a second: closes the last segment of an input that fell silent.
  void on_tick(std::chrono::steady_clock::time_point now);

  const protocol::BridgeChannel& state() const { return state_; }
  const hub::ChannelHub& hub() const { return hub_; }
  const hls::SegmenterCounters& segmenter_counters() const { return segmenter_.counters(); }
  // Distinct address and user agent that fetched the media playlist within three target durations: an
  // estimate, for HLS knows no sessions and caches hide viewers.
  std::size_t viewers();
  const std::string& directory() const { return directory_; }

  const std::string& display_name() const override { return state_.name.empty() ? state_.id : state_.name; }
  bool serves_hls() const override { return true; }
  std::uint32_t segment_ms() const override { return state_.hls->segment_ms; }
  hls::SegmentStore& store() override { return store_; }
  const hls::SegmentStore& store() const { return store_; }
  // Why players get nothing, or not all, although packets come; empty: nothing is wrong. As of the last tick.
  const std::string& problem() const { return problem_; }
  std::shared_ptr<std::uint64_t> slow_clients() const override { return slow_clients_; }
  void on_viewer(std::string_view client, std::string_view user_agent) override;

 private:
  void forget_viewers();
  std::string find_problem(std::chrono::steady_clock::time_point now);

  protocol::BridgeChannel state_;
  std::string directory_;
  hls::SegmentStore store_;
  hls::Segmenter segmenter_;
  hub::ChannelHub hub_;
  std::uint64_t packets_at_tick_ = 0;
  std::chrono::steady_clock::time_point last_packet_;
  std::uint64_t segments_at_tick_ = 0;
  // The last segment, or the first packet after a silence.
  std::chrono::steady_clock::time_point waiting_since_;
  std::string problem_;
  std::unordered_map<std::uint64_t, std::chrono::steady_clock::time_point> viewers_;
  std::shared_ptr<std::uint64_t> slow_clients_ = std::make_shared<std::uint64_t>(0);
};

}  // namespace headgate::bridge::app
