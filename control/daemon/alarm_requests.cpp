// What control answers about alarms, maintenance and events.
#include <fmt/core.h>

#include <algorithm>

#include "control/daemon/daemon.h"

namespace headgate::control {
namespace {

constexpr std::chrono::seconds kLongestMaintenance{30 * 24 * 3600};
constexpr std::size_t kMostEvents = EventLog::kKeep;

nlohmann::json window_json(const MaintenanceWindow& window) {
  return {{"id", window.id},
          {"target", window.target},
          {"who", window.who},
          {"from_unix_ns", window.from_unix_ns},
          {"until_unix_ns", window.until_unix_ns}};
}

std::string text_of(const nlohmann::json& params, const char* name) {
  const auto value = params.find(name);
  return value != params.end() && value->is_string() ? value->get<std::string>() : std::string();
}

std::optional<std::uint64_t> count_in(const nlohmann::json& params, const char* name) {
  const auto value = params.find(name);
  if (value == params.end() || !value->is_number_unsigned()) return std::nullopt;
  return value->get<std::uint64_t>();
}

// "1h 30m", "45s".
std::string length_of(std::chrono::seconds time) {
  const auto count = time.count();
  std::string text;
  const auto add = [&](std::int64_t number, char unit) {
    if (number != 0) text += fmt::format("{}{}{}", text.empty() ? "" : " ", number, unit);
  };
  add(count / 3600, 'h');
  add(count / 60 % 60, 'm');
  add(count % 60, 's');
  return text;
}

}  // namespace

nlohmann::json alarms_answer(const std::vector<Alarm>& alarms, const std::vector<MaintenanceWindow>& windows,
                             std::int64_t now) {
  nlohmann::json active = nlohmann::json::array(), maintained = nlohmann::json::array();
  for (const Alarm& alarm : alarms) active.push_back(alarm_json(alarm));
  for (const MaintenanceWindow& window : windows) maintained.push_back(window_json(window));
  return {{"now_unix_ns", now}, {"alarms", active}, {"maintenance", maintained}};
}

tl::expected<nlohmann::json, std::string> events_answer(const std::deque<Event>& events,
                                                        const nlohmann::json& params) {
  const std::string channel = text_of(params, "channel"), severity = text_of(params, "severity");
  const std::string kind = text_of(params, "kind");
  if (!severity.empty() && severity != "info" && severity != "warning" && severity != "critical")
    return tl::unexpected("severity: info, warning or critical, not " + severity);
  for (const char* name : {"after", "limit"}) {
    if (params.contains(name) && !count_in(params, name))
      return tl::unexpected(fmt::format("{}: a number from 0 on", name));
  }
  const auto after = count_in(params, "after").value_or(0);
  const auto limit = std::min<std::uint64_t>(count_in(params, "limit").value_or(kMostEvents), kMostEvents);
  const auto grave = [](const std::string& name) {
    return name == "critical" ? 2 : name == "warning" ? 1 : 0;
  };
  std::vector<const Event*> found;
  for (const Event& event : events) {
    if (event.id > after && (channel.empty() || event.channel == channel) &&
        (kind.empty() || event.kind == kind) && grave(event.severity) >= grave(severity))
      found.push_back(&event);
  }
  // The latest of all; whoever goes on from an id gets the ones right behind it.
  const std::size_t beyond = found.size() - std::min<std::size_t>(found.size(), limit);
  if (after != 0)
    found.resize(found.size() - beyond);
  else
    found.erase(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(beyond));
  nlohmann::json result = nlohmann::json::array();
  for (const Event* event : found) result.push_back(nlohmann::json::parse(event_to_json(*event)));
  return nlohmann::json{{"events", result}};
}

void Daemon::answer_alarms(const Reply& reply) const {
  reply(alarms_answer(alarms_.active(), alarms_.maintenance(), unix_now_ns()));
}

void Daemon::acknowledge(const nlohmann::json& params, const std::string& who, const Reply& reply) {
  const auto all = params.find("all");
  std::size_t count = 0;
  if (all != params.end() && all->is_boolean() && all->get<bool>()) {
    count = alarms_.acknowledge_all(who, unix_now_ns());
  } else if (const auto id = count_in(params, "id"); id && *id != 0) {
    if (!alarms_.acknowledge(*id, who, unix_now_ns()))
      return reply(tl::unexpected(fmt::format("no alarm {} is active: headgate alarms lists them", *id)));
    count = 1;
  } else {
    return reply(tl::unexpected<std::string>("id: the number of an alarm, or all: true"));
  }
  settle_alarms();
  reply(nlohmann::json{{"acknowledged", count}});
}

void Daemon::maintain(const nlohmann::json& params, const std::string& who, const Reply& reply) {
  const std::string target = text_of(params, "target");
  const auto seconds = count_in(params, "seconds");
  if (target.empty()) return reply(tl::unexpected<std::string>("target: the id of a channel, or a tag"));
  if (!seconds || *seconds > static_cast<std::uint64_t>(kLongestMaintenance.count()))
    return reply(tl::unexpected<std::string>("seconds: how long, at most 30 days; 0 ends it"));
  const auto now = unix_now_ns();
  if (*seconds == 0) {
    const auto found = std::find_if(alarms_.maintenance().begin(), alarms_.maintenance().end(),
                                    [&](const auto& entry) { return entry.target == target; });
    if (found == alarms_.maintenance().end()) return reply(tl::unexpected(target + " is not in maintenance"));
    MaintenanceWindow ended = *found;
    ended.until_unix_ns = now;
    alarms_.end_maintenance(target);
    add_event("info", "maintenance", target, "ended by " + who);
    settle_alarms();
    return reply(nlohmann::json{{"window", window_json(ended)}});
  }
  const bool known = std::any_of(model_->channels.begin(), model_->channels.end(), [&](const auto& channel) {
    return channel.id == target ||
           std::find(channel.tags.begin(), channel.tags.end(), target) != channel.tags.end();
  });
  if (!known) return reply(tl::unexpected("no channel and no tag " + target + " in the running map"));
  const std::chrono::seconds time(*seconds);
  const MaintenanceWindow window = alarms_.maintain(target, time, who, now);
  add_event("info", "maintenance", target, fmt::format("for {}, by {}", length_of(time), who));
  settle_alarms();
  reply(nlohmann::json{{"window", window_json(window)}});
}

}  // namespace headgate::control
