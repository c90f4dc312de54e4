#include "control/cli/render_alarms.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "control/cli/columns.h"
#include "control/cli/render.h"
#include "control/cli/render_json.h"
#include "control/protocol/counted.h"

namespace headgate::control {
namespace {

using nlohmann::json;
using protocol::counted;

constexpr std::size_t kIndent = 6;
constexpr std::size_t kShown = 6;  // names in a list

bool is_root(const json& alarm) { return !alarm.value("cause", json()).is_number(); }
bool is_acknowledged(const json& alarm) { return alarm.value("acknowledged", json()).is_object(); }
bool worries(const json& alarm) {
  return is_root(alarm) && !is_acknowledged(alarm) && !alarm.value("maintenance", false);
}

std::string what(const json& alarm) {
  const std::string subject = text_of(alarm, "subject"), message = text_of(alarm, "message");
  return subject.empty() ? message : subject + ": " + message;
}

std::string list_of(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kShown; ++i) text += (i == 0 ? "" : ", ") + names[i];
  return names.size() <= kShown ? text : text + fmt::format(" and {} more", names.size() - kShown);
}

// The condition is gone, and the alarm waits whether it stays so.
std::string over_text(const json& alarm, std::int64_t now) {
  const json over = alarm.value("over_since_unix_ns", json());
  return over.is_number() ? fmt::format(" (over since {})", human_age(over.get<std::int64_t>(), now)) : "";
}

std::string alarm_block(const json& alarm, const json& all, std::int64_t now, bool colour) {
  const std::string severity = text_of(alarm, "severity");
  const auto since = alarm.value("since_unix_ns", std::int64_t{0});
  std::string text =
      fmt::format("{:>5} {}  {:>6}  {}", count(alarm, "id"), painted(padded(severity, 8), severity, colour),
                  human_age(since, now), text_of(alarm, "kind"));
  if (is_acknowledged(alarm))
    text += fmt::format("  (acknowledged by {} {} ago)", text_of(alarm["acknowledged"], "who"),
                        human_age(alarm["acknowledged"].value("unix_ns", std::int64_t{0}), now));
  if (alarm.value("maintenance", false)) text += "  (maintenance)";
  if (const std::string over = over_text(alarm, now); !over.empty()) text += " " + over;
  text = strip_end(std::move(text)) + wrapped(std::string(kIndent, ' '), what(alarm), kIndent);
  if (const std::string sentence = text_of(alarm, "sentence"); !sentence.empty())
    text += wrapped(std::string(kIndent + 3, ' '), sentence, kIndent + 3);
  std::vector<std::string> follow;
  for (const json& other : all) {
    if (!is_root(other) && other["cause"] == alarm["id"])
      follow.push_back(text_of(other, "subject") + " (" + text_of(other, "kind") + ")");
  }
  if (!follow.empty())
    text += wrapped(std::string(kIndent, ' '),
                    fmt::format("explains {}: {}", counted(follow.size(), "other alarm"), list_of(follow)),
                    kIndent + 2);
  if (const std::string remedy = text_of(alarm, "remedy"); !remedy.empty() && remedy != "-")
    text += wrapped(std::string(kIndent, ' ') + "-> ", remedy, kIndent + 3);
  return text;
}

std::string window_line(const json& window, std::int64_t now, const char* begin = "") {
  const auto until = window.value("until_unix_ns", std::int64_t{0});
  return wrapped(begin,
                 fmt::format("{} by {}, {} to go, until {}", text_of(window, "target"),
                             text_of(window, "who"), human_age(now, until), local_time(until)),
                 4);
}

}  // namespace

std::string render_alarm_lines(const json& alarms, std::int64_t now, bool colour, std::size_t columns,
                               bool explain) {
  std::string text;
  std::set<std::string> explained;
  std::size_t known = 0, worked_on = 0;
  for (const json& alarm : alarms) {
    if (!is_root(alarm)) continue;
    known += is_acknowledged(alarm) ? 1U : 0U;
    worked_on += alarm.value("maintenance", false) && !is_acknowledged(alarm) ? 1U : 0U;
    if (!worries(alarm)) continue;
    std::string line = fmt::format("! {}: {}", text_of(alarm, "kind"), what(alarm));
    if (const auto follow = count(alarm, "consequences"); follow != 0)
      line += fmt::format(" (explains {})", counted(follow, "other alarm"));
    line = wrapped("", line + over_text(alarm, now), 4, columns);
    line.pop_back();
    text += painted(line, text_of(alarm, "severity"), colour) + "\n";
    const std::string sentence = text_of(alarm, "sentence");
    if (explain && !sentence.empty() && explained.insert(text_of(alarm, "kind")).second)
      text += wrapped("    ", sentence, 4, columns);
  }
  if (known + worked_on != 0)
    text += fmt::format("  {} acknowledged, {} under maintenance: headgate alarms\n", known, worked_on);
  return text;
}

std::string render_alarms(const json& answer, bool colour) {
  const std::int64_t now = answer.at("now_unix_ns").get<std::int64_t>();
  std::string text;
  for (const json& alarm : answer.at("alarms")) {
    if (is_root(alarm)) text += alarm_block(alarm, answer["alarms"], now, colour) + "\n";
  }
  text = text.empty() ? "no alarm is active\n" : "   ID SEVERITY   SINCE  ALARM\n\n" + text;
  for (const json& window : answer.value("maintenance", json::array()))
    text += window_line(window, now, "maintenance: ");
  return text;
}

std::string render_maintenance(const json& answer) {
  const std::int64_t now = answer.at("now_unix_ns").get<std::int64_t>();
  std::string text;
  for (const json& window : answer.value("maintenance", json::array())) text += window_line(window, now);
  return text.empty() ? "nothing is under maintenance\n" : text;
}

Health judge_health(const json& status, const json& alarms) {
  std::set<std::string> worked_on;
  for (const json& window : alarms.value("maintenance", json::array()))
    worked_on.insert(text_of(window, "target"));
  std::vector<std::string> critical, warning;
  std::map<std::string, std::uint64_t> states;
  for (const json& channel : status.at("channels")) {
    const std::string state = text_of(channel, "state"), id = text_of(channel, "id");
    ++states[state];
    bool planned = worked_on.contains(id);
    for (const json& tag : channel.value("tags", json::array()))
      planned = planned || (tag.is_string() && worked_on.contains(tag.get<std::string>()));
    if (planned) continue;
    if (state == "down") critical.push_back(id);
    if (state == "degraded" || state == "backup") warning.push_back(id);
  }
  std::map<std::string, std::uint64_t> counts;
  std::vector<std::string> kinds;
  for (const json& alarm : alarms.at("alarms")) {
    if (!worries(alarm)) continue;
    ++counts[text_of(alarm, "severity")];
    if (kinds.size() < kShown) kinds.push_back(text_of(alarm, "kind") + " " + text_of(alarm, "subject"));
  }
  const bool ready = status.value("ready", false);
  const bool bad = !ready || !critical.empty() || counts["critical"] != 0;
  const bool poor = !warning.empty() || counts["warning"] != 0;
  Health health;
  health.status = bad ? 2 : poor ? 1 : 0;
  constexpr const char* kWords[] = {"OK", "WARNING", "CRITICAL"};
  const auto channels = status["channels"].size();
  std::string text = fmt::format("HEADGATE {} - ", kWords[health.status]);
  if (!ready) text += "not ready; ";
  text += fmt::format("{} of {} ok", states["ok"], counted(channels, "channel"));
  if (!critical.empty()) text += fmt::format(", {} down: {}", critical.size(), list_of(critical));
  if (!warning.empty()) text += fmt::format(", {} not well: {}", warning.size(), list_of(warning));
  if (!kinds.empty())
    text += fmt::format("; {}: {}", counted(counts["critical"] + counts["warning"], "alarm"), list_of(kinds));
  health.figures = {{"channels", channels},
                    {"ok", states["ok"]},
                    {"degraded", states["degraded"]},
                    {"backup", states["backup"]},
                    {"waiting", states["waiting"]},
                    {"down", states["down"]},
                    {"disabled", states["disabled"]},
                    {"alarms_critical", counts["critical"]},
                    {"alarms_warning", counts["warning"]},
                    {"ready", ready ? 1 : 0}};
  // Everything behind the bar is performance data: 'label'=value.
  text += " |";
  for (const auto& [name, value] : health.figures.items())
    text += fmt::format(" {}={}", name, value.get<std::uint64_t>());
  std::replace(text.begin(), text.end(), '\n', ' ');
  health.line = text;
  return health;
}

}  // namespace headgate::control
