// What control asks the other processes for once a second, off its own thread: the launcher's view, each
// process's hello and status. Threading: collect() blocks for at most a few seconds; the result is a value.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "control/daemon/event_log.h"
#include "control/daemon/view.h"
#include "control/protocol/run_dir.h"

namespace headgate::control {

struct Observation {
  bool launcher_answers = false;
  bool launcher_runs = false;  // where it does not answer: its lock is held
  bool launcher_awaits_ready = false;
  int launcher_pid = 0;
  std::vector<ProcessView> processes;
  SharedJson fastpath_status, bridge_status, transcode_status;
};

// From the bridge's status: by channel, why players get nothing or not all. Control characters are left out.
std::map<std::string, std::string> bridge_problems(const nlohmann::json& bridge_status);
// Channels of several services for which the map names none, with the service taken.
std::map<std::string, std::string> unset_programs(const nlohmann::json& bridge_status);

Observation observe(const protocol::RunDir& run_dir);

// Another launcher answers than before, and its absence was too short to be seen: it knows nothing that the
// old one was told.
bool launcher_replaced(const Observation& before, const Observation& now);

// What compare() needs of an observation, kept in run_dir: a control that was started again tells what died
// meanwhile, itself among it. An empty observation from text that is none.
std::string remembered(const Observation& observation);
Observation recall(const std::string& text);

// Tells a process that lives and does not answer any more: not once in kMisses looks, and not for kHang since
// its last answer, or for kFirstAnswer since it was first seen where it never answered this watcher: it
// starts, or it hung before the watcher came. Pure: time is an argument.
class HangWatch {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kHang{10};
  // Longer than any start: huge pages and a large map take seconds.
  static constexpr std::chrono::seconds kFirstAnswer{20};
  static constexpr int kMisses = 4;  // a look may have been late itself

  // `busy`: an apply is under way; one that answered before it may take its time.
  bool hangs(const ProcessView& process, Clock::time_point now, bool busy = false);

 private:
  struct Known {
    int pid = 0;
    Clock::time_point heard{};  // its last answer, or when it was first seen
    bool answered = false;
    int misses = 0;
  };
  std::map<std::string, Known> known_;
};

// How long each process has not answered. Pure: time is an argument.
class Silence {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kTold{4};

  // 0 for one that answers.
  std::chrono::seconds of(const ProcessView& process, Clock::time_point now);

 private:
  std::map<std::string, Clock::time_point> answered_;
};

// What keeps players of HLS from being served at all, and inputs that enter through the bridge from going on:
// by channel, to go with bridge_problems().
std::map<std::string, std::string> bridge_silent(const config::Model& model, std::chrono::seconds silent);

// What became of the media processes while control was away, by their pids then and now (0: does not run).
std::string what_went_on(const Observation& before, const std::map<std::string, int>& pids);

// Deaths and returns between two observations, as events.
std::vector<Event> compare(const Observation& before, const Observation& now, std::int64_t now_unix_ns);

}  // namespace headgate::control
