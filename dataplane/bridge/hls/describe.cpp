#include "dataplane/bridge/hls/describe.h"

#include <fmt/format.h>

#include <algorithm>

namespace headgate::bridge::hls {

std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

std::string media_hash(const std::vector<TrackFormat>& formats, std::uint32_t segment_ms,
                       std::uint64_t series, bool apart) {
  std::string key = fmt::format("{},{}{};", segment_ms, series, apart ? ",apart" : "");
  for (const TrackFormat& f : formats) {
    key += fmt::format("{},{:#x},{},{}", f.track.pid.value, f.track.stream_type,
                       mpegts::to_string(f.track.kind), f.track.language);
    if (f.track.twin_of) {
      // Follows from what it is made of; a worker that comes late is no reason for another path.
      key += fmt::format(",of {},{};", f.track.twin_of->value, f.track.name);
      continue;
    }
    if (f.video) {
      key += fmt::format(",{},{}x{},{}/{}", f.video->codec, f.video->width, f.video->height,
                         f.video->frame_rate_num, f.video->frame_rate_den);
    }
    if (f.audio) key += fmt::format(",{},{},{}", f.audio->codec, f.audio->sample_rate, f.audio->channels);
    key += ';';
  }
  return fmt::format("{:016x}", fnv1a(key));
}

Variant describe(std::span<const TrackFormat> formats) {
  Variant variant;
  std::vector<std::string> codecs;
  bool complete = true;
  for (const TrackFormat& f : formats) {
    const std::string codec = f.video ? f.video->codec : f.audio ? f.audio->codec : "";
    complete = complete && !codec.empty();
    if (std::find(codecs.begin(), codecs.end(), codec) == codecs.end()) codecs.push_back(codec);
    if (f.video) {
      variant.width = f.video->width;
      variant.height = f.video->height;
      variant.frame_rate_num = f.video->frame_rate_num;
      variant.frame_rate_den = f.video->frame_rate_den;
    }
  }
  if (complete) variant.codecs = fmt::format("{}", fmt::join(codecs, ","));
  return variant;
}

}  // namespace headgate::bridge::hls
