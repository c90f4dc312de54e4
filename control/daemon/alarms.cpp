// The alarms that are active, and what raises them over and over from what is seen.
#include <fmt/core.h>

#include <algorithm>

#include "control/daemon/daemon.h"
#include "control/daemon/transcode.h"
#include "control/daemon/watched.h"

namespace headgate::control {

void Daemon::set_alarm(bool active, const char* kind, const char* severity, const std::string& subject,
                       const std::string& message) {
  const auto found = std::find_if(alarms_.begin(), alarms_.end(), [&](const Alarm& alarm) {
    return alarm.kind == kind && alarm.subject == subject;
  });
  if (active && found == alarms_.end()) {
    alarms_.push_back({kind, severity, subject, message, unix_now_ns()});
    add_event(severity, kind, subject, message);
  } else if (active) {
    found->message = message;  // the cause may be another by now
  } else if (found != alarms_.end()) {
    alarms_.erase(found);
  }
}

// Those of a kind that are active, by subject; all others of that kind are over.
void Daemon::set_alarms(const char* kind, const char* severity,
                        const std::map<std::string, std::string>& active) {
  std::vector<std::string> over;
  for (const Alarm& alarm : alarms_) {
    if (alarm.kind == kind && !active.contains(alarm.subject)) over.push_back(alarm.subject);
  }
  for (const std::string& subject : over) set_alarm(false, kind, severity, subject, "");
  for (const auto& [subject, text] : active) set_alarm(true, kind, severity, subject, text);
}

void Daemon::raise_alarms() {
  set_alarms("passphrase_unreadable", "critical", unreadable_passphrases(*model_));
  set_alarms("key_unreadable", "critical", unreadable_keys(*model_));
  set_alarms("failover_active", "warning", failovers(*model_, snapshot_, sources_));
  set_alarms("input_down", "warning", inputs_down(*model_, snapshot_, sources_));
  const auto now = unix_now_ns();
  set_alarms("buffer_underflow", "warning", underflows_.update(underflows(*model_, snapshot_), now));
  set_alarms("buffer_overflow", "warning", overflows_.update(overflows(*model_, snapshot_), now));
  set_alarms("rate_exceeded", "warning", rates_exceeded_.update(rates_exceeded(*model_, snapshot_), now));
  raise_transcode_missing();
  set_alarms("transcode_failing", "warning", transcode_failing(observation_.transcode_status));
  set_alarms("transcode_quarantined", "critical", transcode_quarantined(observation_.transcode_status));
  const bool answers =
      std::any_of(observation_.processes.begin(), observation_.processes.end(),
                  [](const auto& entry) { return entry.process.name == "bridge" && entry.answers; });
  if (!answers) return;
  set_alarms("rendition_failing", "warning", renditions_failing(observation_.bridge_status));
  auto failing = pushes_failing(*model_, observation_.bridge_status);
  // Where nothing is on air there is nothing to push.
  std::erase_if(failing, [this](const auto& entry) {
    const ChannelHealth* health = monitor_.find(entry.first.substr(0, entry.first.find(' ')));
    return health == nullptr || health->state == ChannelState::down || health->state == ChannelState::waiting;
  });
  set_alarms("push_failing", "warning", failing);
  auto unset = unset_programs(observation_.bridge_status);
  // SRT and TS over HTTP carry all services.
  std::erase_if(unset, [this](const auto& entry) {
    return std::none_of(model_->channels.begin(), model_->channels.end(), [&](const auto& channel) {
      return channel.id == entry.first && (channel.hls || channel.rtmp);
    });
  });
  set_alarms("program_unset", "warning", unset);
  raise_watch_alarms();
}

// The launcher starts one where one is installed. Without the launcher's word it stays as it was.
void Daemon::raise_transcode_missing() {
  if (!observation_.launcher_answers) return;
  const bool there = std::any_of(observation_.processes.begin(), observation_.processes.end(),
                                 [](const auto& entry) { return entry.process.name == "transcode"; });
  const std::string missing = there ? "" : missing_without_transcode(*model_);
  transcode_missing_ = !missing.empty();
  set_alarm(transcode_missing_, "transcode_missing", "warning", "transcode",
            "headgate-transcode was not installed when the gateway was started: " + missing +
                ". Install it beside the other daemons, then restart the gateway");
}

// Of channels on air. Begin and end are those of what is wrong, not of our look.
void Daemon::watch_alarm(const char* kind, const char* severity, const std::vector<std::string>& findings) {
  auto found = watch_alarms(observation_.bridge_status, findings);
  std::erase_if(found, [this](const auto& entry) {
    const ChannelHealth* health = monitor_.find(entry.first.substr(0, entry.first.find(' ')));
    return health == nullptr || health->state == ChannelState::down ||
           health->state == ChannelState::waiting || health->state == ChannelState::disabled;
  });
  for (const Alarm& alarm : alarms_) {
    if (alarm.kind != kind || found.contains(alarm.subject)) continue;
    const auto seconds = (unix_now_ns() - alarm.since_unix_ns) / 1'000'000'000;
    add_event("info", "watch_over", alarm.subject,
              fmt::format("{} is over, after {} s ({})", kind, seconds, alarm.message));
  }
  std::map<std::string, std::string> active;
  for (const auto& [subject, about] : found) active[subject] = about.message;
  set_alarms(kind, severity, active);
  for (Alarm& alarm : alarms_) {
    if (alarm.kind != kind) continue;
    if (const auto since = found.at(alarm.subject).since_unix_ns; since > 0) alarm.since_unix_ns = since;
  }
}

void Daemon::raise_watch_alarms() {
  watch_alarm("picture_black", "critical", {"black"});
  watch_alarm("picture_frozen", "critical", {"frozen"});
  watch_alarm("picture_still", "warning", {"still"});
  watch_alarm("sound_silent", "critical", {"silent"});
  watch_alarm("sound_track_silent", "warning", {"track_silent"});
  watch_alarm("sound_clipping", "warning", {"clipping"});
  watch_alarm("sound_phase", "warning", {"phase"});
  watch_alarm("sound_loudness", "warning", {"loud", "quiet"});
  // One cause, one alarm.
  watch_alarm("unwatched", "warning",
              transcode_missing_ ? std::vector<std::string>{}
                                 : std::vector<std::string>{"unwatched_pictures", "unwatched_sound"});
}

}  // namespace headgate::control
