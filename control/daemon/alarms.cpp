// The alarms: what raises them over and over from what is seen, and what becomes of those that change.
#include <fmt/core.h>

#include <algorithm>

#include "control/daemon/daemon.h"
#include "control/daemon/seen_alarms.h"
#include "control/daemon/transcode.h"
#include "control/daemon/watched.h"
#include "control/diagnosis/diagnosis.h"
#include "control/log/log.h"
#include "control/protocol/counted.h"

namespace headgate::control {
namespace {

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
    set_alarms("no_querier", queriers_missing(snapshot_, *trends_.recent(), now));
  }
  set_alarms("channel_down", channels_down(*model_, monitor_));
  set_alarms("cc_errors", faulty(*model_, monitor_, "cc_errors"));
  set_alarms("transport_errors", faulty(*model_, monitor_, "transport_errors"));
  set_alarms("no_sync", faulty(*model_, monitor_, "no_sync"));
  set_alarms("scrambled", faulty(*model_, monitor_, "scrambled"));
  set_alarms("program_missing", faulty(*model_, monitor_, "program_missing"));
  set_alarms("lost_in_node", faulty(*model_, monitor_, "lost_in_node"));
  set_alarms("players_get_nothing", faulty(*model_, monitor_, "players_get_nothing"));
  set_alarms("bitrate", rates_outside(*model_, monitor_, snapshot_));
  const Recent& recent = *trends_.recent();
  set_alarms("wrong_source", wrong_sources(*model_, recent));
  set_alarms("wrong_format", wrong_formats(*model_, recent));
  set_alarms("pid_lost", pids_lost(*model_, monitor_, recent, observation_.bridge_status));
  set_alarms("pcr", clocks_lost(*model_, monitor_, recent));
  set_alarms("host_overload", host_alarms(host_.view(), recent, "host_overload"));
  set_alarms("disk_full", host_alarms(host_.view(), recent, "disk_full"));
  set_alarms("clock_stepped", host_alarms(host_.view(), recent, "clock_stepped"));
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
  set_alarms("multiplex_exceeded", shares_exceeded_.update(shares_exceeded(*model_, snapshot_), now));
  set_alarms("output_tr101290", own_outputs_.update(*model_, snapshot_, now));
  raise_transcode_missing();
  set_alarms("transcode_failing", transcode_failing(observation_.transcode_status));
  set_alarms("transcode_quarantined", transcode_quarantined(observation_.transcode_status));
  const bool answers =
      std::any_of(observation_.processes.begin(), observation_.processes.end(),
                  [](const auto& entry) { return entry.process.name == "bridge" && entry.answers; });
  if (!answers) return;
  set_alarms("rendition_failing", renditions_failing(observation_.bridge_status));
  auto failing = pushes_failing(*model_, observation_.bridge_status);
  // Where nothing is on air there is nothing to push.
  std::erase_if(failing,
                [this](const auto& entry) { return !on_air(monitor_.find(channel_in(entry.first))); });
  set_alarms("push_failing", failing);
  auto unset = unset_programs(observation_.bridge_status);
  // SRT and TS over HTTP carry all services.
  std::map<std::string, std::string> heard;
  for (const config::Channel& channel : model_->channels) {
    if (channel.hls || channel.rtmp) heard.insert(unset.extract(channel.id));
  }
  heard.merge(unset_services(*model_, snapshot_));
  set_alarms("program_unset", heard);
  raise_watch_alarms();
}

// The launcher starts one where one is installed. Without the launcher's word it stays as it was.
void Daemon::raise_transcode_missing() {
  if (!observation_.launcher_answers) return;
  const bool there = std::any_of(observation_.processes.begin(), observation_.processes.end(),
                                 [](const auto& entry) { return entry.process.name == "transcode"; });
  const std::string missing = there ? "" : missing_without_transcode(*model_);
  transcode_missing_ = !missing.empty();
  set_alarm(transcode_missing_, "transcode_missing", "transcode",
            "headgate-transcode was not installed when the gateway was started: " + missing +
                ". Install it beside the other daemons, then restart the gateway");
}

// Of channels on air. Begin and end are those of what is wrong, not of our look.
void Daemon::watch_alarm(catalogue::AlarmId kind, const WatchFindings& seen,
                         const std::vector<std::string>& findings) {
  auto found = watch_alarms(seen, findings);
  std::erase_if(found, [this](const auto& entry) { return !on_air(monitor_.find(channel_in(entry.first))); });
  std::map<std::string, std::string> active;
  for (const auto& [subject, about] : found) active[subject] = about.message;
  set_alarms(kind, active);
  for (const auto& [subject, about] : found)
    alarms_.set(true, kind.name(), subject, about.message, unix_now_ns(), about.since_unix_ns);
}

void Daemon::raise_watch_alarms() {
  const WatchFindings seen = all_findings(observation_.bridge_status);
  watch_alarm("picture_black", seen, {"black"});
  watch_alarm("picture_frozen", seen, {"frozen"});
  watch_alarm("picture_still", seen, {"still"});
  watch_alarm("sound_silent", seen, {"silent"});
  watch_alarm("sound_track_silent", seen, {"track_silent"});
  watch_alarm("sound_clipping", seen, {"clipping"});
  watch_alarm("sound_phase", seen, {"phase"});
  watch_alarm("sound_loudness", seen, {"loud", "quiet"});
  // One cause, one alarm.
  watch_alarm("unwatched", seen,
              transcode_missing_ ? std::vector<std::string>{}
                                 : std::vector<std::string>{"unwatched_pictures", "unwatched_sound"});
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
  const GatewayView* now = nullptr;  // only where causes are asked for
  const auto changes = alarms_.settle(
      unix_now_ns(), [this](const std::string& channel) { return tags_of(channel); },
      [&](const Alarm& alarm, const std::vector<Alarm>& all) {
        if (now == nullptr) now = &view();
        return cause_of(*now, alarm, all);
      });
  for (const AlarmBook::Change& change : changes) tell(change);
  if (alarms_.changes() == kept_alarms_) return;
  kept_alarms_ = alarms_.changes();  // once a change: a full disk is an alarm of its own
  const auto text =
      alarms_.to_json(clock_steps_ns()).dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  if (const auto kept = protocol::write_file_atomically(data_dir_ + "/alarms.json", text); !kept)
    log::warning({"", "disk"}, "{}", kept.error());
}

// To alarms.webhook, one after the other.
void Daemon::deliver_alarms() {
  const auto now = unix_now_ns();
  const auto& target = model_->node.webhook;
  if (target) {
    auto active = alarms_.active();
    shift(active, clock_steps_ns());
    webhook_.update(active, model_->node.node, now);
  } else {
    webhook_.clear();
  }
  const auto* next = target && !delivering_ ? webhook_.next(now) : nullptr;
  if (next != nullptr && config::closed(*target)) {
    webhook_.done("its secret can't be read from " + target->secret_file, now);
  } else if (next != nullptr) {
    delivering_ = true;
    if (webhook_sender_ == nullptr) webhook_sender_ = std::make_unique<WebhookSender>(io_);
    webhook_sender_->send(target->url, target->secret, next->body, [this](const std::string& error) {
      delivering_ = false;
      webhook_.done(error, unix_now_ns());
      deliver_alarms();
    });
  }
  const WebhookView& about = webhook_.view();
  set_alarm(!about.error.empty(), "webhook_failing", "",
            fmt::format("{}: {}; {} wait", target ? config::origin_of(target->url) : "", about.error,
                        protocol::counted(about.waiting, "message")));
  if (webhook_.changes() == kept_webhook_) return;
  kept_webhook_ = webhook_.changes();
  const auto text = webhook_.to_json().dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  if (const auto kept = protocol::write_file_atomically(data_dir_ + "/webhook.json", text); !kept)
    log::warning({"", "disk"}, "{}", kept.error());
}

void Daemon::restore_alarms() {
  if (const auto text = protocol::read_file(data_dir_ + "/webhook.json"))
    webhook_.restore(nlohmann::json::parse(*text, nullptr, false));
  alarms_.ids_after(events_->last_alarm());
  if (const auto text = protocol::read_file(data_dir_ + "/alarms.json"))
    alarms_.restore(nlohmann::json::parse(*text, nullptr, false));
}

}  // namespace headgate::control
