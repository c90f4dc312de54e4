// Playlists as text (RFC 8216, and draft-pantos-hls-rfc8216bis for EXT-X-GAP). Pure: the same values give the
// same bytes. Threading: pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace headgate::bridge::hls {

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
// anew.
std::string media_playlist_name(std::uint32_t segment_ms, std::uint64_t series);

// TARGETDURATION, whole seconds: the slot rule lets a segment last just under two slots.
std::uint32_t target_duration(std::uint32_t segment_ms);
// `pdt_offset_s`: Unix time minus timeline, whole seconds.
std::string media_playlist(std::span<const Entry> entries, std::uint32_t segment_ms,
                           std::uint64_t discontinuity_sequence, std::int64_t pdt_offset_s);
std::string multivariant_playlist(const Variant& variant, const std::string& media_playlist_name);
// Peak and average over the entries that have media.
void measure(std::span<const Entry> entries, Variant& variant);
// Relative to the playlist: "media/HASH/K.ts".
std::string media_uri(const Entry& entry);

}  // namespace headgate::bridge::hls
