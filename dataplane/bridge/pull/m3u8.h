// Playlists of HLS as text: what of them a pull needs. Reference: RFC 8216 4 (RFC 8216bis where it names
// EXT-X-GAP, EXT-X-DEFINE). Unknown tags are passed over (6.3.1). Threading: pure functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <tl/expected.hpp>

namespace headgate::bridge::pull {

inline constexpr std::size_t kMaxPlaylist = 8 * 1024 * 1024;  // bytes
inline constexpr std::size_t kMaxSegments = 100'000;
inline constexpr std::size_t kMaxVariants = 1000;  // and renditions

struct SegmentRange {
  std::uint64_t first = 0;
  std::uint64_t length = 0;
  bool operator==(const SegmentRange&) const = default;
};

struct MediaSegment {
  std::string uri;
  std::chrono::nanoseconds duration{0};
  bool discontinuity = false;
  bool gap = false;
  std::optional<SegmentRange> range;
};

struct MediaPlaylist {
  std::chrono::nanoseconds target{0};
  std::uint64_t sequence = 0;  // of the first segment
  bool ended = false;
  std::vector<MediaSegment> segments;
  std::string refused;  // what stands in it that isn't supported; "": nothing
};

struct Variant {
  std::string uri;
  std::uint64_t bandwidth = 0;
  std::string resolution;
  std::string audio_group;
};

// Sound or the like in a playlist of its own, or "" as uri: it is in the variant's segments.
struct Rendition {
  std::string type;
  std::string group;
  std::string name;
  std::string language;
  std::string uri;
};

struct MultivariantPlaylist {
  std::vector<Variant> variants;  // never empty
  std::vector<Rendition> renditions;
};

using Playlist = std::variant<MediaPlaylist, MultivariantPlaylist>;

tl::expected<Playlist, std::string> parse_playlist(std::string_view text);

}  // namespace headgate::bridge::pull
