#include "control/daemon/watch.h"

#include <fmt/core.h>

#include <algorithm>

#include "control/catalogue/ids.h"
#include "control/daemon/foreign.h"
#include "control/launcher/process_lock.h"
#include "control/protocol/counted.h"
#include "control/protocol/message.h"

namespace headgate::control {
namespace {

constexpr std::chrono::milliseconds kBound{1000};

void ask(const std::string& socket, ProcessView& process, SharedJson& status) {
  const auto hello = protocol::call(socket, "hello", nlohmann::json::object(), kBound);
  if (!hello || !hello->is_object()) return;
  process.answers = true;
  if (hello->contains("generation") && (*hello)["generation"].is_number_unsigned())
    process.generation = (*hello)["generation"].get<std::uint64_t>();
  if (hello->contains("version") && (*hello)["version"].is_string())
    process.version = (*hello)["version"].get<std::string>();
  if (hello->contains("pid") && (*hello)["pid"].is_number_integer())
    process.process.pid = (*hello)["pid"].get<int>();
  auto answer = protocol::call(socket, "status", nlohmann::json::object(), kBound);
  if (answer && answer->is_object()) status = std::move(*answer);
}

const ProcessView* find(const Observation& observation, const std::string& name) {
  for (const ProcessView& entry : observation.processes) {
    if (entry.process.name == name) return &entry;
  }
  return nullptr;
}

Event event(std::int64_t at, const char* severity, catalogue::EventId kind, const std::string& subject,
            std::string message) {
  return {0, at, severity, std::string(kind.name()), subject, std::move(message)};
}

void compare_process(const Observation& before, const ProcessView& old, const Observation& now,
                     const ProcessView& entry, std::int64_t at, std::vector<Event>& events) {
  const std::string& name = entry.process.name;
  // A launcher that was started again counts from 0.
  const bool same_count = before.launcher_answers && now.launcher_answers &&
                          before.launcher_pid == now.launcher_pid &&
                          entry.process.deaths >= old.process.deaths;
  if (same_count && entry.process.deaths > old.process.deaths) {
    const bool hung = entry.process.hung > old.process.hung;
    events.push_back(event(
        at, "critical", hung ? catalogue::EventId("process_hung") : catalogue::EventId("process_died"), name,
        fmt::format("{} (pid {}); {} so far", hung ? "did not answer and was killed" : "ended unexpectedly",
                    old.process.pid, protocol::counted(entry.process.deaths, "death"))));
  }
  if (old.process.pid != entry.process.pid && entry.process.pid != 0 &&
      (old.process.pid != 0 || old.process.deaths != 0))
    events.push_back(event(at, "warning", "process_restarted", name,
                           fmt::format("runs again, pid {}", entry.process.pid)));
}

}  // namespace

Observation observe(const protocol::RunDir& run_dir) {
  Observation now;
  if (const auto text = launcher_call(run_dir.launcher_socket(), "status", &now.launcher_pid)) {
    now.launcher_answers = true;
    now.launcher_awaits_ready = awaits_ready(*text);
    for (ProcessStatus& status : parse_launcher_status(*text)) {
      now.processes.emplace_back();
      now.processes.back().process = std::move(status);
    }
  } else {
    now.launcher_runs = find_running(run_dir.lock("launcher")).has_value();
  }
  for (const char* name : {"fastpath", "bridge", "transcode"}) {
    if (find(now, name) != nullptr) continue;
    // A gateway may be without it: where the launcher can't say, its lock does.
    const bool needed = std::string_view(name) != "transcode";
    if (!needed && (now.launcher_answers || !find_running(run_dir.lock(name)))) continue;
    now.processes.emplace_back();  // the launcher is away: the process may run all the same
    now.processes.back().process.name = name;
    now.processes.back().process.state = "unknown";
  }
  for (ProcessView& entry : now.processes) {
    if (entry.process.name == "fastpath") ask(run_dir.fastpath_socket(), entry, now.fastpath_status);
    if (entry.process.name == "bridge") ask(run_dir.bridge_socket(), entry, now.bridge_status);
    if (entry.process.name == "transcode") ask(run_dir.transcode_socket(), entry, now.transcode_status);
  }
  return now;
}

std::map<std::string, std::string> bridge_problems(const nlohmann::json& bridge_status) {
  std::map<std::string, std::string> problems;
  foreign::each_channel(bridge_status, [&](const std::string& id, const nlohmann::json& channel) {
    if (auto text = foreign::text(channel, "problem"); !text.empty()) problems[id] = std::move(text);
  });
  return problems;
}

std::map<std::string, std::string> unset_programs(const nlohmann::json& bridge_status) {
  std::map<std::string, std::string> found;
  foreign::each_channel(bridge_status, [&](const std::string& id, const nlohmann::json& channel) {
    const nlohmann::json& unset = foreign::member(channel, "program_unset");
    if (!unset.is_boolean() || !unset.get<bool>()) return;
    const auto service = foreign::count(channel, "service");
    found[id] = fmt::format(
        "several services come in and the map names none; HLS and RTMP take {}",
        service ? fmt::format("service {}", *service) : std::string("the first with clear media"));
  });
  return found;
}

bool launcher_replaced(const Observation& before, const Observation& now) {
  return before.launcher_answers && now.launcher_answers && before.launcher_pid != now.launcher_pid;
}

std::vector<Event> compare(const Observation& before, const Observation& now, std::int64_t at) {
  std::vector<Event> events;
  if (!before.launcher_answers && now.launcher_answers && !before.processes.empty())
    events.push_back(event(at, "info", "launcher_back", "launcher", "answers"));
  if (launcher_replaced(before, now))
    events.push_back(event(at, "info", "launcher_back", "launcher", "was started again"));
  for (const ProcessView& entry : now.processes) {
    if (const ProcessView* old = find(before, entry.process.name))
      compare_process(before, *old, now, entry, at, events);
  }
  return events;
}

bool HangWatch::hangs(const ProcessView& process, Clock::time_point now, bool busy) {
  const int pid = process.process.pid;
  Known& known = known_[process.process.name];
  if (process.answers) {
    known = {pid, now, true, 0};
    return false;
  }
  if (pid == 0 || process.process.state != "running") return false;
  if (known.pid != pid) known = {pid, now, false, 0};
  if (busy && known.answered) {
    known.heard = now;
    known.misses = 0;
  }
  return ++known.misses >= kMisses && now - known.heard >= (known.answered ? kHang : kFirstAnswer);
}

std::chrono::seconds Silence::of(const ProcessView& process, Clock::time_point now) {
  auto& answered = answered_.try_emplace(process.process.name, now).first->second;
  if (process.answers) answered = now;
  return std::chrono::duration_cast<std::chrono::seconds>(now - answered);
}

std::map<std::string, std::string> bridge_silent(const config::Model& model, std::chrono::seconds silent) {
  std::map<std::string, std::string> problems;
  if (silent < Silence::kTold) return problems;
  for (const config::Channel& channel : model.channels) {
    const bool enters = std::any_of(channel.inputs.begin(), channel.inputs.end(),
                                    [](const config::Input& input) { return config::by_bridge(input); });
    if (channel.hls || enters)
      problems[channel.id] = fmt::format("the bridge does not answer (for {}s)", silent.count());
  }
  return problems;
}

std::string what_went_on(const Observation& before, const std::map<std::string, int>& pids) {
  std::string others;
  for (const auto& [name, pid] : pids) {
    const ProcessView* old = find(before, name);
    if (old == nullptr || old->process.pid == 0 || old->process.pid == pid) continue;
    if (!others.empty()) others += "; ";
    others += pid == 0
                  ? fmt::format("{} (pid {}) has ended too", name, old->process.pid)
                  : fmt::format("{} was started again too, pid {} after {}", name, pid, old->process.pid);
  }
  return others.empty() ? "media went on" : others;
}

std::string remembered(const Observation& observation) {
  nlohmann::json processes = nlohmann::json::array();
  for (const ProcessView& entry : observation.processes)
    processes.push_back({{"name", entry.process.name},
                         {"pid", entry.process.pid},
                         {"deaths", entry.process.deaths},
                         {"hung", entry.process.hung},
                         {"crash_loop", entry.process.crash_loop}});
  return nlohmann::json{{"launcher_answers", observation.launcher_answers},
                        {"launcher_pid", observation.launcher_pid},
                        {"processes", processes}}
             .dump(1) +
         "\n";
}

Observation recall(const std::string& text) {
  Observation before;
  const auto json = nlohmann::json::parse(text, nullptr, false);
  try {
    before.launcher_answers = json.at("launcher_answers").get<bool>();
    before.launcher_pid = json.at("launcher_pid").get<int>();
    for (const auto& from : json.at("processes")) {
      ProcessView entry;
      entry.process.name = from.at("name").get<std::string>();
      entry.process.pid = from.at("pid").get<int>();
      entry.process.deaths = from.at("deaths").get<std::uint64_t>();
      entry.process.hung = from.at("hung").get<std::uint64_t>();
      entry.process.crash_loop = from.at("crash_loop").get<bool>();
      before.processes.push_back(std::move(entry));
    }
  } catch (const nlohmann::json::exception&) {
    return {};
  }
  return before;
}

}  // namespace headgate::control
