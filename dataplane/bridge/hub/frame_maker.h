// Makes frames of one track out of its PES payloads. References: ISO/IEC 13818-1:2022 2.4.3.7 (a time stamp
// belongs to the first access unit that begins in its PES packet); ISO/IEC 14496-15 5.3.3, 8.3.3; ISO/IEC
// 14496-3 1.6. Threading: owned by one thread. Memory: the access units of one PES packet and the one under
// way.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dataplane/bridge/hub/frame.h"
#include "dataplane/bridge/hub/track.h"

namespace headgate::bridge::hub {

// A frame and what its track is with it: another object from the frame on at which it changes.
struct MadeFrame {
  std::shared_ptr<Frame> frame;  // its `track` is not yet set
  std::shared_ptr<const FrameTrack> track;
};

// Of one PES packet. `timed` false: it has no time stamps.
struct PesTimes {
  bool timed = false;
  std::int64_t dts = 0;  // channel's timeline, 27 MHz
  std::int64_t pts = 0;
};

class FrameMaker {
 public:
  virtual ~FrameMaker() = default;
  virtual void on_payload(const PesTimes& times, std::span<const std::uint8_t> payload,
                          std::vector<MadeFrame>& out) = 0;
  // What is under way is whole.
  virtual void flush(std::vector<MadeFrame>& out) = 0;
  // What is under way is lost.
  virtual void reset() = 0;
  // Frames without a configuration yet, and units that are no frame.
  std::uint64_t dropped() const { return dropped_; }
  // Why there is no frame yet.
  const std::string& problem() const { return problem_; }

 protected:
  std::uint64_t dropped_ = 0;
  std::string problem_ = "no whole packet of it came yet (silent or scrambled)";
};

// Null for kinds that frame-based outputs don't get; why_no_frames() says it.
std::unique_ptr<FrameMaker> make_frame_maker(const Track& track);
const char* why_no_frames(mpegts::StreamKind kind);

std::unique_ptr<FrameMaker> make_video_frame_maker(const Track& track);
std::unique_ptr<FrameMaker> make_audio_frame_maker(const Track& track);

}  // namespace headgate::bridge::hub
