#include "control/daemon/watched.h"

#include <fmt/core.h>

#include <algorithm>

#include "control/daemon/foreign.h"

namespace headgate::control {
namespace {

std::optional<double> level_of(const nlohmann::json& object, const char* name) {
  const nlohmann::json& value = foreign::member(object, name);
  return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
}

bool flag(const nlohmann::json& object, const char* name) {
  const nlohmann::json& value = foreign::member(object, name);
  return value.is_boolean() && value.get<bool>();
}

// In the operator's words.
std::string meaning(const std::string& kind) {
  static const std::map<std::string, std::string> kMeanings{
      {"black", "the picture is black"},
      {"frozen", "the picture is frozen"},
      {"still", "the picture stands still"},
      {"silent", "no sound"},
      {"track_silent", "silent, others are not"},
      {"clipping", "the sound clips"},
      {"phase", "left and right are against each other"},
      {"loud", "too loud"},
      {"quiet", "too quiet"},
      {"unwatched_pictures", "nothing can be said of its pictures"},
      {"unwatched_sound", "nothing can be said of its sound"}};
  const auto found = kMeanings.find(kind);
  return found == kMeanings.end() ? kind : found->second;
}

std::vector<WatchFinding> findings_of(const nlohmann::json& watch) {
  std::vector<WatchFinding> findings;
  for (const nlohmann::json& each : foreign::list(watch, "findings")) {
    WatchFinding finding;
    finding.kind = foreign::text(each, "kind");
    finding.pid = foreign::count(each, "track").value_or(0);
    finding.since_unix_ns = foreign::time(each, "since_unix_ns");
    finding.text = foreign::text(each, "text");
    if (!finding.kind.empty()) findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

std::optional<WatchedChannel> watched(const nlohmann::json& channel) {
  const nlohmann::json& from = foreign::member(channel, "watch");
  if (!from.is_object()) return std::nullopt;
  WatchedChannel watched;
  watched.verdict = flag(from, "verdict");
  watched.luma_mean = foreign::count(foreign::member(from, "picture"), "mean");
  for (const nlohmann::json& track : foreign::list(from, "tracks")) {
    const nlohmann::json& levels = foreign::member(track, "levels");
    const auto pid = foreign::count(track, "pid");
    if (!pid || !levels.is_object()) continue;
    SoundLevels sound;
    sound.pid = *pid;
    sound.momentary_lufs = level_of(levels, "momentary_lufs").value_or(sound.momentary_lufs);
    sound.short_term_lufs = level_of(levels, "short_term_lufs").value_or(sound.short_term_lufs);
    sound.peak_dbfs = level_of(levels, "peak_dbfs").value_or(sound.peak_dbfs);
    sound.rms_dbfs = level_of(levels, "rms_dbfs").value_or(sound.rms_dbfs);
    sound.correlation = level_of(levels, "correlation").value_or(sound.correlation);
    watched.sound.push_back(sound);
  }
  watched.findings = findings_of(from);
  return watched;
}

WatchFindings all_findings(const nlohmann::json& bridge_status) {
  WatchFindings all;
  foreign::each_channel(bridge_status, [&](const std::string& id, const nlohmann::json& channel) {
    if (auto findings = findings_of(foreign::member(channel, "watch")); !findings.empty())
      all[id] = std::move(findings);
  });
  return all;
}

std::map<std::string, WatchAlarm> watch_alarms(const WatchFindings& all,
                                               const std::vector<std::string>& kinds) {
  std::map<std::string, WatchAlarm> alarms;
  for (const auto& [id, findings] : all) {
    for (const WatchFinding& finding : findings) {
      if (std::find(kinds.begin(), kinds.end(), finding.kind) == kinds.end()) continue;
      const std::string subject = finding.pid == 0 ? id : fmt::format("{} pid 0x{:04x}", id, finding.pid);
      const std::string why = finding.text.empty() ? "" : ": " + finding.text;
      alarms[subject] = {meaning(finding.kind) + why, finding.since_unix_ns};
    }
  }
  return alarms;
}

}  // namespace headgate::control
