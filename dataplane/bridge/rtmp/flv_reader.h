// Makes frames of what a publisher sends, or a server that we play: the way back of channel_stream.h.
// References: Adobe FLV 10.1, annex E; Adobe RTMP 1.0, 7.1.6 (aggregate); ISO/IEC 14496-15 5.3.3.1, 8.3.3.1
// (avcC, hvcC); ISO/IEC 14496-3 1.6 (AudioSpecificConfig). One video and one sound are taken, of multitrack
// messages track 0; the rest is named in left_out(). Times: the 32-bit milliseconds unrolled, each brought to
// 27 MHz by itself, so that nothing adds up. Nothing in a message is believed: lengths are checked, and what
// can't be read is counted. Threading: owned by one thread. Memory: what is held back at the start, at most
// kMaxHeldBytes.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dataplane/bridge/hub/frame.h"
#include "dataplane/bridge/hub/parameter_sets.h"
#include "dataplane/bridge/hub/track.h"
#include "dataplane/bridge/rtmp/chunk.h"
#include "dataplane/bridge/rtmp/flv_tag.h"

namespace headgate::bridge::rtmp {

struct ReaderCounters {
  std::uint64_t frames = 0;           // handed on
  std::uint64_t unreadable = 0;       // messages, or frames in them, that break their format
  std::uint64_t unconfigured = 0;     // frames before their parameters
  std::uint64_t not_carried = 0;      // messages of codecs and tracks that are left out
  std::uint64_t discontinuities = 0;  // jumps of the time stamps
};

class FlvReader {
 public:
  // A step of the time stamps beyond these, within a track, is a jump: then frames don't join.
  static constexpr std::int64_t kLargestBack = mpegts::kTicksPerSecond;
  static constexpr std::int64_t kLargestGap = 10 * mpegts::kTicksPerSecond;
  // For so long frames wait at the start for the other track, if one is to be expected.
  static constexpr std::int64_t kMaxHeldTime = mpegts::kTicksPerSecond;
  static constexpr std::size_t kMaxHeldBytes = 8 * 1024 * 1024;
  static constexpr std::size_t kMaxHeldFrames = 500;
  static constexpr std::size_t kMaxLeftOut = 16;
  // Of one message, beyond what any encoder makes; more is unreadable. What can't be read costs little, but
  // each unit of these costs as much as a message.
  static constexpr std::size_t kMaxUnits = 1'000;  // tags of an aggregate, frames of sound
  static constexpr std::size_t kMaxNals = 8'192;
  static constexpr std::size_t kMaxHeaderBytes = 64 * 1024;

  explicit FlvReader(hub::FrameSink& sink) : sink_(sink) {}

  // Audio, video, data (onMetaData) and aggregate messages; others are passed over. How many units (tags,
  // frames) it was, one at least: for limits.
  std::size_t on_message(const Message& message);
  // Nothing more comes: hands on what is held back.
  void finish() { release(); }

  const ReaderCounters& counters() const { return counters_; }
  const std::vector<hub::LeftOutTrack>& left_out() const { return left_out_; }
  // "encoder" of onMetaData, printable, or "".
  const std::string& encoder() const { return encoder_; }

 private:
  struct Lane {
    Codec codec = Codec::none;
    std::vector<std::uint8_t> header;      // as it came
    std::optional<hub::FrameTrack> track;  // once its parameters are known
    std::optional<std::int64_t> last_dts;
    bool expected = true;  // not said to be absent
  };
  struct Held {
    bool video = false;
    std::shared_ptr<hub::Frame> frame;
  };

  void take(std::uint8_t type, std::uint32_t timestamp, std::span<const std::uint8_t> body);
  void on_aggregate(const Message& message);
  void on_data(std::span<const std::uint8_t> body, bool amf3);
  void on_video(std::uint32_t timestamp, std::span<const std::uint8_t> body);
  void on_audio(std::uint32_t timestamp, std::span<const std::uint8_t> body);
  void on_video_header(const Tag& tag);
  void on_audio_header(const Tag& tag);
  void on_video_frame(std::int64_t time, const Tag& tag);
  void on_audio_frame(std::int64_t time, const Tag& tag);
  void set_video_track(const std::vector<std::span<const std::uint8_t>>& nals);
  void set_audio_track(const mpegts::es::AudioFormat& format, std::span<const std::uint8_t> configuration);
  void push(bool video, std::shared_ptr<hub::Frame> frame);
  void emit(bool video, std::shared_ptr<hub::Frame> frame);
  void release();
  bool complete() const;
  void leave_out(mpegts::StreamKind kind, std::string reason);
  std::int64_t unroll(std::uint32_t timestamp);
  bool one_more();

  hub::FrameSink& sink_;
  Lane video_;
  Lane audio_;
  std::optional<hub::ParameterSets> sets_;
  std::size_t length_size_ = 4;
  std::shared_ptr<const hub::FrameFormat> format_;
  bool format_due_ = false;
  bool holding_ = true;
  std::deque<Held> held_;
  std::size_t held_bytes_ = 0;
  std::optional<std::int64_t> time_ms_;
  std::size_t units_ = 0;  // of the message under way
  ReaderCounters counters_;
  std::vector<hub::LeftOutTrack> left_out_;
  std::string encoder_;
};

}  // namespace headgate::bridge::rtmp
