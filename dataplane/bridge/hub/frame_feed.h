// Makes frames of a channel's units for every output that speaks in frames, and keeps the current group of
// pictures, so that a player that joins begins at once. References: ISO/IEC 14496-15 5.3.3, 8.3.3; ISO/IEC
// 14496-3 1.6. Threading: owned by the hub's thread. Memory: the frames since the last random access point,
// at most kMaxCachedBytes and kMaxCachedTime, and those that wait for other tracks, at most kMaxCachedBytes.
// It works also without subscribers, for the first of them: a channel has one only where it serves such an
// output.
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
  std::uint64_t late_twins = 0;  // frames of twins too far behind their originals
};

class FrameFeed : public UnitSink {
 public:
  static constexpr std::size_t kMaxCachedBytes = 16 * 1024 * 1024;
  static constexpr std::int64_t kMaxCachedTime = 12 * mpegts::kTicksPerSecond;
  // Frames are ordered by DTS over the tracks; a track that lags more than this no longer holds up the
  // others. Broadcasts send video up to two seconds before its sound.
  static constexpr std::int64_t kMaxInterleave = 3 * mpegts::kTicksPerSecond;
  // A twin that is so far behind its original is not waited for, and what comes of it has no place any more.
  static constexpr std::int64_t kMaxTwinLag = mpegts::kTicksPerSecond;
  // Without video, what a player gets first.
  static constexpr std::int64_t kAudioGroup = mpegts::kTicksPerSecond;

  FrameFeed();
  ~FrameFeed() override;

  void on_configuration(std::shared_ptr<const Configuration> configuration) override;
  void on_unit(const Unit& unit) override;
  void on_discontinuity() override;
  void on_loss() override;

  // The sink outlives its subscription, which ends with on_end() at the latest. Neither may be called from
  // within a FrameSink's on_format, on_frame or on_discontinuity. A new sink sends format() and group() by
  // itself, then what it is called with; add() calls nothing.
  void add(FrameSink* sink);
  void remove(FrameSink* sink);
  // The input fell silent: hands on what waits.
  void on_silence();

  // Null until the first frame is known.
  std::shared_ptr<const FrameFormat> format() const;
  // From the last random access point on, in order, all of format(); with more than one of them only the
  // latest group. Without video: those of the last kAudioGroup. Empty where that would be too much to keep,
  // and after a loss, until the next random access point: a player that joins then waits for a frame of video
  // with random_access.
  const std::deque<std::shared_ptr<const Frame>>& group() const;
  FrameFeedCounters counters() const;
  std::vector<LeftOutTrack> left_out() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate::bridge::hub
