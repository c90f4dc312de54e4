// The alarms: what raises them over and over from what is seen, and what becomes of those that change.
#include <fmt/core.h>

#include <algorithm>

#include "control/daemon/daemon.h"
#include "control/daemon/transcode.h"
#include "control/daemon/watched.h"
#include "control/launcher/log.h"

namespace headgate::control {
namespace {

// An interface that has groups joined and hears no query: a switch that snoops will stop forwarding them.
constexpr std::int64_t kQueryLateNs = 375'000'000'000;  // three times RFC 3376's query interval

std::map<std::string, std::string> links_down(const Snapshot& snapshot) {
  std::map<std::string, std::string> found;
  for (const InterfaceSnapshot& interface : snapshot.interfaces) {
    if (!interface.link_up) found[interface.name] = fmt::format("{} has no link", interface.device);
  }
  return found;
}

std::map<std::string, std::string> queriers_missing(const Snapshot& snapshot, std::int64_t now) {
  std::map<std::string, std::string> found;
  for (const NetworkSnapshot& network : snapshot.networks) {
    const auto heard = std::max(static_cast<std::int64_t>(network.last_query_unix_ns),
                                static_cast<std::int64_t>(snapshot.epoch));
    if (network.groups == 0 || now - heard < kQueryLateNs) continue;
    const std::string vlan = network.vlan == 0 ? "" : fmt::format(" vlan {}", network.vlan);
    found[network.interface + vlan] =
        network.last_query_unix_ns == 0
            ? "no query seen: a snooping switch stops forwarding"
            : fmt::format("no query for {} s, {} groups joined: a snooping switch stops forwarding",
                          (now - heard) / 1'000'000'000, network.groups);
  }
  return found;
}

bool on_air(const ChannelHealth* health) {
  return health != nullptr && health->state != ChannelState::down && health->state != ChannelState::waiting &&
         health->state != ChannelState::disabled;
}

std::string channel_in(const std::string& subject) { return subject.substr(0, subject.find(' ')); }

}  // namespace

void Daemon::set_alarm(bool active, catalogue::AlarmId kind, const std::string& subject,
                       const std::string& message) {
  alarms_.set(active, kind.name(), subject, message, unix_now_ns());
}

// Those of a kind that are active, by subject; all others of that kind are over.
void Daemon::set_alarms(catalogue::AlarmId kind, const std::map<std::string, std::string>& active) {
  alarms_.set_all(kind.name(), active, unix_now_ns());
}

// Out of the fast path's counters and what control itself knows, twice a second.
void Daemon::raise_seen_alarms() {
  const auto now = unix_now_ns();
  if (snapshot_.epoch != 0) {
    set_alarms("link_down", links_down(snapshot_));
    set_alarms("no_querier", queriers_missing(snapshot_, now));
  }
  std::map<std::string, std::string> down;
  for (const config::Channel& channel : model_->channels) {
    const ChannelHealth* health = monitor_.find(channel.id);
    if (health != nullptr && health->state == ChannelState::down && !health->in_time)
      down[channel.id] = health->reason;
  }
  set_alarms("channel_down", down);
  set_alarm(map_differs_ && files_valid_, "map_differs", "",
            "the files hold another map than the one that runs");
  set_alarm(!files_valid_, "files_invalid", "", "the files have errors: headgate check names them");
}

// Out of what the other processes answer, once a second.
void Daemon::raise_alarms() {
  set_alarms("passphrase_unreadable", unreadable_passphrases(*model_));
  set_alarms("key_unreadable", unreadable_keys(*model_));
  set_alarms("failover_active", failovers(*model_, snapshot_, sources_));
  set_alarms("input_down", inputs_down(*model_, snapshot_, sources_));
  const auto now = unix_now_ns();
  set_alarms("buffer_underflow", underflows_.update(underflows(*model_, snapshot_), now));
  set_alarms("buffer_overflow", overflows_.update(overflows(*model_, snapshot_), now));
  set_alarms("rate_exceeded", rates_exceeded_.update(rates_exceeded(*model_, snapshot_), now));
  set_alarms("transcode_failing", transcode_failing(observation_.transcode_status));
  set_alarms("transcode_quarantined", transcode_quarantined(observation_.transcode_status));
  const bool answers =
      std::any_of(observation_.processes.begin(), observation_.processes.end(),
                  [](const auto& entry) { return entry.process.name == "bridge" && entry.answers; });
  if (!answers) return;
  auto failing = pushes_failing(*model_, observation_.bridge_status);
  // Where nothing is on air there is nothing to push.
  std::erase_if(failing,
                [this](const auto& entry) { return !on_air(monitor_.find(channel_in(entry.first))); });
  set_alarms("push_failing", failing);
  auto unset = unset_programs(observation_.bridge_status);
  // SRT and TS over HTTP carry all services.
  std::erase_if(unset, [this](const auto& entry) {
    return std::none_of(model_->channels.begin(), model_->channels.end(), [&](const auto& channel) {
      return channel.id == entry.first && (channel.hls || channel.rtmp);
    });
  });
  set_alarms("program_unset", unset);
  raise_watch_alarms();
}

// Of channels on air. Begin and end are those of what is wrong, not of our look.
void Daemon::watch_alarm(catalogue::AlarmId kind, const std::vector<std::string>& findings) {
  auto found = watch_alarms(observation_.bridge_status, findings);
  std::erase_if(found, [this](const auto& entry) { return !on_air(monitor_.find(channel_in(entry.first))); });
  std::map<std::string, std::string> active;
  for (const auto& [subject, about] : found) active[subject] = about.message;
  set_alarms(kind, active);
  for (const auto& [subject, about] : found)
    alarms_.set(true, kind.name(), subject, about.message, unix_now_ns(), about.since_unix_ns);
}

void Daemon::raise_watch_alarms() {
  watch_alarm("picture_black", {"black"});
  watch_alarm("picture_frozen", {"frozen"});
  watch_alarm("picture_still", {"still"});
  watch_alarm("sound_silent", {"silent"});
  watch_alarm("sound_track_silent", {"track_silent"});
  watch_alarm("sound_clipping", {"clipping"});
  watch_alarm("sound_phase", {"phase"});
  watch_alarm("sound_loudness", {"loud", "quiet"});
  watch_alarm("unwatched", {"unwatched_pictures", "unwatched_sound"});
}

std::vector<std::string> Daemon::tags_of(const std::string& channel) const {
  for (const config::Channel& entry : model_->channels) {
    if (entry.id == channel) return entry.tags;
  }
  return {};
}

void Daemon::tell(const AlarmBook::Change& change) {
  using What = AlarmBook::Change::What;
  const Alarm& alarm = change.alarm;
  Event event{0,
              unix_now_ns(),
              std::string(to_string(alarm.severity)),
              alarm.kind,
              alarm.subject,
              alarm.message,
              alarm.channel,
              alarm.id};
  if (change.what == What::cause_changed) return;
  if (change.what == What::over) {
    const auto seconds = std::max<std::int64_t>(0, change.at_unix_ns - alarm.since_unix_ns) / 1'000'000'000;
    event.severity = "info";
    event.kind = catalogue::EventId("alarm_over").name();
    event.message = fmt::format("{} is over, after {} s ({})", alarm.kind, seconds, alarm.message);
  } else if (change.what == What::acknowledged) {
    event.severity = "info";
    event.kind = catalogue::EventId("alarm_acknowledged").name();
    event.message = fmt::format("{} acknowledged by {}", alarm.kind, alarm.acknowledged->who);
  }
  record_event(std::move(event));
}

void Daemon::settle_alarms() {
  const auto changes =
      alarms_.settle(unix_now_ns(), [this](const std::string& channel) { return tags_of(channel); }, {});
  for (const AlarmBook::Change& change : changes) tell(change);
  if (alarms_.changes() == kept_alarms_) return;
  kept_alarms_ = alarms_.changes();  // once a change: a full disk is an alarm of its own
  const auto text = alarms_.to_json().dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  if (const auto kept = protocol::write_file_atomically(data_dir_ + "/alarms.json", text); !kept)
    log(LogLevel::warning, kept.error());
}

void Daemon::restore_alarms() {
  alarms_.ids_after(events_->last_alarm());
  if (const auto text = protocol::read_file(data_dir_ + "/alarms.json"))
    alarms_.restore(nlohmann::json::parse(*text, nullptr, false));
}

}  // namespace headgate::control
