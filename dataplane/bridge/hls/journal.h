// What a channel's window was, beside its segments on disk: read by a bridge that starts after a crash.
// One JSON file, replaced atomically at each finished segment. Threading: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "dataplane/bridge/hls/playlist.h"
#include "dataplane/bridge/hls/rendition.h"

namespace headgate::bridge::hls {

struct Journal {
  std::uint32_t segment_ms = 0;
  std::uint64_t series = 0;                  // of numbers: see media_playlist_name()
  std::uint64_t discontinuity_sequence = 0;  // of the first entry
  bool has_pdt = false;
  std::int64_t pdt_offset_s = 0;
  std::string last_media;  // the path's hash of the last segment with media
  Variant variant;
  std::string layout = "media";       // of the main playlist's name
  std::vector<Rendition> renditions;  // beside the main playlist
  std::vector<Entry> entries;
  bool operator==(const Journal&) const = default;
};

std::string to_json(const Journal& journal);
tl::expected<Journal, std::string> parse_journal(const std::string& json);

}  // namespace headgate::bridge::hls
