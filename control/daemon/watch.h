// What control asks the other processes for once a second, off its own thread: the launcher's view, each
// process's hello and status. Threading: collect() blocks for at most a few seconds; the result is a value.
#pragma once

#include <vector>

#include <nlohmann/json.hpp>

#include "control/daemon/event_log.h"
#include "control/daemon/view.h"
#include "control/protocol/run_dir.h"

namespace headgate::control {

struct Observation {
  bool launcher_answers = false;
  bool launcher_awaits_ready = false;
  std::vector<ProcessView> processes;
  nlohmann::json fastpath_status = nlohmann::json::object();
  nlohmann::json bridge_status = nlohmann::json::object();
};

Observation observe(const protocol::RunDir& run_dir);

// Deaths, returns, crash loops between two observations, as events.
std::vector<Event> compare(const Observation& before, const Observation& now, std::int64_t now_unix_ns);

}  // namespace headgate::control
