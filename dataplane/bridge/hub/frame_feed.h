// Makes frames of a channel's units for every output that speaks in frames, and keeps the current group of
// pictures, so that a player that joins begins at once. References: ISO/IEC 14496-15 5.3.3, 8.3.3; ISO/IEC
// 14496-3 1.6. Threading: owned by the hub's thread. Memory: the frames since the last random access point,
// at most kMaxCachedBytes and kMaxCachedTime; without subscribers nothing but parameter sets is kept.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/bridge/hub/frame.h"
#include "dataplane/bridge/hub/track.h"

namespace headgate::bridge::hub {

struct FrameFeedCounters {
  std::uint64_t frames = 0;
  std::uint64_t dropped_frames = 0;  // no configuration yet, or a unit that is no frame
  std::uint64_t discontinuities = 0;
  std::uint64_t formats = 0;
};

// A track that frame-based outputs don't get.
struct LeftOutTrack {
  Track track;
  std::string reason;
};

class FrameFeed : public UnitSink {
 public:
  static constexpr std::size_t kMaxCachedBytes = 16 * 1024 * 1024;
  static constexpr std::int64_t kMaxCachedTime = 12 * mpegts::kTicksPerSecond;
  // Frames are ordered by DTS over the tracks; a track that lags more than this no longer holds up the
  // others.
  static constexpr std::int64_t kMaxInterleave = mpegts::kTicksPerSecond;

  FrameFeed();
  ~FrameFeed() override;

  void on_configuration(std::shared_ptr<const Configuration> configuration) override;
  void on_unit(const Unit& unit) override;
  void on_discontinuity() override;
  void on_loss() override;

  // The sink outlives its subscription. Neither may be called from within a FrameSink's own call.
  void add(FrameSink* sink);
  void remove(FrameSink* sink);

  // Null until the first frame is known.
  std::shared_ptr<const FrameFormat> format() const;
  // From the last random access point on, in order; with more than one of them only the latest group.
  const std::deque<std::shared_ptr<const Frame>>& group() const;
  const FrameFeedCounters& counters() const;
  const std::vector<LeftOutTrack>& left_out() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate::bridge::hub
