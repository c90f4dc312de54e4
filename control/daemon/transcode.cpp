#include "control/daemon/transcode.h"

#include <fmt/core.h>

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
    found[job.name] =
        fmt::format("{}{} ({}); {}", text, job.last_error.empty() ? "" : ", the last time: " + job.last_error,
                    protocol::counted(deaths_of(job), "death"), what_is_missing(job));
  }
  return found;
}

}  // namespace

std::vector<TranscodeJob> transcode_jobs(const nlohmann::json& status) {
  std::vector<TranscodeJob> jobs;
  for (const nlohmann::json& from : foreign::list(status, "jobs")) {
    TranscodeJob job;
    job.name = foreign::text(from, "name");
    job.kind = foreign::text(from, "kind");
    job.channel = foreign::text(from, "channel");
    job.state = foreign::text(from, "state");
    job.last_error = foreign::text(from, "last_error");
    if (job.name.empty() || !known(kKinds, job.kind) || !known(kStates, job.state)) continue;
    const nlohmann::json& cpu = foreign::member(from, "cpu_seconds");
    if (cpu.is_number()) job.cpu_seconds = cpu.get<double>();
    for (const std::string_view reason : kReasons) {
      if (const auto count = foreign::count(foreign::member(from, "deaths"), reason))
        job.deaths[std::string(reason)] = *count;
    }
    jobs.push_back(std::move(job));
  }
  return jobs;
}

std::map<std::string, std::string> transcode_failing(const nlohmann::json& status) {
  return in_state(status, "backing_off", "its worker died and is started again after a pause");
}

std::map<std::string, std::string> transcode_quarantined(const nlohmann::json& status) {
  return in_state(status, "quarantined", "its worker died too often; one new try follows after 10 minutes");
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
