// Playlists as text (RFC 8216, and draft-pantos-hls-rfc8216bis for EXT-X-GAP). Pure: the same values give the
// same bytes. Threading: pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace headgate::bridge::hls {

// A segment's file beside the main one: one track, where the sound is not in one stream with the pictures.
struct Part {
  std::string name;  // of its rendition
  std::uint64_t size = 0;
  bool operator==(const Part&) const = default;
};

// One line of the window.
struct Entry {
  std::int64_t k = 0;
  std::int64_t start = 0;     // timeline, 27 MHz
  std::int64_t duration = 0;  // 27 MHz
  bool gap = false;
  bool independent = true;
  bool discontinuity = false;
  std::string media;  // hash of the tracks' configuration: part of the path
  std::uint64_t size = 0;
  std::vector<Part> parts{};  // those that have media
  struct Awaited {
    std::size_t place;  // FinishedSegment::awaited
    std::string name;
    bool operator==(const Awaited&) const = default;
  };
  std::vector<Awaited> awaited{};  // parts that still come
  bool operator==(const Entry&) const = default;
};

// What the multivariant playlist says of the one variant.
struct Variant {
  std::string codecs;  // RFC 6381, comma-separated; empty where one of them is not known
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t frame_rate_num = 0;
  std::uint32_t frame_rate_den = 0;
  std::uint64_t bandwidth = 0;  // measured peak over the window, bit/s
  std::uint64_t average_bandwidth = 0;
  bool operator==(const Variant&) const = default;
};

// A playlist's numbers never go back under one address (RFC 8216 6.2.2); where they must, the address
// changes: numbers count segments of one duration, and `series` the times that the source's timeline began
// anew. `what`: "media" where sound and pictures are in one stream; else what this playlist has.
std::string media_playlist_name(std::uint32_t segment_ms, std::uint64_t series,
                                const std::string& what = "media");

// TARGETDURATION, whole seconds: the slot rule lets a segment last just under two slots.
std::uint32_t target_duration(std::uint32_t segment_ms);
// `pdt_offset_s`: Unix time minus timeline, whole seconds.
std::string media_playlist(std::span<const Entry> entries, std::uint32_t segment_ms,
                           std::uint64_t discontinuity_sequence, std::int64_t pdt_offset_s);
// Peak and average over the entries that have media.
void measure(std::span<const Entry> entries, Variant& variant);
// Relative to the playlist: "media/HASH/K.ts", "media/HASH/PART/K.ts".
std::string media_uri(const Entry& entry);
// The window as the playlist of one part shows it: a gap where it has no media. `whole`: each of its segments
// can be begun with, whatever the main one's begins with.
std::vector<Entry> entries_of_part(std::span<const Entry> entries, const std::string& part, bool whole);

}  // namespace headgate::bridge::hls
