#include <fmt/core.h>
#include <unistd.h>

#include <boost/asio/post.hpp>

#include "control/daemon/daemon.h"
#include "control/launcher/process_lock.h"
#include "control/log/log.h"
#include "control/protocol/counted.h"

namespace headgate::control {

bool Daemon::media_runs() const {
  const bool fastpath =
      protocol::read_file(run_dir_.fastpath_state()) && find_running(run_dir_.lock("fastpath"));
  const bool bridge = protocol::read_file(run_dir_.bridge_state()) && find_running(run_dir_.lock("bridge"));
  return fastpath || bridge;
}

bool Daemon::adopt(const HistoryEntry& entry) {
  auto model = history_->model(entry.number);
  if (!model) {
    log::error({"", "history", false}, "can't read applied map {}: {}", entry.number, model.error());
    return false;
  }
  model_ = *model;
  follow_log_settings();
  applied_sources_ = history_->sources(entry.number);
  applied_digest_ = entry.sources_digest;
  return true;
}

// While media runs, and where the launcher that started this control started one before, the map that runs or
// ran; else the files, else the last applied one.
bool Daemon::choose_map(const config::LoadResult& files) {
  const auto applied = history_->applied();
  const auto seen = protocol::read_file(run_dir_.root + "/state/processes.json");
  const Observation before = seen ? recall(*seen) : Observation{};
  const bool again = before.launcher_pid != 0 && before.launcher_pid == ::getppid();
  if ((again || media_runs()) && applied && adopt(*applied)) {
    std::map<std::string, int> pids;
    for (const char* name : {"fastpath", "bridge"}) {
      const auto running = find_running(run_dir_.lock(name));
      pids[name] = running ? running->pid : 0;
    }
    add_event(
        "info", "adopted", "control",
        fmt::format("restarted, adopted applied map {}; {}", applied->number, what_went_on(before, pids)));
    observation_ = before;  // what died meanwhile is told when the launcher has answered
    if (const auto channels = protocol::read_file(run_dir_.root + "/state/channels.json"))
      monitor_.recall(*channels);
    return true;
  }
  if (files.ok()) {
    model_ = files.model;
    follow_log_settings();
    applied_sources_ = files.sources;
    applied_digest_ = digest(files.sources);
    if (!applied || applied->sources_digest != applied_digest_) {
      HistoryEntry entry;
      entry.unix_ns = wall_now_ns();
      entry.who = "start";
      entry.summary = protocol::counted(files.model->channels.size(), "channel");
      if (const auto kept = history_->add(entry, *model_, applied_sources_); !kept)
        add_event("warning", "history", "", kept.error());
    }
    set_alarm(false, "map_rejected", "", "");  // of a start before
    add_event("info", "start", "", "started with " + protocol::counted(model_->channels.size(), "channel"));
    return true;
  }
  if (!applied || !adopt(*applied)) return false;
  files_valid_ = false;
  std::string first;
  for (auto entry = files.diagnostics.rbegin(); entry != files.diagnostics.rend(); ++entry) {
    if (entry->severity == config::Severity::error) first = ", the first is " + config::to_string(*entry);
  }
  set_alarm(
      true, "map_rejected", "",
      fmt::format("running the map applied before ({}): the files have errors{}", applied->number, first));
  return true;
}

void Daemon::load_handles() {
  if (const auto text = protocol::read_file(run_dir_.root + "/state/handles.json")) {
    if (const auto handles = parse_handles(*text)) handles_ = *handles;
  }
  if (const auto text = protocol::read_file(data_dir_ + "/multiplexes.json")) take_places(*text, handles_);
}

// Without room they are given anew after the next start of the machine.
void Daemon::keep_places() {
  if (handles_.places.empty()) return;
  (void)protocol::write_file_atomically(data_dir_ + "/multiplexes.json", places_json(handles_));
}

bool Daemon::prepare_states() {
  load_handles();
  DesiredStates old;
  const auto fastpath = protocol::read_file(run_dir_.fastpath_state());
  const auto bridge = protocol::read_file(run_dir_.bridge_state());
  const auto old_fastpath =
      fastpath ? protocol::parse_fastpath_state(*fastpath) : tl::unexpected(std::string());
  const auto old_bridge = bridge ? protocol::parse_bridge_state(*bridge) : tl::unexpected(std::string());
  if (old_fastpath) old.fastpath = *old_fastpath;
  if (old_bridge) old.bridge = *old_bridge;
  recover(old, handles_);
  const auto generation = std::max(old.fastpath.generation, old.bridge.generation);
  states_ = build_states(*model_, handles_, generation);
  const auto unforced = keep_forced(old.fastpath, states_.fastpath);
  const bool same = old_fastpath && old_bridge && old.fastpath.generation == old.bridge.generation &&
                    same_content(states_, old) && generation != 0;
  if (!same) states_.fastpath.generation = states_.bridge.generation = generation + 1;
  const auto kept = protocol::write_file_atomically(run_dir_.root + "/state/handles.json", to_json(handles_));
  keep_places();
  if (!kept) log::error({"", "history", false}, "{}", kept.error());
  tell_unforced(unforced);
  return kept.has_value();
}

// The state files first, so that the media processes find them; then they may start, and take it over.
void Daemon::start_media() {
  applying_ = true;
  applying_who_ = "start";
  for (const auto& [process, text] : {std::pair{"fastpath", protocol::to_json(states_.fastpath)},
                                      std::pair{"bridge", protocol::to_json(states_.bridge)},
                                      std::pair{"transcode", protocol::to_json(transcode_state())}}) {
    if (const auto done = plane_->write_state(process, text); !done)
      add_event("critical", "state", process, done.error());
  }
  tell_launcher_log();
  tell_launcher("start");
  boost::asio::post(apply_thread_, [this, states = states_] {
    const auto done = carry_out(*plane_, states, {});
    boost::asio::post(io_, [this, done] {
      if (!done) add_event("critical", "start", "", done.error());
      next_job();
      observe_later();
    });
  });
}

}  // namespace headgate::control
