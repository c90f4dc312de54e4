#include "dataplane/bridge/hls/playlist.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <iterator>

#include "mpegts/packet/types.h"

namespace headgate::bridge::hls {
namespace {

constexpr std::int64_t kTicks = mpegts::kTicksPerSecond;

std::string date_time(std::int64_t ticks, std::int64_t offset_s) {
  std::int64_t ms = ticks / (kTicks / 1000) + offset_s * 1000;
  std::int64_t seconds = ms / 1000;
  ms %= 1000;
  if (ms < 0) {
    ms += 1000;
    --seconds;
  }
  const std::time_t time = seconds;
  std::tm utc{};
  gmtime_r(&time, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900, utc.tm_mon + 1,
                     utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, ms);
}

// 90 kHz needs five digits; the sixth would be noise.
std::string seconds(std::int64_t ticks) {
  const std::int64_t hundred_thousandths = (ticks + 135) / 270;
  return fmt::format("{}.{:05}", hundred_thousandths / 100000, hundred_thousandths % 100000);
}

}  // namespace

std::uint32_t target_duration(std::uint32_t segment_ms) { return (2 * segment_ms + 999) / 1000; }

std::string media_uri(const Entry& entry) { return fmt::format("media/{}/{}.ts", entry.media, entry.k); }

std::string media_playlist(std::span<const Entry> entries, std::uint32_t segment_ms,
                           std::uint64_t discontinuity_sequence, std::int64_t pdt_offset_s) {
  const bool gaps = std::any_of(entries.begin(), entries.end(), [](const Entry& e) { return e.gap; });
  const bool independent =
      std::all_of(entries.begin(), entries.end(), [](const Entry& e) { return e.gap || e.independent; });
  std::string text;
  text.reserve(256 + entries.size() * 128);
  auto out = std::back_inserter(text);
  // EXT-X-GAP came with protocol version 8; decimal EXTINF with 3.
  fmt::format_to(out, "#EXTM3U\n#EXT-X-VERSION:{}\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:{}\n",
                 gaps ? 8 : 3, target_duration(segment_ms), entries.empty() ? 0 : entries.front().k);
  if (discontinuity_sequence > 0)
    fmt::format_to(out, "#EXT-X-DISCONTINUITY-SEQUENCE:{}\n", discontinuity_sequence);
  if (independent) fmt::format_to(out, "#EXT-X-INDEPENDENT-SEGMENTS\n");
  for (const Entry& entry : entries) {
    if (entry.discontinuity) fmt::format_to(out, "#EXT-X-DISCONTINUITY\n");
    if (entry.gap) fmt::format_to(out, "#EXT-X-GAP\n");
    fmt::format_to(out, "#EXT-X-PROGRAM-DATE-TIME:{}\n#EXTINF:{},\n{}\n",
                   date_time(entry.start, pdt_offset_s), seconds(entry.duration), media_uri(entry));
  }
  return text;
}

std::string media_playlist_name(std::uint32_t segment_ms, std::uint64_t series, const std::string& what) {
  return series == 0 ? fmt::format("index.{}-{}.m3u8", what, segment_ms)
                     : fmt::format("index.{}-{}-{}.m3u8", what, segment_ms, series);
}

std::vector<Entry> entries_of_part(std::span<const Entry> entries, const std::string& part, bool whole) {
  std::vector<Entry> out;
  out.reserve(entries.size());
  for (const Entry& entry : entries) {
    const auto found =
        std::find_if(entry.parts.begin(), entry.parts.end(), [&](const Part& p) { return p.name == part; });
    Entry& made = out.emplace_back(entry);
    made.parts.clear();
    made.media = entry.media + "/" + part;
    made.gap = found == entry.parts.end();
    made.size = made.gap ? 0 : found->size;
    made.independent = whole || entry.independent;
  }
  return out;
}

void measure(std::span<const Entry> entries, Variant& variant) {
  double peak = 0;
  double bits = 0;
  double time = 0;
  for (const Entry& entry : entries) {
    if (entry.gap || entry.duration <= 0) continue;
    const double seconds_long = static_cast<double>(entry.duration) / static_cast<double>(kTicks);
    peak = std::max(peak, static_cast<double>(entry.size) * 8 / seconds_long);
    bits += static_cast<double>(entry.size) * 8;
    time += seconds_long;
  }
  variant.bandwidth = static_cast<std::uint64_t>(std::llround(peak));
  variant.average_bandwidth = time > 0 ? static_cast<std::uint64_t>(std::llround(bits / time)) : 0;
}

}  // namespace headgate::bridge::hls
