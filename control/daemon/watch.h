// What control asks the other processes for once a second, off its own thread: the launcher's view, each
// process's hello and status. Threading: collect() blocks for at most a few seconds; the result is a value.
#pragma once

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
  bool launcher_awaits_ready = false;
  int launcher_pid = 0;
  std::vector<ProcessView> processes;
  nlohmann::json fastpath_status = nlohmann::json::object();
  nlohmann::json bridge_status = nlohmann::json::object();
};

// From the bridge's status: by channel, why players get nothing or not all. Control characters are left out.
std::map<std::string, std::string> bridge_problems(const nlohmann::json& bridge_status);
// Channels of several services for which the map names none, with the service taken.
std::map<std::string, std::string> unset_programs(const nlohmann::json& bridge_status);

Observation observe(const protocol::RunDir& run_dir);

// Another launcher answers than before, and its absence was too short to be seen: it knows nothing that the
// old one was told.
bool launcher_replaced(const Observation& before, const Observation& now);

// Deaths, returns, crash loops between two observations, as events.
std::vector<Event> compare(const Observation& before, const Observation& now, std::int64_t now_unix_ns);

}  // namespace headgate::control
