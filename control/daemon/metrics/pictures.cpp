#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "control/daemon/metrics/families.h"
#include "control/daemon/transcode.h"
#include "mpegts/packet/types.h"

namespace headgate::control::metrics {
namespace {

constexpr std::size_t kMostTracks = 16;

template <catalogue::MetricName kName>
void seen(Page& page, const Scene& scene, std::string_view kind) {
  auto family = page.family<kName>();
  for (const ChannelScene& channel : scene.channels) {
    if (!channel.watched) continue;
    const auto& findings = channel.watched->findings;
    family.sample(std::any_of(findings.begin(), findings.end(),
                              [kind](const WatchFinding& finding) { return finding.kind == kind; }),
                  channel.channel.id);
  }
}

template <catalogue::MetricName kName>
void heard(Page& page, const Scene& scene, double SoundLevels::*level) {
  auto family = page.family<kName>();
  for (const ChannelScene& channel : scene.channels) {
    if (!channel.watched) continue;
    const auto& tracks = channel.watched->sound;
    for (std::size_t i = 0; i < std::min(tracks.size(), kMostTracks); ++i) {
      if (tracks[i].pid < mpegts::kPidCount)
        family.sample(tracks[i].*level, channel.channel.id, fmt::format("0x{:04x}", tracks[i].pid));
    }
  }
}

}  // namespace

void about_transcode(Page& page, const Scene& scene) {
  std::vector<TranscodeJob> jobs = transcode_jobs(scene.transcode);
  std::erase_if(
      jobs, [&](const TranscodeJob& job) { return !job.channel.empty() && !scene.has_channel(job.channel); });
  auto states = page.family<"headgate_transcode_jobs">();
  for (const std::string_view state : {"running", "backing_off", "quarantined"}) {
    const auto count =
        std::count_if(jobs.begin(), jobs.end(), [&](const TranscodeJob& job) { return job.state == state; });
    states.sample(static_cast<std::uint64_t>(count), state);
  }
  // A channel may have several jobs of a kind: the members of a ladder.
  std::map<std::pair<std::string, std::string>, double> seconds_of;
  std::map<std::tuple<std::string, std::string, std::string>, std::uint64_t> deaths;
  for (const TranscodeJob& job : jobs) {
    seconds_of[{job.channel, job.kind}] += job.cpu_seconds;
    for (const auto& [reason, count] : job.deaths) deaths[{job.channel, job.kind, reason}] += count;
  }
  auto cpu = page.family<"headgate_transcode_cpu_seconds_total">();
  for (const auto& [of, time] : seconds_of) cpu.sample(time, of.first, of.second);
  auto restarts = page.family<"headgate_transcode_restarts_total">();
  for (const auto& [of, count] : deaths) {
    if (count != 0) restarts.sample(count, std::get<0>(of), std::get<1>(of), std::get<2>(of));
  }
}

// Of channels that are watched.
void about_watch(Page& page, const Scene& scene) {
  auto verdict = page.family<"headgate_watch_verdict">();
  for (const ChannelScene& channel : scene.channels) {
    if (channel.watched) verdict.sample(channel.watched->verdict, channel.channel.id);
  }
  auto luma = page.family<"headgate_watch_luma_mean">();
  for (const ChannelScene& channel : scene.channels) {
    if (channel.watched && channel.watched->luma_mean)
      luma.sample(*channel.watched->luma_mean, channel.channel.id);
  }
  seen<"headgate_watch_black">(page, scene, "black");
  seen<"headgate_watch_frozen">(page, scene, "frozen");
  seen<"headgate_watch_silent">(page, scene, "silent");
  heard<"headgate_sound_loudness_lufs">(page, scene, &SoundLevels::short_term_lufs);
  heard<"headgate_sound_peak_dbfs">(page, scene, &SoundLevels::peak_dbfs);
  heard<"headgate_sound_correlation">(page, scene, &SoundLevels::correlation);
}

}  // namespace headgate::control::metrics
