#include "dataplane/bridge/watch/report.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "dataplane/bridge/watch/channel_watch.h"

namespace headgate::bridge::watch {
namespace {

using nlohmann::json;

// A worker is not trusted with numbers that JSON has no form for.
json number(float value) {
  return std::isfinite(value) ? json(std::round(value * 100) / 100) : json(nullptr);
}

json picture_of(const job::PictureResult& seen) {
  return {{"width", seen.width},         {"height", seen.height}, {"interlaced", seen.interlaced != 0},
          {"hdr", seen.hdr != 0},        {"mean", seen.mean},     {"darkest", seen.darkest},
          {"brightest", seen.brightest}, {"detail", seen.detail}, {"decode_us", seen.decode_us}};
}

json track_of(std::uint32_t pid, const TrackWatch& track, std::int64_t now_ns) {
  json out = {{"pid", pid}, {"levels", nullptr}};
  if (!track.last() || !track.fresh(now_ns)) return out;
  const job::SoundLevels& heard = *track.last();
  out["levels"] = {{"momentary_lufs", number(heard.momentary_lufs)},
                   {"short_term_lufs", number(heard.short_term_lufs)},
                   {"peak_dbfs", number(heard.peak_dbfs)},
                   {"rms_dbfs", number(heard.rms_dbfs)},
                   {"correlation", number(heard.correlation)},
                   {"clipped", heard.clipped},
                   {"channels", heard.channels},
                   {"sample_rate", heard.sample_rate},
                   {"decode_errors", heard.decode_errors}};
  return out;
}

}  // namespace

json report(const ChannelWatch& watch, std::int64_t now_ns, std::int64_t unix_ns) {
  json out = {{"verdict", watch.has_verdict(now_ns)},
              {"picture", nullptr},
              {"tracks", json::array()},
              {"findings", json::array()}};
  if (const auto* seen = watch.picture(now_ns)) out["picture"] = picture_of(*seen);
  for (const auto& [pid, track] : watch.tracks()) out["tracks"].push_back(track_of(pid, track, now_ns));
  for (const Finding& finding : watch.findings()) {
    out["findings"].push_back({{"kind", to_string(finding.kind)},
                               {"track", finding.track},
                               {"since_unix_ns", unix_ns - (now_ns - finding.since_ns)},
                               {"text", finding.text}});
  }
  return out;
}

}  // namespace headgate::bridge::watch
