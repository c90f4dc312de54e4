// Coded frames of a channel, made once for all outputs that speak in frames (RTMP, FLV, fMP4): access units
// of video, frames of audio, each with its times on the channel's timeline and its decoder configuration out
// of band. References: ISO/IEC 14496-15 5.3 and 8.3 (length-prefixed NAL units, avcC, hvcC), ISO/IEC
// 14496-3 1.6 (AudioSpecificConfig). Threading: frames and formats are immutable once published and shared
// between threads; a FrameSink is called on the hub's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mpegts/es/audio.h"
#include "mpegts/es/video.h"
#include "mpegts/packet/types.h"
#include "mpegts/psi/tables.h"

namespace headgate::bridge::hub {

// One track of a channel as frame-based outputs see it.
struct FrameTrack {
  mpegts::Pid pid;
  mpegts::StreamKind kind = mpegts::StreamKind::unknown;
  std::string language;  // ISO 639-2, or ""
  // H.264: AVCDecoderConfigurationRecord; HEVC: HEVCDecoderConfigurationRecord; AAC: AudioSpecificConfig;
  // empty for kinds that have none (MP2, MP3, AC-3, E-AC-3).
  std::vector<std::uint8_t> configuration;
  std::optional<mpegts::es::VideoFormat> video;
  std::optional<mpegts::es::AudioFormat> audio;
  std::optional<mpegts::Pid> twin_of = std::nullopt;  // hub::Track::twin_of
  bool is_video() const { return video.has_value(); }
  bool operator==(const FrameTrack&) const = default;
};

// The tracks whose configuration is known. Published anew, as another object, whenever one changes.
struct FrameFormat {
  std::vector<FrameTrack> tracks;
  bool operator==(const FrameFormat&) const = default;
};

struct Frame {
  std::uint8_t track = 0;      // index in FrameFormat::tracks
  bool random_access = false;  // video: a decoder can begin here; audio: always
  std::int64_t dts = 0;        // channel's timeline, 27 MHz; never falling within a track
  std::int64_t pts = 0;
  std::int64_t duration = 0;  // audio: exact; video: 0
  // H.264 and HEVC: NAL units each behind a 4-byte length, without access unit delimiters, parameter sets and
  // filler (they are in the configuration). AAC: the raw_data_block without ADTS or LATM. Others: whole
  // frames with their own headers.
  std::vector<std::uint8_t> data;
  // What it takes to keep it, for limits: millions of frames of a byte or two are not a few megabytes.
  std::size_t cost() const { return data.size() + 256; }
};

class FrameSink {
 public:
  virtual ~FrameSink() = default;
  // Before the first frame of that format.
  virtual void on_format(std::shared_ptr<const FrameFormat> format) = 0;
  // Ordered by DTS over all tracks, as far as a bounded wait allows.
  virtual void on_frame(std::shared_ptr<const Frame> frame) = 0;
  // Frames before and after don't join: the timeline's offset changed, or packets were lost.
  virtual void on_discontinuity() = 0;
  // The channel was removed, or the output switched off: the feed has forgotten the sink, which must not call
  // it any more. May delete the sink.
  virtual void on_end() {}
};

}  // namespace headgate::bridge::hub
