// What a segment's tracks say of its playlists. Threading: pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/bridge/hls/playlist.h"
#include "dataplane/bridge/hls/segmenter.h"

namespace headgate::bridge::hls {

// FNV-1a, 64 bits: names a configuration or a text, guards nothing.
std::uint64_t fnv1a(std::string_view text);

// The media path's hash: a number under it always means the same bytes. `apart`: each track has a file of its
// own.
std::string media_hash(const std::vector<TrackFormat>& formats, std::uint32_t segment_ms,
                       std::uint64_t series, bool apart = false);
// The playlist's attributes.
Variant describe(std::span<const TrackFormat> formats);

}  // namespace headgate::bridge::hls
