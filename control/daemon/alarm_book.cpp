#include "control/daemon/alarm_book.h"

#include <algorithm>

namespace headgate::control {
namespace {

constexpr std::size_t kMaxRestored = 100'000;
// Between two looks for causes while nothing is raised or over.
constexpr std::chrono::seconds kRegroup{2};

std::int64_t ns(std::chrono::nanoseconds time) { return time.count(); }

Alarm read_alarm(const nlohmann::json& from) {
  Alarm alarm;
  alarm.id = from.at("id").get<std::uint64_t>();
  alarm.kind = from.at("kind").get<std::string>();
  alarm.subject = from.at("subject").get<std::string>();
  alarm.message = from.at("message").get<std::string>();
  alarm.since_unix_ns = from.at("since_unix_ns").get<std::int64_t>();
  // Of a kind that is a warning: what it explains made it graver, which was told.
  if (from.value("severity", "") == to_string(catalogue::Severity::critical))
    alarm.severity = catalogue::Severity::critical;
  if (const nlohmann::json& by = from.at("acknowledged"); !by.is_null())
    alarm.acknowledged = {by.at("who").get<std::string>(), by.at("unix_ns").get<std::int64_t>()};
  return alarm;
}

MaintenanceWindow read_window(const nlohmann::json& from) {
  return {from.at("id").get<std::uint64_t>(), from.at("target").get<std::string>(),
          from.at("who").get<std::string>(), from.at("from_unix_ns").get<std::int64_t>(),
          from.at("until_unix_ns").get<std::int64_t>()};
}

// Each element that can be read; the others are left out.
template <typename Read, typename Take>
void each_of(const nlohmann::json& from, const char* name, Read read, Take take) {
  const auto list = from.find(name);
  if (list == from.end() || !list->is_array()) return;
  for (std::size_t i = 0; i < std::min(list->size(), kMaxRestored); ++i) {
    try {
      take(read((*list)[i]));
    } catch (const nlohmann::json::exception&) {
      continue;
    }
  }
}

}  // namespace

void AlarmBook::set(bool active, std::string_view kind, const std::string& subject,
                    const std::string& message, std::int64_t now, std::int64_t since) {
  const auto* about = catalogue::find_alarm_kind(kind);
  if (about == nullptr) return;
  auto found = entries_.find({std::string(kind), subject});
  if (!active) {
    if (found == entries_.end() || !found->second.condition) return;
    if (found->second.alarm.id == 0) {
      entries_.erase(found);
      return;
    }
    found->second.condition = false;
    found->second.turned_unix_ns = now;
    return;
  }
  if (found == entries_.end()) {
    Entry entry;
    entry.alarm.kind = kind;
    entry.alarm.subject = subject;
    entry.alarm.severity = about->severity;
    entry.alarm.channel = catalogue::channel_of(about->scope, subject);
    found = entries_.emplace(Key{std::string(kind), subject}, std::move(entry)).first;
  }
  Entry& entry = found->second;
  entry.alarm.message = message;
  entry.confirmed = true;
  if (!entry.condition) {
    entry.condition = true;
    entry.turned_unix_ns = since != 0 ? since : now;
  } else if (since != 0 && entry.alarm.id == 0) {
    entry.turned_unix_ns = since;
  }
  if (since != 0 && entry.alarm.id != 0 && entry.alarm.since_unix_ns != since) {
    entry.alarm.since_unix_ns = since;
    ++changes_;
  }
}

void AlarmBook::set_all(std::string_view kind, const std::map<std::string, std::string>& active,
                        std::int64_t now) {
  for (auto entry = entries_.lower_bound({std::string(kind), ""});
       entry != entries_.end() && entry->first.first == kind;) {
    const std::string subject = (entry++)->first.second;  // it may be gone after set()
    if (!active.contains(subject)) set(false, kind, subject, "", now);
  }
  for (const auto& [subject, message] : active) set(true, kind, subject, message, now);
}

// The clock was set back: what lies in the future begins now, so that nothing waits for the old time.
void AlarmBook::turn_back(std::int64_t now) {
  for (auto& [key, entry] : entries_) {
    entry.turned_unix_ns = std::min(entry.turned_unix_ns, now);
    entry.alarm.since_unix_ns = std::min(entry.alarm.since_unix_ns, now);
  }
  for (MaintenanceWindow& window : windows_) {
    if (window.from_unix_ns <= now) continue;
    window.until_unix_ns -= window.from_unix_ns - now;
    window.from_unix_ns = now;
  }
  for (auto& [id, end] : ended_) end = std::min(end, now);
  restored_unix_ns_ = std::min(restored_unix_ns_, now);
  grouped_unix_ns_ = 0;
  ++changes_;
}

void AlarmBook::raise_and_end(std::int64_t now, std::vector<Change>& changes) {
  const bool confirmed = restored_unix_ns_ != 0 && now - restored_unix_ns_ >= ns(kConfirmed);
  for (auto it = entries_.begin(); it != entries_.end();) {
    const auto current = it++;
    Entry& entry = current->second;
    const auto* kind = catalogue::find_alarm_kind(current->first.first);
    if (confirmed && !entry.confirmed) {
      entry.confirmed = true;
      entry.condition = false;
      entry.turned_unix_ns = now;
    }
    const auto stood = now - entry.turned_unix_ns;
    if (entry.condition && entry.alarm.id == 0 && stood >= ns(kind->raise_after)) {
      entry.alarm.id = next_id_++;
      entry.alarm.since_unix_ns = entry.turned_unix_ns;
      changes.push_back({Change::What::raised, entry.alarm, entry.turned_unix_ns});
    } else if (!entry.condition && stood >= ns(kind->clear_after)) {
      ended_[entry.alarm.id] = now;
      changes.push_back({Change::What::over, entry.alarm, entry.turned_unix_ns});
      entries_.erase(current);
    }
  }
  if (confirmed) restored_unix_ns_ = 0;
  std::stable_sort(changes.begin(), changes.end(),
                   [](const Change& a, const Change& b) { return a.at_unix_ns < b.at_unix_ns; });
}

void AlarmBook::end_windows(std::int64_t now) {
  changes_ += std::erase_if(windows_, [&](const auto& window) { return window.until_unix_ns <= now; });
}

void AlarmBook::group(const CauseOf& cause, std::int64_t now, std::vector<Change>& changes) {
  std::erase_if(ended_, [&](const auto& end) { return now - end.second > ns(kRecovery); });
  const auto all = active();
  std::map<std::uint64_t, std::uint64_t> causes;  // the nearest, by id
  std::map<std::uint64_t, bool> conditions;
  for (const auto& [key, entry] : entries_) conditions[entry.alarm.id] = entry.condition;
  // Nothing blames a cause that is over: what it explained is on its way back, and stays what it was.
  const auto recovers = [&](const Alarm& alarm) {
    const auto why = conditions.find(alarm.cause);
    return alarm.cause != 0 && (ended_.contains(alarm.cause) || (why != conditions.end() && !why->second));
  };
  for (const Alarm& alarm : all) {
    // What is over is not explained by what is wrong now.
    if (!conditions[alarm.id]) {
      if (alarm.cause != 0 && (ended_.contains(alarm.cause) || conditions.contains(alarm.cause)))
        causes[alarm.id] = alarm.cause;
      continue;
    }
    const auto told = cause ? cause(alarm, all) : std::nullopt;
    const auto found = told ? entries_.find(*told) : entries_.end();
    if (found != entries_.end() && found->second.alarm.id != 0 && found->second.alarm.id != alarm.id)
      causes[alarm.id] = found->second.alarm.id;
    else if (recovers(alarm))
      causes[alarm.id] = alarm.cause;
  }
  const auto root = [&](std::uint64_t id) {
    for (std::size_t steps = 0; steps <= causes.size(); ++steps) {
      const auto next = causes.find(id);
      if (next == causes.end()) return id;
      id = next->second;
    }
    return std::uint64_t{0};  // they explain each other
  };
  std::map<std::uint64_t, std::uint32_t> consequences;
  std::map<std::uint64_t, Change*> raised;
  for (Change& change : changes) {
    if (change.what == Change::What::raised) raised[change.alarm.id] = &change;
  }
  std::vector<Change> moved;
  for (auto& [key, entry] : entries_) {
    if (entry.alarm.id == 0) continue;
    const std::uint64_t found = root(entry.alarm.id);
    const std::uint64_t why = found == entry.alarm.id ? 0 : found;
    const bool changed = entry.alarm.cause != why;
    entry.alarm.cause = why;
    if (why != 0) ++consequences[why];
    if (const auto fresh = raised.find(entry.alarm.id); fresh != raised.end())
      fresh->second->alarm.cause = why;
    else if (changed)
      moved.push_back({Change::What::cause_changed, entry.alarm, now});
  }
  changes.insert(changes.end(), moved.begin(), moved.end());
  for (auto& [key, entry] : entries_) {
    const auto found = consequences.find(entry.alarm.id);
    entry.alarm.consequences = found == consequences.end() ? 0 : found->second;
  }
  weigh(now, changes);
}

// What explains a channel that is down is no lesser matter than that.
void AlarmBook::weigh(std::int64_t now, std::vector<Change>& changes) {
  std::map<std::uint64_t, catalogue::Severity> gravest;
  for (const auto& [key, entry] : entries_) {
    const Alarm& alarm = entry.alarm;
    if (alarm.cause == 0 || alarm.maintenance) continue;
    auto& of = gravest.emplace(alarm.cause, alarm.severity).first->second;
    of = std::max(of, alarm.severity);
  }
  for (auto& [key, entry] : entries_) {
    Alarm& alarm = entry.alarm;
    const auto* kind = catalogue::find_alarm_kind(key.first);
    if (alarm.id == 0 || kind == nullptr) continue;
    const auto found = gravest.find(alarm.id);
    const auto severity = found == gravest.end() ? kind->severity : std::max(kind->severity, found->second);
    const bool worse = severity > alarm.severity;
    alarm.severity = severity;
    if (!worse) continue;
    alarm.acknowledged.reset();
    const auto fresh = std::find_if(changes.begin(), changes.end(), [&](const Change& change) {
      return change.what == Change::What::raised && change.alarm.id == alarm.id;
    });
    if (fresh != changes.end())
      fresh->alarm.severity = severity;
    else
      changes.push_back({Change::What::raised, alarm, now});
  }
}

std::vector<AlarmBook::Change> AlarmBook::settle(std::int64_t now, const TagsOf& tags, const CauseOf& cause) {
  if (now < settled_unix_ns_) turn_back(now);
  settled_unix_ns_ = now;
  if (restored_unix_ns_ < 0) restored_unix_ns_ = now;
  std::vector<Change> changes;
  raise_and_end(now, changes);
  end_windows(now);
  for (auto& [key, entry] : entries_) {
    Alarm& alarm = entry.alarm;
    // What is as good as over stays what it was: its channel may have left the map, and its tags with it.
    if (alarm.channel.empty() || !entry.condition) continue;
    alarm.maintenance =
        !windows_.empty() &&
        in_maintenance(alarm.channel, tags ? tags(alarm.channel) : std::vector<std::string>(), now);
  }
  if (!changes.empty() || now - grouped_unix_ns_ >= ns(kRegroup)) {
    group(cause, now, changes);
    grouped_unix_ns_ = now;
  }
  changes.insert(changes.begin(), acknowledged_.begin(), acknowledged_.end());
  acknowledged_.clear();
  changes_ += changes.size();
  return changes;
}

std::vector<Alarm> AlarmBook::active() const {
  std::vector<Alarm> all;
  for (const auto& [key, entry] : entries_) {
    if (entry.alarm.id == 0) continue;
    all.push_back(entry.alarm);
    if (!entry.condition) all.back().over_since_unix_ns = entry.turned_unix_ns;
  }
  std::sort(all.begin(), all.end(), [](const Alarm& a, const Alarm& b) {
    if (a.severity != b.severity) return a.severity > b.severity;
    if ((a.cause == 0) != (b.cause == 0)) return a.cause == 0;
    return a.since_unix_ns != b.since_unix_ns ? a.since_unix_ns > b.since_unix_ns : a.id > b.id;
  });
  return all;
}

bool AlarmBook::acknowledge(std::uint64_t id, const std::string& who, std::int64_t now) {
  for (auto& [key, entry] : entries_) {
    if (id == 0 || entry.alarm.id != id) continue;
    if (!entry.alarm.acknowledged) {
      entry.alarm.acknowledged = {who, now};
      acknowledged_.push_back({Change::What::acknowledged, entry.alarm, now});
      ++changes_;
    }
    return true;
  }
  return false;
}

std::size_t AlarmBook::acknowledge_all(const std::string& who, std::int64_t now) {
  std::size_t count = 0;
  for (const Alarm& alarm : active()) {
    if (!alarm.acknowledged && acknowledge(alarm.id, who, now)) ++count;
  }
  return count;
}

const MaintenanceWindow& AlarmBook::maintain(const std::string& target, std::chrono::seconds duration,
                                             const std::string& who, std::int64_t now) {
  auto window = std::find_if(windows_.begin(), windows_.end(),
                             [&](const auto& entry) { return entry.target == target; });
  if (window == windows_.end()) {
    windows_.push_back({next_window_++, target, who, now, 0});
    window = std::prev(windows_.end());
  }
  window->who = who;
  window->until_unix_ns = now + ns(duration);
  ++changes_;
  return *window;
}

bool AlarmBook::end_maintenance(const std::string& target) {
  const auto ended = std::erase_if(windows_, [&](const auto& window) { return window.target == target; });
  changes_ += ended;
  return ended != 0;
}

bool AlarmBook::in_maintenance(const std::string& channel, const std::vector<std::string>& tags,
                               std::int64_t now) const {
  return std::any_of(windows_.begin(), windows_.end(), [&](const MaintenanceWindow& window) {
    return window.until_unix_ns > now &&
           (window.target == channel || std::find(tags.begin(), tags.end(), window.target) != tags.end());
  });
}

nlohmann::json AlarmBook::to_json(std::int64_t by) const {
  nlohmann::json alarms = nlohmann::json::array(), windows = nlohmann::json::array();
  for (const Alarm& alarm : active()) {
    nlohmann::json acknowledged = nullptr;
    if (alarm.acknowledged)
      acknowledged = {{"who", alarm.acknowledged->who}, {"unix_ns", alarm.acknowledged->unix_ns + by}};
    alarms.push_back({{"id", alarm.id},
                      {"kind", alarm.kind},
                      {"severity", to_string(alarm.severity)},
                      {"subject", alarm.subject},
                      {"message", alarm.message},
                      {"since_unix_ns", alarm.since_unix_ns + by},
                      {"acknowledged", acknowledged}});
  }
  for (const MaintenanceWindow& window : windows_)
    windows.push_back({{"id", window.id},
                       {"target", window.target},
                       {"who", window.who},
                       {"from_unix_ns", window.from_unix_ns + by},
                       {"until_unix_ns", window.until_unix_ns + by}});
  return {{"version", 1},
          {"next_id", next_id_},
          {"next_window", next_window_},
          {"alarms", alarms},
          {"maintenance", windows}};
}

void AlarmBook::restore(const nlohmann::json& from) {
  if (!from.is_object()) return;
  const auto number = [&](const char* name) {
    const auto found = from.find(name);
    return found != from.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
  };
  next_id_ = std::max(next_id_, number("next_id"));
  next_window_ = std::max(next_window_, number("next_window"));
  each_of(from, "alarms", read_alarm, [&](Alarm alarm) {
    const auto* kind = catalogue::find_alarm_kind(alarm.kind);
    if (kind == nullptr || alarm.id == 0 || alarm.since_unix_ns < 0) return;
    alarm.severity = std::max(alarm.severity, kind->severity);
    alarm.channel = catalogue::channel_of(kind->scope, alarm.subject);
    next_id_ = std::max(next_id_, alarm.id + 1);
    Entry entry{std::move(alarm), true, 0, false};
    entry.turned_unix_ns = entry.alarm.since_unix_ns;
    Key key{entry.alarm.kind, entry.alarm.subject};
    entries_.emplace(std::move(key), std::move(entry));
    restored_unix_ns_ = -1;  // the first settle() tells when
  });
  each_of(from, "maintenance", read_window, [&](MaintenanceWindow window) {
    if (window.target.empty() || window.until_unix_ns <= window.from_unix_ns) return;
    next_window_ = std::max(next_window_, window.id + 1);
    windows_.push_back(std::move(window));
  });
}

void AlarmBook::ids_after(std::uint64_t id) noexcept { next_id_ = std::max(next_id_, id + 1); }

}  // namespace headgate::control
