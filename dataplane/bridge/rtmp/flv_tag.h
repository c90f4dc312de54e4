// What an audio or video message of RTMP, which is an FLV tag's body, says in front of its media. References:
// Adobe FLV 10.1, E.4.2 (audio), E.4.3 (video); Enhanced RTMP v2 (2026-01-31), "Enhanced Audio", "Enhanced
// Video" with ModEx and multitrack. HEVC also in the older form with codec id 12, which encoders of many
// makers send. Threading: pure functions; the spans point into the message.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dataplane/bridge/rtmp/flv.h"

namespace headgate::bridge::rtmp {

enum class TagKind : std::uint8_t {
  nothing,  // no media: the end of a sequence, commands, metadata of the picture, silence
  configuration,
  frame,
};

struct Tag {
  TagKind kind = TagKind::nothing;
  Codec codec = Codec::none;  // none: one that is not carried here; `name` says which
  std::string name;           // "VP6", "av01"
  bool key = false;
  std::int32_t composition_ms = 0;
  std::uint32_t nanoseconds = 0;  // added to the presentation time
  std::span<const std::uint8_t> data;
  std::vector<std::uint8_t> other_tracks;  // of a multitrack message: all but track 0
};

// Nothing: the message ends too early.
std::optional<Tag> parse_video_tag(std::span<const std::uint8_t> body);
std::optional<Tag> parse_audio_tag(std::span<const std::uint8_t> body);

}  // namespace headgate::bridge::rtmp
