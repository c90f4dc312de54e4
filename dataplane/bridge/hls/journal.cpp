#include "dataplane/bridge/hls/journal.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace headgate::bridge::hls {
namespace {

constexpr int kVersion = 1;

// The hash stands in file names: nothing but lower-case hexadecimal digits.
bool is_hash(const std::string& text) {
  return text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

}  // namespace

std::string to_json(const Journal& journal) {
  nlohmann::json entries = nlohmann::json::array();
  for (const Entry& e : journal.entries) {
    entries.push_back({{"k", e.k},
                       {"start", e.start},
                       {"duration", e.duration},
                       {"gap", e.gap},
                       {"independent", e.independent},
                       {"discontinuity", e.discontinuity},
                       {"media", e.media},
                       {"size", e.size}});
  }
  const Variant& v = journal.variant;
  const nlohmann::json root = {{"version", kVersion},
                               {"segment_ms", journal.segment_ms},
                               {"discontinuity_sequence", journal.discontinuity_sequence},
                               {"has_pdt", journal.has_pdt},
                               {"pdt_offset_s", journal.pdt_offset_s},
                               {"last_media", journal.last_media},
                               {"codecs", v.codecs},
                               {"width", v.width},
                               {"height", v.height},
                               {"frame_rate_num", v.frame_rate_num},
                               {"frame_rate_den", v.frame_rate_den},
                               {"entries", entries}};
  return root.dump() + "\n";
}

tl::expected<Journal, std::string> parse_journal(const std::string& json) {
  try {
    const nlohmann::json root = nlohmann::json::parse(json);
    if (root.at("version").get<int>() != kVersion) return tl::unexpected<std::string>("unknown version");
    Journal journal;
    root.at("segment_ms").get_to(journal.segment_ms);
    root.at("discontinuity_sequence").get_to(journal.discontinuity_sequence);
    root.at("has_pdt").get_to(journal.has_pdt);
    root.at("pdt_offset_s").get_to(journal.pdt_offset_s);
    root.at("last_media").get_to(journal.last_media);
    root.at("codecs").get_to(journal.variant.codecs);
    root.at("width").get_to(journal.variant.width);
    root.at("height").get_to(journal.variant.height);
    root.at("frame_rate_num").get_to(journal.variant.frame_rate_num);
    root.at("frame_rate_den").get_to(journal.variant.frame_rate_den);
    for (const nlohmann::json& item : root.at("entries")) {
      Entry e;
      item.at("k").get_to(e.k);
      item.at("start").get_to(e.start);
      item.at("duration").get_to(e.duration);
      item.at("gap").get_to(e.gap);
      item.at("independent").get_to(e.independent);
      item.at("discontinuity").get_to(e.discontinuity);
      item.at("media").get_to(e.media);
      item.at("size").get_to(e.size);
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
