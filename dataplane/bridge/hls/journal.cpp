#include "dataplane/bridge/hls/journal.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace headgate::bridge::hls {
namespace {

constexpr int kVersion = 1;
// Far above what is ever written, and low enough that sums of a few of them can't overflow.
constexpr std::int64_t kFarthest = std::int64_t{1} << 56;
constexpr std::int64_t kFarthestPdt = std::int64_t{1} << 40;  // seconds
constexpr std::size_t kMaxEntries = 4096;
constexpr std::size_t kMaxCodecs = 1024;
constexpr std::size_t kMaxTitle = 128;
constexpr std::size_t kMaxRenditions = 256;

struct Unusable : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Whole numbers only: nlohmann converts 1e300 without a look.
std::int64_t whole(const nlohmann::json& object, const char* name, std::int64_t least = -kFarthest,
                   std::int64_t most = kFarthest) {
  const nlohmann::json& value = object.at(name);
  const bool in_range = value.is_number_unsigned()
                            ? value.get<std::uint64_t>() <= static_cast<std::uint64_t>(most)
                            : value.is_number_integer() && value.get<std::int64_t>() <= most;
  if (!in_range || value.get<std::int64_t>() < least) throw Unusable(std::string(name) + " is out of range");
  return value.get<std::int64_t>();
}

template <typename T>
T counted(const nlohmann::json& object, const char* name) {
  constexpr auto kMost = std::min<std::uint64_t>(std::numeric_limits<T>::max(), kFarthest);
  return static_cast<T>(whole(object, name, 0, static_cast<std::int64_t>(kMost)));
}

// CODECS stands between quotes in a playlist's line.
bool is_codecs(const std::string& text) {
  return text.size() <= kMaxCodecs &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F && c != '"'; });
}

// The hash stands in file names: nothing but lower-case hexadecimal digits.
bool is_hash(const std::string& text) {
  return text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

// Stands between quotes in a playlist's line, and in JSON.
bool is_title(const std::string& text) {
  return text.size() <= kMaxTitle && std::all_of(text.begin(), text.end(), [](char c) {
           return static_cast<unsigned char>(c) >= ' ' && c != 0x7F && c != '"';
         });
}

std::string part_name(const nlohmann::json& value) {
  auto name = value.get<std::string>();
  if (!is_part_name(name)) throw Unusable("a part's name can't be that");
  return name;
}

Entry read_entry(const nlohmann::json& item) {
  Entry e;
  e.k = whole(item, "k");
  e.start = whole(item, "start");
  e.duration = whole(item, "duration", 0);
  item.at("gap").get_to(e.gap);
  item.at("independent").get_to(e.independent);
  item.at("discontinuity").get_to(e.discontinuity);
  item.at("media").get_to(e.media);
  e.size = counted<decltype(e.size)>(item, "size");
  if (!item.contains("parts")) return e;
  const nlohmann::json& parts = item.at("parts");
  if (parts.size() > kMaxRenditions) throw Unusable("too many parts");
  for (const nlohmann::json& part : parts)
    e.parts.push_back({part_name(part.at("name")), counted<std::uint64_t>(part, "size")});
  return e;
}

void write_variant(nlohmann::json& to, const Variant& v) {
  to["codecs"] = v.codecs;
  to["width"] = v.width;
  to["height"] = v.height;
  to["frame_rate_num"] = v.frame_rate_num;
  to["frame_rate_den"] = v.frame_rate_den;
}

Variant read_variant(const nlohmann::json& from) {
  Variant v;
  from.at("codecs").get_to(v.codecs);
  if (!is_codecs(v.codecs)) throw Unusable("codecs can't be that");
  v.width = counted<std::uint32_t>(from, "width");
  v.height = counted<std::uint32_t>(from, "height");
  v.frame_rate_num = counted<std::uint32_t>(from, "frame_rate_num");
  v.frame_rate_den = counted<std::uint32_t>(from, "frame_rate_den");
  return v;
}

nlohmann::json to_json(const Rendition& r) {
  nlohmann::json out = {{"name", r.name},         {"group", r.group},
                        {"sound", r.sound},       {"language", r.language},
                        {"title", r.title},       {"describes_video", r.describes_video},
                        {"channels", r.channels}, {"offered", r.offered}};
  write_variant(out, r.variant);
  return out;
}

Rendition read_rendition(const nlohmann::json& item) {
  Rendition r;
  item.at("name").get_to(r.name);
  item.at("group").get_to(r.group);
  r.sound = counted<std::uint32_t>(item, "sound");
  item.at("language").get_to(r.language);
  item.at("title").get_to(r.title);
  item.at("describes_video").get_to(r.describes_video);
  r.channels = counted<std::uint32_t>(item, "channels");
  if (item.contains("offered")) item.at("offered").get_to(r.offered);
  r.variant = read_variant(item);
  const bool usable = (r.name.empty() || is_part_name(r.name)) &&
                      (r.group.empty() || is_part_name(r.group)) && is_title(r.language) && is_title(r.title);
  if (!usable) throw Unusable("a rendition can't be that");
  return r;
}

}  // namespace

std::string to_json(const Journal& journal) {
  nlohmann::json entries = nlohmann::json::array();
  for (const Entry& e : journal.entries) {
    nlohmann::json& entry = entries.emplace_back(nlohmann::json{{"k", e.k},
                                                                {"start", e.start},
                                                                {"duration", e.duration},
                                                                {"gap", e.gap},
                                                                {"independent", e.independent},
                                                                {"discontinuity", e.discontinuity},
                                                                {"media", e.media},
                                                                {"size", e.size}});
    for (const Part& part : e.parts) entry["parts"].push_back({{"name", part.name}, {"size", part.size}});
  }
  nlohmann::json root = {{"version", kVersion},
                         {"segment_ms", journal.segment_ms},
                         {"series", journal.series},
                         {"discontinuity_sequence", journal.discontinuity_sequence},
                         {"has_pdt", journal.has_pdt},
                         {"pdt_offset_s", journal.pdt_offset_s},
                         {"last_media", journal.last_media},
                         {"layout", journal.layout},
                         {"entries", entries}};
  write_variant(root, journal.variant);
  for (const Rendition& r : journal.renditions) root["renditions"].push_back(to_json(r));
  return root.dump() + "\n";
}

tl::expected<Journal, std::string> parse_journal(const std::string& json) {
  try {
    const nlohmann::json root = nlohmann::json::parse(json);
    if (root.at("version").get<int>() != kVersion) return tl::unexpected<std::string>("unknown version");
    Journal journal;
    journal.segment_ms = counted<std::uint32_t>(root, "segment_ms");
    if (root.contains("series")) journal.series = counted<std::uint64_t>(root, "series");
    journal.discontinuity_sequence = counted<std::uint64_t>(root, "discontinuity_sequence");
    root.at("has_pdt").get_to(journal.has_pdt);
    journal.pdt_offset_s = whole(root, "pdt_offset_s", -kFarthestPdt, kFarthestPdt);
    root.at("last_media").get_to(journal.last_media);
    journal.variant = read_variant(root);
    if (root.contains("layout")) journal.layout = part_name(root.at("layout"));
    if (root.contains("renditions")) {
      if (root.at("renditions").size() > kMaxRenditions)
        return tl::unexpected<std::string>("too many renditions");
      for (const nlohmann::json& item : root.at("renditions"))
        journal.renditions.push_back(read_rendition(item));
    }
    const nlohmann::json& entries = root.at("entries");
    if (entries.size() > kMaxEntries) return tl::unexpected<std::string>("too many entries");
    for (const nlohmann::json& item : entries) {
      Entry e = read_entry(item);
      if (!is_hash(e.media)) return tl::unexpected<std::string>("an entry's path is no hash");
      if (!journal.entries.empty() && e.k != journal.entries.back().k + 1) {
        return tl::unexpected<std::string>("entries are not consecutive");
      }
      journal.entries.push_back(std::move(e));
    }
    if (!is_hash(journal.last_media)) return tl::unexpected<std::string>("last_media is no hash");
    return journal;
  } catch (const std::exception& e) {
    return tl::unexpected<std::string>(e.what());
  }
}

}  // namespace headgate::bridge::hls
