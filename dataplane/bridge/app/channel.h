// One channel in the bridge: its hub and the outputs that its state wants, each coming and going without the
// others noticing, and what status says of it.
//
// Servers of other protocols (RTMP, SRT) find their channel by Bridge::find() and subscribe to frames() or
// ts(). Both are null where the state does not serve that protocol. A subscription ends by the feed's
// on_end(), when the output is switched off or the channel goes; after it neither the feed nor the channel
// may be touched. They count into stats(), which they may hold on to. Threading: owned by the bridge's media
// thread.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/protocol/state.h"
#include "dataplane/bridge/app/eyes.h"
#include "dataplane/bridge/hls/segmenter.h"
#include "dataplane/bridge/hls/store.h"
#include "dataplane/bridge/hls/viewers.h"
#include "dataplane/bridge/http/router.h"
#include "dataplane/bridge/http/ts_output.h"
#include "dataplane/bridge/hub/channel_hub.h"
#include "dataplane/bridge/hub/frame_feed.h"
#include "dataplane/bridge/hub/output_stats.h"
#include "dataplane/bridge/hub/output_status.h"
#include "dataplane/bridge/hub/ts_feed.h"
#include "dataplane/bridge/hub/unit_fan_out.h"
#include "dataplane/bridge/transcode/audio_twins.h"
#include "dataplane/bridge/transcode/ladder.h"

namespace headgate::bridge::app {

enum class Output : std::uint8_t { http_ts, rtmp, srt };

class Channel : public http::ChannelView {
 public:
  // Whether the state wants anything of a channel here.
  static bool serves_anything(const protocol::BridgeChannel& state);
  static bool watches_anything(const protocol::BridgeChannel& state) {
    return state.watch.pictures || state.watch.sound;
  }
  // `budget`, shared with other channels, outlives the channel, as does what `workers` names.
  Channel(const protocol::BridgeChannel& state, std::string directory, hls::MemoryBudget* budget = nullptr,
          const Workers& workers = {});

  // The same channel in the ring: everything else may change.
  bool can_become(const protocol::BridgeChannel& state) const;
  // Outputs that did not change are not touched.
  void become(const protocol::BridgeChannel& state);

  void on_slot(const ring::Slot& slot);
  // The ring began anew: packets were lost, how many nobody knows.
  void on_gap();
  // Called a few times a second: closes the last segment of an input that fell silent.
  void on_tick(std::chrono::steady_clock::time_point now);

  const protocol::BridgeChannel& state() const { return state_; }
  const hub::ChannelHub& hub() const { return hub_; }
  const transcode::AudioTwins& twins() const { return twins_; }
  const Eyes& eyes() const { return *eyes_; }
  std::uint64_t sound_not_sent() const {
    return twins_.totals().oversized + (twins_.job() == nullptr ? 0 : twins_.job()->counters().dropped);
  }
  // Null where the state does not serve RTMP, or SRT.
  hub::FrameFeed* frames() { return frames_.get(); }
  const hub::FrameFeed* frames() const { return frames_.get(); }
  hub::TsFeed* ts() { return state_.srt ? ts_.get() : nullptr; }
  // Feeds of their own for what the channel is pushed to, so that serving can be switched on and off without
  // a target noticing. Null where the state has no such push.
  hub::FrameFeed* push_frames() { return push_frames_.get(); }
  hub::TsFeed* push_ts() { return push_ts_.get(); }
  const std::shared_ptr<hub::OutputStats>& stats(Output output) const {
    return stats_[static_cast<std::size_t>(output)];
  }

  // Of those that the state serves, but for HLS.
  std::vector<hub::OutputStatus> outputs() const;

  // Of a channel that serves HLS; without it all zero.
  const hls::SegmenterCounters& segmenter_counters() const;
  // Distinct address and user agent that fetched the media playlist within three target durations: an
  // estimate, for HLS knows no sessions and caches hide viewers.
  std::size_t viewers();
  const std::string& directory() const { return directory_; }

  const std::string& display_name() const override { return state_.name.empty() ? state_.id : state_.name; }
  bool serves_hls() const override { return hls_ != nullptr; }
  bool serves_ts() const override { return ts_output_ != nullptr; }
  std::shared_ptr<http::BodyStream> open_ts() override;
  std::uint32_t segment_ms() const override { return state_.hls->segment_ms; }
  hls::SegmentStore& store() override { return hls_->store; }
  const hls::SegmentStore& store() const { return hls_->store; }
  // What the renditions that it is a member of ask of it: a playlist for each track, and smaller pictures.
  void set_renditions(bool member, std::vector<transcode::LadderStep> ladder, transcode::JobMaker* jobs);
  std::vector<transcode::LadderStatus> ladder() const;
  // Why players get nothing, or not all, although packets come; empty: nothing is wrong. As of the last tick.
  const std::string& problem() const { return problem_; }
  std::shared_ptr<std::uint64_t> slow_clients() const override { return slow_clients_; }
  // Of TS over HTTP.
  std::shared_ptr<std::uint64_t> slow_ts_clients() const override;
  bool on_viewer(const http::Request& request, std::uint64_t& last_number) override;
  bool on_segment(const http::Request& request, std::size_t bytes) override;
  void list_viewers(std::vector<hub::SessionInfo>& out);
  std::optional<hub::SessionInfo> kick_viewer(std::uint64_t number);
  bool serves_thumbnail() const override;
  http::ThumbnailView thumbnail() const override;

 private:
  struct Hls {
    Hls(const std::string& directory, const protocol::HlsState& state, hls::MemoryBudget* budget,
        const std::string& channel);
    hls::SegmentStore store;
    hls::Segmenter segmenter;
    transcode::Ladder ladder;  // in front of it
  };
  void set_hls(const std::optional<protocol::HlsState>& before);
  void set_feeds();
  void set_push_feeds();
  void set_workers();
  bool keeps_apart() const;
  std::chrono::milliseconds viewer_patience() const;
  std::string find_hls_problem(std::chrono::steady_clock::time_point now);
  std::string find_problem(std::chrono::steady_clock::time_point now);

  protocol::BridgeChannel state_;
  std::string directory_;
  hls::MemoryBudget* budget_;
  std::array<std::shared_ptr<hub::OutputStats>, 3> stats_;
  Workers workers_;
  hub::UnitFanOut units_;
  transcode::AudioTwins twins_;
  hub::ChannelHub hub_{twins_};
  std::unique_ptr<Eyes> eyes_;
  std::unique_ptr<Hls> hls_;
  std::unique_ptr<hub::FrameFeed> frames_;
  std::unique_ptr<hub::TsFeed> ts_;
  std::unique_ptr<http::TsOutput> ts_output_;
  std::unique_ptr<hub::FrameFeed> push_frames_;
  std::unique_ptr<hub::TsFeed> push_ts_;
  std::uint64_t packets_at_tick_ = 0;
  std::chrono::steady_clock::time_point last_packet_;
  std::uint64_t segments_at_tick_ = 0;
  // The last segment, or the first packet after a silence.
  std::chrono::steady_clock::time_point waiting_since_;
  std::string problem_;
  hls::Viewers viewers_;
  bool apart_ = false;
  std::vector<transcode::LadderStep> ladder_;
  transcode::JobMaker* ladder_jobs_ = nullptr;
  std::shared_ptr<std::uint64_t> slow_clients_ = std::make_shared<std::uint64_t>(0);
};

}  // namespace headgate::bridge::app
