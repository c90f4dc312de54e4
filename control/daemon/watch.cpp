#include "control/daemon/watch.h"

#include <fmt/core.h>

#include "control/protocol/message.h"

namespace headgate::control {
namespace {

constexpr std::chrono::milliseconds kBound{1000};

void ask(const std::string& socket, ProcessView& process, nlohmann::json& status) {
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

template <typename F>
void for_each_channel(const nlohmann::json& bridge_status, F&& f) {
  if (!bridge_status.is_object()) return;
  const auto channels = bridge_status.find("channels");
  if (channels == bridge_status.end() || !channels->is_object()) return;
  for (const auto& [id, channel] : channels->items()) {
    if (channel.is_object()) f(id, channel);
  }
}

const ProcessView* find(const Observation& observation, const std::string& name) {
  for (const ProcessView& entry : observation.processes) {
    if (entry.process.name == name) return &entry;
  }
  return nullptr;
}

Event event(std::int64_t at, const char* severity, const char* kind, const std::string& subject,
            std::string message) {
  return {0, at, severity, kind, subject, std::move(message)};
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
  }
  for (const char* name : {"fastpath", "bridge"}) {
    if (find(now, name) != nullptr) continue;
    now.processes.emplace_back();  // the launcher is away: the process may run all the same
    now.processes.back().process.name = name;
    now.processes.back().process.state = "unknown";
  }
  for (ProcessView& entry : now.processes) {
    if (entry.process.name == "fastpath") ask(run_dir.fastpath_socket(), entry, now.fastpath_status);
    if (entry.process.name == "bridge") ask(run_dir.bridge_socket(), entry, now.bridge_status);
  }
  return now;
}

std::map<std::string, std::string> bridge_problems(const nlohmann::json& bridge_status) {
  constexpr std::size_t kLongest = 400;
  std::map<std::string, std::string> problems;
  for_each_channel(bridge_status, [&](const std::string& id, const nlohmann::json& channel) {
    const auto problem = channel.find("problem");
    if (problem == channel.end() || !problem->is_string()) return;
    std::string text = problem->get<std::string>().substr(0, kLongest);
    std::erase_if(text, [](char c) { return c >= 0 && c < ' '; });
    if (!text.empty()) problems[id] = std::move(text);
  });
  return problems;
}

std::map<std::string, std::string> unset_programs(const nlohmann::json& bridge_status) {
  std::map<std::string, std::string> found;
  for_each_channel(bridge_status, [&](const std::string& id, const nlohmann::json& channel) {
    const auto unset = channel.find("program_unset");
    if (unset == channel.end() || !unset->is_boolean() || !unset->get<bool>()) return;
    const auto service = channel.find("service");
    const bool known = service != channel.end() && service->is_number_unsigned();
    found[id] = fmt::format("several services come in and the map names none; HLS takes {}",
                            known ? fmt::format("service {}", service->get<std::uint64_t>())
                                  : std::string("the first with clear media"));
  });
  return found;
}

bool launcher_replaced(const Observation& before, const Observation& now) {
  return before.launcher_answers && now.launcher_answers && before.launcher_pid != now.launcher_pid;
}

std::vector<Event> compare(const Observation& before, const Observation& now, std::int64_t at) {
  std::vector<Event> events;
  if (before.launcher_answers && !now.launcher_answers)
    events.push_back(
        event(at, "critical", "launcher_lost", "launcher", "the launcher does not answer; media goes on"));
  if (!before.launcher_answers && now.launcher_answers && !before.processes.empty())
    events.push_back(event(at, "info", "launcher_back", "launcher", "the launcher answers"));
  if (launcher_replaced(before, now))
    events.push_back(event(at, "info", "launcher_back", "launcher", "the launcher was started again"));
  for (const ProcessView& entry : now.processes) {
    const ProcessView* old = find(before, entry.process.name);
    if (old == nullptr) continue;
    const std::string& name = entry.process.name;
    // A launcher that was started again counts from 0.
    const bool same_count =
        before.launcher_answers && now.launcher_answers && entry.process.deaths >= old->process.deaths;
    if (same_count && entry.process.deaths > old->process.deaths)
      events.push_back(event(at, "critical", "process_died", name,
                             fmt::format("{} ended unexpectedly (pid {}), {} times so far", name,
                                         old->process.pid, entry.process.deaths)));
    if (old->process.pid != entry.process.pid && entry.process.pid != 0 &&
        (old->process.pid != 0 || old->process.deaths != 0))
      events.push_back(event(at, "warning", "process_restarted", name,
                             fmt::format("{} runs again, pid {}", name, entry.process.pid)));
    if (entry.process.crash_loop && !old->process.crash_loop)
      events.push_back(
          event(at, "critical", "crash_loop", name,
                fmt::format("{} dies again and again; the launcher pauses between its starts", name)));
    if (!entry.process.crash_loop && old->process.crash_loop && now.launcher_answers)
      events.push_back(event(at, "info", "crash_loop_over", name, fmt::format("{} keeps running", name)));
  }
  return events;
}

}  // namespace headgate::control
