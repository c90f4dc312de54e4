// What the bridge saw and heard of the channels ("watch" of its status), read with suspicion: what is not as
// it should be counts as absent. Threading: pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace headgate::control {

struct WatchFinding {
  std::string kind;       // as the bridge names it: "black", "track_silent"
  std::uint64_t pid = 0;  // 0: the whole channel
  std::int64_t since_unix_ns = 0;
  std::string text;
};

struct SoundLevels {
  std::uint64_t pid = 0;
  double momentary_lufs = -70, short_term_lufs = -70, peak_dbfs = -120, rms_dbfs = -120, correlation = 1;
};

struct WatchedChannel {
  bool verdict = false;  // there is enough to judge by
  std::optional<std::uint64_t> luma_mean;
  std::vector<SoundLevels> sound;
  std::vector<WatchFinding> findings;
};

// `channel`: of the bridge's status. Nothing where it isn't watched.
std::optional<WatchedChannel> watched(const nlohmann::json& channel);

struct WatchAlarm {
  std::string message;
  std::int64_t since_unix_ns = 0;
};
using WatchFindings = std::map<std::string, std::vector<WatchFinding>>;  // by channel; of those that have any
WatchFindings all_findings(const nlohmann::json& bridge_status);
// By subject (a channel, or one of its tracks), of the findings of these kinds.
std::map<std::string, WatchAlarm> watch_alarms(const WatchFindings& findings,
                                               const std::vector<std::string>& kinds);

}  // namespace headgate::control
