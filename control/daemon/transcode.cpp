#include "control/daemon/transcode.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "control/daemon/foreign.h"
#include "control/protocol/counted.h"

namespace headgate::control {
namespace {

constexpr std::array<std::string_view, 3> kKinds{"sound", "ladder", "pictures"};
constexpr std::array<std::string_view, 3> kStates{"running", "backing_off", "quarantined"};
constexpr std::array<std::string_view, 6> kReasons{"exited", "crashed", "violated", "killed", "hung", "cpu"};

template <std::size_t N>
bool known(const std::array<std::string_view, N>& names, const std::string& name) {
  for (const std::string_view each : names) {
    if (each == name) return true;
  }
  return false;
}

std::uint64_t deaths_of(const TranscodeJob& job) {
  std::uint64_t sum = 0;
  for (const auto& [reason, count] : job.deaths) sum += count;
  return sum;
}

const char* what_is_missing(const TranscodeJob& job) {
  if (job.kind == "sound") return "no AAC and no sound levels meanwhile";
  return job.kind == "ladder" ? "its rendition stands still meanwhile" : "no thumbnails meanwhile";
}

std::map<std::string, std::string> in_state(const nlohmann::json& status, std::string_view state,
                                            const char* text) {
  std::map<std::string, std::string> found;
  for (const TranscodeJob& job : transcode_jobs(status)) {
    // One that has never run yet is just beginning.
    if (job.state != state || (deaths_of(job) == 0 && job.last_error.empty())) continue;
    // Those that a transcode process before this one saw are not counted.
    const std::string deaths =
        deaths_of(job) == 0 ? "" : fmt::format(" ({})", protocol::counted(deaths_of(job), "death"));
    found[job.name] =
        fmt::format("{}{}{}; {}", text, job.last_error.empty() ? "" : ", the last time: " + job.last_error,
                    deaths, what_is_missing(job));
  }
  return found;
}

}  // namespace

std::vector<TranscodeJob> transcode_jobs(const nlohmann::json& status, std::string_view channel) {
  std::vector<TranscodeJob> jobs;
  for (const nlohmann::json& from : foreign::list(status, "jobs")) {
    const nlohmann::json& of = foreign::member(from, "channel");
    if (!channel.empty() && (!of.is_string() || of.get_ref<const std::string&>() != channel)) continue;
    TranscodeJob job;
    job.name = foreign::text(from, "name");
    job.kind = foreign::text(from, "kind");
    job.channel = foreign::text(from, "channel");
    job.state = foreign::text(from, "state");
    job.last_error = foreign::text(from, "last_error");
    if (job.name.empty() || !known(kKinds, job.kind) || !known(kStates, job.state)) continue;
    const nlohmann::json& cpu = foreign::member(from, "cpu_seconds");
    if (cpu.is_number()) job.cpu_seconds = cpu.get<double>();
    job.restarts = foreign::count(from, "restarts").value_or(0);
    for (const std::string_view reason : kReasons) {
      if (const auto count = foreign::count(foreign::member(from, "deaths"), reason))
        job.deaths[std::string(reason)] = *count;
    }
    jobs.push_back(std::move(job));
  }
  return jobs;
}

nlohmann::json sound_worker(const nlohmann::json& status, const std::string& channel) {
  for (const TranscodeJob& job : transcode_jobs(status)) {
    if (job.name == "sound." + channel)
      return {{"state", job.state}, {"restarts", job.restarts}, {"last_error", job.last_error}};
  }
  return nullptr;
}

std::map<std::string, std::string> transcode_failing(const nlohmann::json& status) {
  return in_state(status, "backing_off", "its worker died and is started again after a pause");
}

std::map<std::string, std::string> transcode_quarantined(const nlohmann::json& status) {
  return in_state(status, "quarantined", "its worker died too often; one new try follows after 10 minutes");
}

std::string missing_without_transcode(const config::Model& model) {
  std::size_t sound = 0, watched = 0, switches = 0, derived = 0;
  for (const config::Channel& channel : model.channels) {
    if (!channel.enabled) continue;
    const bool wants_aac = channel.hls || channel.rtmp ||
                           std::any_of(channel.push.begin(), channel.push.end(), [](const auto& push) {
                             return push.enabled && push.kind == config::PushKind::rtmp;
                           });
    sound += wants_aac && channel.audio.transcode != config::AudioTranscode::never ? 1U : 0U;
    watched += config::watches_pictures(channel) || config::watches_sound(channel) ? 1U : 0U;
    const bool by_content = config::fails_over_for(channel, config::Trouble::frozen) ||
                            config::fails_over_for(channel, config::Trouble::black) ||
                            config::fails_over_for(channel, config::Trouble::silence);
    switches += by_content ? 1U : 0U;
  }
  for (const config::Rendition& rendition : model.renditions)
    derived += static_cast<std::size_t>(std::count_if(rendition.members.begin(), rendition.members.end(),
                                                      [](const auto& member) { return member.derived; }));
  std::vector<std::string> missing;
  const auto say = [&](std::size_t count, const char* what, const char* of) {
    if (count != 0) missing.push_back(fmt::format("{} ({})", what, protocol::counted(count, of)));
  };
  say(sound, "no AAC beside other sound", "channel");
  say(watched, "no thumbnails, and nobody watches pictures and sound", "channel");
  say(switches, "no failover for frozen, black or silence", "channel");
  say(derived, "no derived renditions", "member");
  return fmt::format("{}", fmt::join(missing, "; "));
}

std::map<std::string, std::string> renditions_failing(const nlohmann::json& status) {
  std::map<std::string, std::string> found;
  const nlohmann::json& renditions = foreign::member(status, "renditions");
  if (!renditions.is_object()) return found;
  for (const auto& item : renditions.items()) {
    for (const nlohmann::json& member : foreign::list(item.value(), "members")) {
      const std::string trouble = foreign::text(member, "trouble"), part = foreign::text(member, "part");
      if (trouble.empty() || part.empty()) continue;
      found[item.key() + " " + part] = fmt::format("made of {}: {}; players have its other members",
                                                   foreign::text(member, "channel"), trouble);
    }
  }
  return found;
}

}  // namespace headgate::control
