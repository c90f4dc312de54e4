#include "dataplane/transcode/supervisor.h"

#include <dirent.h>
#include <fmt/core.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "control/log/log.h"
#include "control/protocol/message.h"
#include "control/protocol/state.h"

namespace headgate::transcode {
namespace {

#ifndef HEADGATE_VERSION
#define HEADGATE_VERSION "0.1.0"
#endif

constexpr std::size_t kLongestName = 200;
constexpr const char* kStrikesSuffix = ".json";

std::int64_t unix_now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(path.c_str()), ::closedir);
  if (folder == nullptr) return names;
  while (const dirent* entry = ::readdir(folder.get())) {
    const std::string name = entry->d_name;
    if (!name.starts_with(".") && name.size() <= kLongestName) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

nlohmann::json to_json(const std::string& name, const job::Spec& spec, const TaskStatus& status) {
  nlohmann::json out{{"name", name},
                     {"kind", job::to_string(spec.kind)},
                     {"channel", spec.channel},
                     {"state", to_string(status.state)},
                     {"pid", status.pid},
                     {"cpu_seconds", status.cpu_seconds},
                     {"cpu_ratio", status.cpu_ratio},
                     {"memory", status.memory},
                     {"restarts", status.restarts},
                     {"last_error", status.last_error}};
  nlohmann::json& deaths = out["deaths"] = nlohmann::json::object();
  for (std::size_t i = 0; i < kDeaths; ++i) deaths[to_string(static_cast<Death>(i))] = status.deaths[i];
  if (spec.kind != job::Kind::pictures) return out;
  constexpr std::array kVerdicts{"shown", "undecodable", "crashed", "timed_out", "refused"};
  nlohmann::json& verdicts = out["pictures"] = nlohmann::json::object();
  for (std::size_t i = 0; i < kVerdicts.size(); ++i) verdicts[kVerdicts[i]] = status.verdicts[i];
  return out;
}

}  // namespace

Supervisor::Supervisor(protocol::RunDir run_dir, Environment environment)
    : run_dir_(std::move(run_dir)), environment_(std::move(environment)), started_unix_ns_(unix_now_ns()) {}

Supervisor::~Supervisor() {
  if (inotify_ >= 0) ::close(inotify_);
}

// Without the file, or with a broken one, what holds goes on.
void Supervisor::apply_settings() {
  const auto text = protocol::read_file(run_dir_.transcode_state());
  if (!text) return;
  const auto state = protocol::parse_transcode_state(*text);
  if (!state) return log::warning("{}: {}", run_dir_.transcode_state(), state.error());
  log::set_up(log::settings_of(state->log_level, state->log_format));
  generation_ = state->generation;
}

void Supervisor::watch(const std::string& folder) const {
  // One that is watched already is watched once; a watch goes with its folder.
  ::inotify_add_watch(inotify_, folder.c_str(),
                      IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE_SELF | IN_ONLYDIR |
                          IN_DONT_FOLLOW | IN_EXCL_UNLINK);
}

void Supervisor::scan_folder(const std::string& name, Clock::time_point now) {
  const job::Paths paths{run_dir_.jobs_dir() + "/" + name};
  struct stat folder {};
  if (::lstat(paths.folder.c_str(), &folder) != 0 || !S_ISDIR(folder.st_mode)) return;
  const auto known = jobs_.find(name);
  if (known == jobs_.end()) watch(paths.folder);
  struct stat spec {};
  Identity identity{folder.st_ino, 0, 0};
  if (::lstat(paths.spec().c_str(), &spec) == 0) {
    identity.spec = spec.st_ino;
    identity.spec_changed_ns = spec.st_ctim.tv_sec * 1'000'000'000LL + spec.st_ctim.tv_nsec;
  }
  if (known != jobs_.end()) {
    if (known->second.identity == identity && !known->second.task->stale()) return;
    log::info("{}: ended, or made anew", name);
    jobs_.erase(known);
    watch(paths.folder);
  }
  if (identity.spec == 0) return;
  const auto complain = [&](const std::string& why) {
    if (std::string& said = complaints_[name]; said != why) {
      log::error({"", "job_refused"}, "{}: {}", name, why);
      said = why;
    }
  };
  if (jobs_.size() >= environment_.rules.most_jobs)
    return complain("no worker: there are " + std::to_string(jobs_.size()) + " jobs already");
  const auto read = job::read_spec(paths);
  if (!read) return complain(read.error());
  const StrikesPlace strikes{
      strikes_of(name), fmt::format("{} {} {}", identity.folder, identity.spec, identity.spec_changed_ns)};
  auto task = read->kind == job::Kind::pictures ? make_pictures(environment_, paths, strikes)
                                                : make_job(environment_, name, paths, *read, strikes);
  if (!task) return complain(task.error());
  complaints_.erase(name);
  jobs_[name] = {identity, *read, std::move(*task)};
  jobs_[name].task->on_turn(now);
}

void Supervisor::scan(Clock::time_point now) {
  watch(run_dir_.jobs_dir());
  const std::vector<std::string> names = names_in(run_dir_.jobs_dir());
  const auto gone = [&](const auto& entry) {
    return !std::binary_search(names.begin(), names.end(), entry.first);
  };
  std::erase_if(jobs_, [&](const auto& entry) {
    if (!gone(entry)) return false;
    log::info("{}: ended", entry.first);
    return true;
  });
  std::erase_if(complaints_, gone);
  for (const std::string& name : names) scan_folder(name, now);
  for (const std::string& file : names_in(run_dir_.strikes_dir())) {
    const auto of_job = [&](const auto& entry) { return file == entry.first + kStrikesSuffix; };
    if (std::none_of(jobs_.begin(), jobs_.end(), of_job))
      ::unlink((run_dir_.strikes_dir() + "/" + file).c_str());
  }
}

std::string Supervisor::strikes_of(const std::string& name) const {
  return run_dir_.strikes_dir() + "/" + name + kStrikesSuffix;
}

void Supervisor::turn(Clock::time_point now) {
  std::array<char, 8192> events;
  bool changed = false;
  while (::read(inotify_, events.data(), events.size()) > 0) changed = true;
  if (changed || now >= scan_at_) {
    scan(now);
    scan_at_ = now + environment_.rules.scan_interval;
    log::on_tick();
    if (endpoint_->keep_path()) log::warning("{} was gone: listening anew", run_dir_.transcode_socket());
  }
}

int Supervisor::poll_timeout(Clock::time_point now) const {
  auto next = std::min(scan_at_, turn_at_);
  for (const auto& [name, entry] : jobs_) next = std::min(next, entry.task->deadline());
  const auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(next - now).count() + 1;
  return static_cast<int>(std::clamp<long long>(wait, 0, 1000));
}

int Supervisor::run(int signals) {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  inotify_ = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (epoll < 0 || inotify_ < 0) {
    log::error("can't watch {}: {}", run_dir_.jobs_dir(), std::strerror(errno));
    return 1;
  }
  apply_settings();
  ::mkdir(run_dir_.strikes_dir().c_str(), 0700);
  auto endpoint = protocol::Endpoint::open(run_dir_.transcode_socket(), epoll,
                                           [this](const std::string& line) { return answer(line); });
  if (!endpoint) {
    log::error("{}", endpoint.error());
    return 1;
  }
  endpoint_ = std::move(*endpoint);
  std::vector<pollfd> entries;
  for (;;) {
    auto now = Clock::now();
    turn(now);
    const bool all = now >= turn_at_;
    if (all) turn_at_ = now + environment_.rules.watch_interval;
    for (auto& [name, entry] : jobs_) {
      if (all || now >= entry.task->deadline()) entry.task->on_turn(now);
    }
    entries.assign({{signals, POLLIN, 0}, {epoll, POLLIN, 0}, {inotify_, POLLIN, 0}});
    std::vector<std::pair<std::size_t, Task*>> ends;  // of each task's share of `entries`
    for (auto& [name, entry] : jobs_) {
      entry.task->add_descriptors(entries);
      ends.emplace_back(entries.size(), entry.task.get());
    }
    if (::poll(entries.data(), entries.size(), poll_timeout(now)) <= 0) continue;
    if (entries[0].revents != 0) break;
    now = Clock::now();
    std::size_t at = 3;
    for (const auto& [end, task] : ends) {
      bool ready = false;
      for (; at < end; ++at) ready = ready || entries[at].revents != 0;
      if (ready) task->on_turn(now);
    }
    epoll_event event{};
    while (::epoll_wait(epoll, &event, 1, 0) == 1) endpoint_->on_event(event.data.fd, event.events);
  }
  log::info("stopping");
  jobs_.clear();
  endpoint_.reset();
  ::close(epoll);
  return 0;
}

nlohmann::json Supervisor::status() const {
  nlohmann::json jobs = nlohmann::json::array();
  for (const auto& [name, entry] : jobs_) jobs.push_back(to_json(name, entry.spec, entry.task->status()));
  nlohmann::json broken = nlohmann::json::object();
  for (const auto& [name, why] : complaints_) broken[name] = why;
  return {{"jobs", std::move(jobs)}, {"broken", std::move(broken)}};
}

std::string Supervisor::answer(const std::string& line) {
  const auto request = protocol::parse_request(line);
  if (!request) return protocol::format_error(0, request.error());
  if (request->method == "hello") {
    return protocol::format_result(request->id, {{"process", "transcode"},
                                                 {"pid", ::getpid()},
                                                 {"version", HEADGATE_VERSION},
                                                 {"generation", generation_},
                                                 {"started_unix_ns", started_unix_ns_}});
  }
  if (request->method == "apply") {
    apply_settings();
    return protocol::format_result(request->id, {{"generation", generation_}});
  }
  if (request->method == "status") return protocol::format_result(request->id, status());
  return protocol::format_error(request->id,
                                "unknown method \"" + request->method + "\"; known: hello, apply, status");
}

}  // namespace headgate::transcode
