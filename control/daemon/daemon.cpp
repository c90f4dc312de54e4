#include "control/daemon/daemon.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <tuple>
#include <utility>

#include "control/daemon/seen_alarms.h"
#include "control/launcher/launcher.h"
#include "control/launcher/launcher_client.h"
#include "control/log/log.h"
#include "control/protocol/counted.h"

#ifndef HEADGATE_VERSION
#define HEADGATE_VERSION "0.1.0"
#endif

namespace headgate::control {
namespace {

constexpr std::chrono::milliseconds kSamplePeriod{500};
constexpr std::chrono::milliseconds kObservePeriod{1000};
constexpr std::int64_t kTrendsPeriodNs = 900'000'000;
constexpr std::chrono::milliseconds kFilesPeriod{2000};

// Changes when a file or a folder that globs look into changes.
std::string signature(const std::vector<config::SourceFile>& sources) {
  std::set<std::string> paths;
  for (const config::SourceFile& source : sources) {
    paths.insert(source.path);
    paths.insert(std::filesystem::path(source.path).parent_path().string());
  }
  std::string text;
  for (const std::string& path : paths) {
    struct stat about {};
    const bool there = ::stat(path.c_str(), &about) == 0;
    text += fmt::format("{}:{}:{}:{}.{}\n", path, there ? about.st_ino : 0, there ? about.st_size : -1,
                        there ? about.st_mtim.tv_sec : 0, there ? about.st_mtim.tv_nsec : 0);
  }
  return text;
}

// What a map is applied to and `ready` waits for.
bool is_media(const ProcessView& entry) {
  return entry.process.name == "fastpath" || entry.process.name == "bridge";
}

}  // namespace

std::pair<std::string, std::string> log_of(const config::Model* model) {
  if (model == nullptr) return {"info", "text"};
  return {to_string(model->node.log_level),
          model->node.log_format == config::LogFormat::json ? "json" : "text"};
}

void log_diagnostics(const std::vector<config::Diagnostic>& diagnostics) {
  for (const auto& entry : diagnostics)
    log::line(entry.severity == config::Severity::error ? log::Level::error : log::Level::warning,
              {"", "map", false}, "{}", config::to_string(entry));
}

Daemon::Daemon(DaemonOptions options) : options_(std::move(options)) {}
Daemon::~Daemon() = default;

void Daemon::add_event(std::string_view severity, catalogue::EventId kind, const std::string& subject,
                       const std::string& message) {
  record_event({0, unix_now_ns(), std::string(severity), std::string(kind.name()), subject, message});
}

void Daemon::record_event(Event event) {
  if (const auto* kind = catalogue::find_event_kind(event.kind); kind != nullptr && event.channel.empty())
    event.channel = catalogue::channel_of(kind->scope, event.subject);
  const auto level = event.severity == "critical"  ? log::Level::error
                     : event.severity == "warning" ? log::Level::warning
                                                   : log::Level::info;
  // A source may make these as often as it likes; alarms and applies are told one and all.
  const bool limited =
      event.kind == "channel_state" || event.kind == "input_switched" || event.kind == "scte35";
  const bool named = event.subject.empty() || event.subject == event.channel;
  log::line(level, {event.channel, event.kind, limited}, "{}{}", named ? "" : event.subject + ": ",
            event.message);
  event.unix_ns += clock_steps_ns();  // the log is read by the clock on the wall
  events_->add(std::move(event));
}

void Daemon::tell_launcher(const std::string& line) {
  if (const auto done = launcher_call(run_dir_.launcher_socket(), line); !done)
    log::warning({"", "launcher"}, "{}", done.error());
}

void Daemon::follow_log_settings() const {
  const auto [level, format] = log_of(model_.get());
  log::set_up(log::settings_of(level, format));
}

void Daemon::tell_launcher_log() {
  const auto [level, format] = log_of(model_.get());
  tell_launcher("log " + level + " " + format);
}

void Daemon::every(boost::asio::steady_timer& timer, std::chrono::milliseconds period,
                   void (Daemon::*action)()) {
  timer.expires_after(period);
  timer.async_wait([this, &timer, period, action](boost::system::error_code error) {
    if (error) return;
    (this->*action)();
    every(timer, period, action);
  });
}

void Daemon::sample() {
  log::on_tick();
  if (mapping_ && mapping_->stale(run_dir_.fastpath_stats())) mapping_.reset();
  if (!mapping_) {
    if (auto opened = protocol::StatsMapping::open_read_only(run_dir_.fastpath_stats()))
      mapping_.emplace(std::move(*opened));
  }
  Snapshot now = mapping_ ? take(*mapping_->page(), clock_base_ns()) : Snapshot{};
  std::swap(snapshot_, now);
  tell_switches(now);
  tell_cues();
  sampled_ = std::chrono::steady_clock::now();
  for (const auto& probe : probes_) probe->reading.add(snapshot_, unix_now_ns());
  auto problems = problems_;
  problems.merge(bridge_silent(*model_, bridge_silent_));
  const auto now_ns = unix_now_ns();
  const auto changes = monitor_.changes();
  monitor_.update(
      *model_, snapshot_, now_ns,
      [this](const std::string& channel, const ChannelHealth& before, const ChannelHealth& health) {
        on_channel_change(channel, before, health);
      },
      problems, sources_,
      tracks_lost(*model_, monitor_, *trends_.recent(), observation_.bridge_status, now_ns));
  // Once a second is enough for what is judged over ten; what explains a change is as new as the change.
  const bool due = std::abs(now_ns - trends_at_ns_) >= kTrendsPeriodNs;
  if (due || monitor_.changes() != changes)
    trends_.update(*model_, snapshot_, now_ns, observation_.bridge_status);
  if (due) {
    trends_at_ns_ = now_ns;
    look_at_host();
  }
  raise_seen_alarms();
  settle_alarms();
}

void Daemon::look_at_host() {
  std::vector<std::pair<std::string, int>> processes{{"control", ::getpid()}};
  for (const ProcessView& entry : observation_.processes) {
    if (entry.process.name != "control") processes.emplace_back(entry.process.name, entry.process.pid);
  }
  host_.update(read_host({{"run_dir", run_dir_.root}, {"data_dir", data_dir_}}, processes));
}

void Daemon::on_channel_change(const std::string& channel, const ChannelHealth& before,
                               const ChannelHealth& health) {
  const bool warns = health.state == ChannelState::degraded || health.state == ChannelState::backup;
  const char* severity = health.state == ChannelState::down ? "critical" : warns ? "warning" : "info";
  const bool never_up = before.state == health.state;
  if (never_up && told_down(channel)) return;
  add_event(severity, "channel_state", channel,
            fmt::format("{}{}{}{}", never_up ? "" : std::string(to_string(before.state)) + " -> ",
                        to_string(health.state), health.reason.empty() ? "" : ": ", health.reason));
}

// By a control before this one, since the gateway was started.
bool Daemon::told_down(const std::string& channel) const {
  const auto& events = events_->recent();
  for (auto event = events.rbegin(); event != events.rend(); ++event) {
    if (event->kind == "start" || event->kind == "apply" || event->kind == "rollback") return false;
    if (event->kind != "channel_state" || event->subject != channel) continue;
    return event->message.starts_with("down") || event->message.find("-> down") != std::string::npos;
  }
  return false;
}

void Daemon::observe_later() {
  if (observing_) return;
  observing_ = true;
  observing_since_ = std::chrono::steady_clock::now();
  boost::asio::post(observe_thread_, [this] {
    auto now = observe(run_dir_);
    boost::asio::post(io_, [this, now = std::move(now)]() mutable { on_observation(std::move(now)); });
  });
}

void Daemon::on_observation(Observation now) {
  observing_ = false;
  observed_ = observing_since_;
  for (Event& event : compare(observation_, now, unix_now_ns())) record_event(std::move(event));
  if (launcher_replaced(observation_, now)) announced_ = false;  // it has yet to hear it
  end_hung(now);
  raise_silent(now);
  remember(now);
  observation_ = std::move(now);
  sources_ = all_sources(observation_.bridge_status);
  problems_ = bridge_problems(observation_.bridge_status);
  output_rates_.update(observation_.bridge_status, unix_now_ns());
  answer_waiting();
  if (observation_.launcher_answers) {
    for (const ProcessView& entry : observation_.processes)
      set_alarm(entry.process.crash_loop, "crash_loop", entry.process.name,
                "dies again and again; the launcher pauses between its starts");
  }
  raise_alarms();
  const bool behind =
      std::any_of(observation_.processes.begin(), observation_.processes.end(), [this](const auto& entry) {
        return is_media(entry) && entry.answers && entry.generation != states_.fastpath.generation;
      });
  settle_failures_ = behind && !applying_ ? settle_failures_ + 1 : 0;
  if (settle_failures_ >= 2) {
    settle_failures_ = 0;
    reapply();
  } else if (!behind && !applying_) {
    set_alarm(false, "apply_pending", "", "");
  }
  const bool silent = std::any_of(observation_.processes.begin(), observation_.processes.end(),
                                  [](const auto& entry) { return is_media(entry) && !entry.answers; });
  if ((silent || state_lost_) && !applying_) repair_states();
  settle_alarms();
  deliver_alarms();
  settle_transcode();
  announce();
}

// One that is stopped or loops for ever holds its lock and its socket: only killing it brings it back.
void Daemon::end_hung(const Observation& now) {
  if (!now.launcher_answers) return;
  for (const ProcessView& entry : now.processes) {
    if (entry.process.name == "control") continue;
    if (hang_watch_.hangs(entry, std::chrono::steady_clock::now(), applying_))
      tell_launcher(fmt::format("hung {} {}", entry.process.name, entry.process.pid));
  }
}

// Who stands still is named: nothing else explains figures and links that do not change.
void Daemon::raise_silent(const Observation& now) {
  const bool has_transcode = std::any_of(now.processes.begin(), now.processes.end(),
                                         [](const auto& entry) { return entry.process.name == "transcode"; });
  if (!has_transcode) set_alarm(false, "transcode_silent", "transcode", "");
  set_alarm(
      !now.launcher_answers, "launcher_lost", "launcher",
      now.launcher_runs
          ? "does not answer: nothing restarts a process that dies; kill it and start `headgate run` again"
          : "not running: nothing restarts a process that dies; start `headgate run` again");
  for (const ProcessView& entry : now.processes) {
    if (entry.process.name == "control") continue;
    const auto silent = silence_.of(entry, std::chrono::steady_clock::now());
    const bool bridge = entry.process.name == "bridge";
    const bool transcode = entry.process.name == "transcode";
    if (bridge) bridge_silent_ = silent;
    if (applying_ && silent > std::chrono::seconds(0)) continue;  // it may take its time
    set_alarm(silent >= Silence::kTold,
              transcode ? catalogue::AlarmId("transcode_silent") : catalogue::AlarmId("process_silent"),
              entry.process.name,
              bridge      ? "does not answer: HLS stands still, and its figures with it"
              : transcode ? "does not answer: its figures stand still; channels may lack AAC and thumbnails"
                          : "does not answer: its media, figures and links stand still");
  }
}

void Daemon::remember(const Observation& now) {
  if (remembered_changes_ != monitor_.changes() &&
      protocol::write_file_atomically(run_dir_.root + "/state/channels.json",
                                      monitor_.remembered(clock_steps_ns())))
    remembered_changes_ = monitor_.changes();
  std::string text = remembered(now);
  if (text == remembered_) return;
  if (protocol::write_file_atomically(run_dir_.root + "/state/processes.json", text))
    remembered_ = std::move(text);
}

// A media process starts from its state file alone: one that was damaged would keep it from coming back.
void Daemon::repair_states() {
  state_lost_ = false;
  for (const auto& [process, path, text] :
       {std::tuple{std::string("fastpath"), run_dir_.fastpath_state(), protocol::to_json(states_.fastpath)},
        std::tuple{std::string("bridge"), run_dir_.bridge_state(), protocol::to_json(states_.bridge)}}) {
    const auto kept = protocol::read_file(path);
    const bool whole = kept && *kept == text;
    const auto done = whole ? tl::expected<void, std::string>{} : plane_->write_state(process, text);
    state_lost_ = state_lost_ || !done;
    set_alarm(!done, "state_lost", process, done ? "" : done.error());
    if (!whole && done)
      add_event("warning", "state_repaired", process, path + " was damaged or gone: written anew");
  }
}

protocol::TranscodeState Daemon::transcode_state() const {
  return {states_.fastpath.generation, states_.bridge.log_level, states_.bridge.log_format};
}

// No map waits for it: it takes its settings when it is there.
void Daemon::settle_transcode() {
  for (const ProcessView& entry : observation_.processes) {
    if (entry.process.name != "transcode" || !entry.answers || applying_ || settling_transcode_) continue;
    if (entry.generation == states_.fastpath.generation) continue;
    settling_transcode_ = true;
    boost::asio::post(apply_thread_, [this, text = protocol::to_json(transcode_state())] {
      if (plane_->write_state("transcode", text)) static_cast<void>(plane_->apply("transcode"));
      boost::asio::post(io_, [this] { settling_transcode_ = false; });
    });
  }
}

bool Daemon::ready() const {
  int serving = 0;
  for (const ProcessView& entry : observation_.processes) {
    if (is_media(entry) && entry.answers && entry.generation == states_.fastpath.generation) ++serving;
  }
  return serving == 2 && !applying_;
}

void Daemon::announce() {
  if (!observation_.launcher_answers) return;
  // A launcher that was started again has yet to hear it, even if nobody saw the old one go.
  if (observation_.launcher_awaits_ready) announced_ = false;
  std::map<ChannelState, int> counts;
  for (const auto& channel : model_->channels) {
    if (const auto* health = monitor_.find(channel.id)) ++counts[health->state];
  }
  auto text = protocol::counted(model_->channels.size(), "channel");
  const char* joint = ": ";
  for (const ChannelState state : kChannelStates) {
    // Most gateways never have any of these.
    const bool rare = state == ChannelState::backup || state == ChannelState::waiting;
    if (rare && counts[state] == 0) continue;
    text += fmt::format("{}{} {}", std::exchange(joint, ", "), counts[state], to_string(state));
  }
  if (!announced_ && ready()) {
    tell_launcher_log();
    tell_launcher("ready " + text);
    observation_.launcher_awaits_ready = false;
    announced_ = true;
    announced_text_ = text;
  } else if (announced_ && text != announced_text_) {
    tell_launcher("text " + text);
    announced_text_ = text;
  }
}

void Daemon::check_files() {
  const auto now = signature(applied_sources_);
  if (now == files_signature_) return;
  files_signature_ = now;
  const auto files = config::load(options_.config);
  files_valid_ = files.ok();
  map_differs_ = digest(files.sources) != applied_digest_;
}

std::vector<MosaicChannel> Daemon::mosaic_channels() const {
  std::vector<MosaicChannel> channels;
  for (const config::Channel& channel : model_->channels) {
    const ChannelHealth* health = monitor_.find(channel.id);
    const ChannelState state = !channel.enabled    ? ChannelState::disabled
                               : health == nullptr ? ChannelState::down
                                                   : health->state;
    const std::chrono::nanoseconds every = channel.watch.every;
    channels.push_back({channel.id, channel.name, channel.tags, state,
                        config::watches_pictures(channel) ? every.count() : 0});
  }
  return channels;
}

void shift(std::vector<Alarm>& alarms, std::int64_t by) {
  for (Alarm& alarm : alarms) {
    alarm.since_unix_ns += by;
    if (alarm.over_since_unix_ns != 0) alarm.over_since_unix_ns += by;
    if (alarm.acknowledged) alarm.acknowledged->unix_ns += by;
  }
}

void shift(GatewayView& view, std::int64_t by) {
  view.now_unix_ns += by;
  shift(view.snapshot, by);
  view.monitor.shift(by);
  shift(view.alarms, by);
  Recent recent = *view.recent;
  shift(recent, by);
  view.recent = std::make_shared<const Recent>(std::move(recent));
  for (HostCondition& condition : view.host.conditions) condition.since_unix_ns += by;
}

const GatewayView& Daemon::view() {
  GatewayView& now = view_;
  now.version = HEADGATE_VERSION;
  now.now_unix_ns = unix_now_ns();
  now.model = model_;
  now.fastpath_status = observation_.fastpath_status;
  now.bridge_status = observation_.bridge_status;
  now.transcode_status = observation_.transcode_status;
  now.processes = observation_.processes;
  for (ProcessView& entry : now.processes) {
    if (entry.process.name != "control") continue;
    entry.process.pid = ::getpid();
    entry.answers = true;
    entry.generation = states_.fastpath.generation;
    entry.version = HEADGATE_VERSION;
  }
  now.output_bitrates = output_rates_.bits_per_second();
  now.generation = states_.fastpath.generation;
  now.multiplexes = states_.fastpath.multiplexes;
  now.applied = history_->applied();
  now.map_differs = map_differs_;
  now.files_valid = files_valid_;
  now.ready = ready();
  now.alarms = alarms_.active();
  now.recent = trends_.recent();
  now.host = host_.view();
  now.last_apply = last_apply_;
  now.webhook.reset();
  if (model_->node.webhook) now.webhook = webhook_.view();
  if (clock_steps_ns() == 0) return now;
  on_the_wall_ = now;
  shift(*on_the_wall_, clock_steps_ns());
  return *on_the_wall_;
}

// The control socket, without which there is no control; the admin server may fail.
bool Daemon::open_servers() {
  auto server =
      ControlServer::listen(io_, options_.socket.empty() ? run_dir_.control_socket() : options_.socket,
                            [this](const protocol::Request& request, const std::string& who, Reply reply) {
                              handle(request, who, std::move(reply));
                            });
  if (!server) {
    log::error({"", "admin"}, "{}", server.error());
    return false;
  }
  server_ = std::move(*server);
  events_->on_event(
      [this](const Event& event) { server_->publish(nlohmann::json::parse(event_to_json(event))); });
  const auto& admin = model_->node.admin;
  if (!admin) return true;
  if (auto opened = open_admin(admin->listen)) {
    admin_ = std::move(*opened);
    admin_address_ = admin->listen;
  } else {
    set_alarm(true, "admin_server", "", opened.error());
  }
  return true;
}

// SIGHUP applies the files, the others end this process.
void Daemon::await_signal() {
  signals_.async_wait([this](boost::system::error_code error, int signal) {
    if (error) return;
    if (signal != SIGHUP) return io_.stop();
    ApplyJob job;
    job.who = "SIGHUP";
    job.by_signal = true;
    request_apply(std::move(job));
    await_signal();
  });
}

int Daemon::run() {
  const auto files = config::load(options_.config);
  const auto [level, format] = log_of(files.model.get());
  log::set_up("control", log::settings_of(level, format));
  if (files.run_dir.empty() || files.data_dir.empty()) {
    log_diagnostics(files.diagnostics);
    return 1;
  }
  run_dir_.root = files.run_dir;
  data_dir_ = files.data_dir;
  const auto lock = ProcessLock::acquire(run_dir_.lock("control"));
  if (!lock) {
    log::error("{}", lock.error());
    return 1;
  }
  history_ = std::make_unique<History>(data_dir_);
  events_ = std::make_unique<EventLog>(data_dir_);
  restore_alarms();
  const bool chosen = choose_map(files);
  log_diagnostics(files.diagnostics);  // in the format of the map that runs
  if (!chosen) {
    log::error("no map was applied before: mend the files and start again");
    return kExitNothingToServe;
  }
  if (!prepare_states()) return 1;
  plane_ = std::make_unique<LiveDataPlane>(run_dir_);
  if (!open_servers()) return 1;
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) signals_.add(signal);
  await_signal();
  check_files();
  start_media();
  sample();
  every(sample_timer_, kSamplePeriod, &Daemon::sample);
  every(observe_timer_, kObservePeriod, &Daemon::observe_later);
  every(files_timer_, kFilesPeriod, &Daemon::check_files);
  io_.run();
  plane_->cancel();
  webhook_sender_.reset();
  apply_thread_.join();
  observe_thread_.join();
  server_.reset();
  return 0;
}

}  // namespace headgate::control
