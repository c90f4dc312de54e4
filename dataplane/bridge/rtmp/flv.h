// What FLV tags, and so RTMP's audio and video messages, begin with, and which tracks of a channel they can
// carry. References: Adobe FLV 10.1, E.4.2 (audio), E.4.3 (video); Enhanced RTMP v2 (2026-01-31), "Enhanced
// Audio", "Enhanced Video". H.264, AAC and MP3 go in the old form, which every player reads; HEVC, AC-3 and
// E-AC-3 have none and go in the enhanced one. Threading: pure functions, values.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dataplane/bridge/hub/frame.h"
#include "dataplane/bridge/hub/track.h"

namespace headgate::bridge::rtmp {

enum class Codec : std::uint8_t { none, h264, hevc, aac, mp3, ac3, eac3 };
constexpr bool is_enhanced(Codec codec) {
  return codec == Codec::hevc || codec == Codec::ac3 || codec == Codec::eac3;
}

// What of Enhanced RTMP the other end may be sent. A player that lists FourCCs gets those; one that lists
// none gets everything, for FFmpeg 8.1 lists none and reads them all.
struct Codecs {
  bool hvc1 = true;
  bool ac3 = true;
  bool eac3 = true;
  bool listed = false;  // the client said so itself
};
bool takes(const Codecs& codecs, Codec codec);

// Nothing RTMP carries: none.
Codec codec_of(const hub::FrameTrack& track);
// Why a track is not carried, for status: "MPEG audio layer II has no place in FLV".
std::string why_not_carried(const hub::FrameTrack& track);

// The first bytes of a message; the frame's own follow as they are.
struct TagHead {
  std::array<std::uint8_t, 8> bytes{};
  std::uint8_t size = 0;
  std::span<const std::uint8_t> span() const { return {bytes.data(), size}; }
};

// Milliseconds from PTS to DTS, signed 24 bits (E.4.3.1); beyond them the nearest value that fits.
TagHead video_head(Codec codec, bool key, std::int64_t composition_ms);
TagHead audio_head(Codec codec, const mpegts::es::AudioFormat& format);
// Whole bodies. Empty for codecs that have none.
std::vector<std::uint8_t> sequence_header(Codec codec, std::span<const std::uint8_t> configuration);
std::vector<std::uint8_t> sequence_end(Codec codec);

// Which tracks of a format go, and all that goes before the first frame.
struct Carriage {
  std::optional<std::uint8_t> video_track;
  std::optional<std::uint8_t> audio_track;
  Codec video = Codec::none;
  Codec audio = Codec::none;
  mpegts::es::AudioFormat audio_format;
  std::vector<std::uint8_t> video_header;  // sequence headers, or empty
  std::vector<std::uint8_t> audio_header;
  std::vector<std::uint8_t> metadata;  // onMetaData
  std::vector<hub::LeftOutTrack> left_out;
};
// The first video of H.264 or HEVC, and one sound. Of those in the first sound's language: the first AAC, else
// MP3, else AAC made of another (hub::Track::twin_of) or, where the other end names E-AC-3 or AC-3 among what
// it takes, that itself. Else the same of any language; else E-AC-3 or AC-3. AAC-LC made of other AAC goes in
// its place.
std::shared_ptr<const Carriage> choose(const hub::FrameFormat& format, const Codecs& codecs = {});

// 27 MHz to the nearest millisecond, each time by itself.
constexpr std::int64_t to_ms(std::int64_t ticks) {
  constexpr std::int64_t kTicksPerMs = mpegts::kTicksPerSecond / 1000;
  const std::int64_t shifted = ticks + kTicksPerMs / 2;
  return shifted >= 0 ? shifted / kTicksPerMs : -((-shifted + kTicksPerMs - 1) / kTicksPerMs);
}

}  // namespace headgate::bridge::rtmp
