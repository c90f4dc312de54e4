#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "control/daemon/daemon.h"
#include "control/daemon/outputs.h"
#include "control/daemon/plan_answer.h"
#include "control/protocol/counted.h"
#include "control/reconcile/devices.h"

namespace headgate::control {
namespace {

constexpr std::size_t kMaxWaiting = 4;

nlohmann::json diagnostics_json(const std::vector<config::Diagnostic>& diagnostics) {
  nlohmann::json result = nlohmann::json::array();
  for (const config::Diagnostic& entry : diagnostics)
    result.push_back({{"file", entry.file},
                      {"line", entry.line},
                      {"column", entry.column},
                      {"severity", entry.severity == config::Severity::error ? "error" : "warning"},
                      {"message", entry.message},
                      {"text", config::to_string(entry)}});
  return result;
}

std::int64_t changed_unix_ns(const std::string& path) {
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) return 0;
  return std::int64_t{about.st_mtim.tv_sec} * 1'000'000'000 + about.st_mtim.tv_nsec;
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

// "2 errors"
std::string errors_of(const config::LoadResult& files) {
  const auto errors =
      std::count_if(files.diagnostics.begin(), files.diagnostics.end(),
                    [](const auto& entry) { return entry.severity == config::Severity::error; });
  return protocol::counted(static_cast<std::uint64_t>(errors), "error");
}

std::string refusal(const config::LoadResult& files) {
  return "the files have " + errors_of(files) + "; the running map stays";
}

nlohmann::json failure(const std::string& error) { return {{"ok", false}, {"error", error}}; }

}  // namespace

struct Daemon::PreparedApply {
  ApplyJob job;
  std::shared_ptr<const config::Model> model;
  std::vector<config::SourceFile> sources;
  std::optional<std::uint32_t> restores;
  nlohmann::json diagnostics = nlohmann::json::array();
  config::Plan plan;
  Handles handles;
  DesiredStates before;
  DesiredStates wanted;
  std::unique_ptr<AdminHttp> admin;
  std::string admin_address;
  std::vector<std::string> unforced;  // channels whose forced input goes
  std::optional<HistoryEntry> kept;   // prepared in the history, in force once the map is
};

nlohmann::json Daemon::plan() {
  const auto files = config::load(options_.config);
  nlohmann::json result = {{"ok", files.ok()}, {"diagnostics", diagnostics_json(files.diagnostics)}};
  if (!files.ok()) {
    result["error"] = refusal(files);
    return result;
  }
  result["files"] = files_json(files.sources);
  result["number"] = nullptr;
  if (const auto applied = history_->applied()) result["number"] = applied->number;
  const auto difference =
      config::diff(*model_, *files.model, on_air(snapshot_), sound_seen(observation_.bridge_status));
  result["plan"] = plan_json(difference);
  result["warnings"] = nlohmann::json::array();
  for (const std::string& missing : missing_devices(model_->node, files.model->node))
    result["warnings"].push_back(missing + "; apply refuses it");
  result["viewers"] = nlohmann::json::object();
  result["sessions"] = nlohmann::json::object();
  const GatewayView& now = view();
  const auto count = [&](const std::string& id) {
    if (const auto sessions = sessions_of(now, id)) result["viewers"][id] = *sessions;
    for (const auto& [protocol, sessions] : sessions_by_output(now, id))
      result["sessions"][id][protocol] = sessions;
  };
  for (const auto& change : difference.changed) count(change.id);
  for (const auto& id : difference.removed) count(id);
  return result;
}

// The files of a plan, each beside its text in the running map.
nlohmann::json Daemon::files_json(const std::vector<config::SourceFile>& sources) const {
  const auto find = [](const std::vector<config::SourceFile>& files, const std::string& path) {
    return std::find_if(files.begin(), files.end(), [&](const auto& file) { return file.path == path; });
  };
  nlohmann::json result = nlohmann::json::array();
  for (const config::SourceFile& source : sources) {
    const auto applied = find(applied_sources_, source.path);
    const bool known = applied != applied_sources_.end();
    result.push_back({{"path", source.path},
                      {"state", !known                         ? "new"
                                : applied->text == source.text ? "same"
                                                               : "changed"},
                      {"changed_unix_ns", changed_unix_ns(source.path)}});
  }
  for (const config::SourceFile& applied : applied_sources_) {
    if (find(sources, applied.path) == sources.end())
      result.push_back({{"path", applied.path}, {"state", "gone"}, {"changed_unix_ns", 0}});
  }
  return result;
}

void Daemon::request_apply(ApplyJob job) {
  if (!applying_) return start_apply(std::move(job));
  if (queue_.size() >= kMaxWaiting) {
    const auto busy =
        fmt::format("busy: an apply by {} is under way and {} wait", applying_who_, queue_.size());
    if (job.by_signal) add_event("warning", "apply_failed", "", "apply by SIGHUP: " + busy);
    if (job.reply) job.reply(tl::unexpected(busy));
    return;
  }
  queue_.push_back(std::move(job));
}

bool Daemon::rollback_target(const ApplyJob& job, PreparedApply& prepared, nlohmann::json& result) const {
  const auto target = job.to ? history_->find(*job.to) : history_->before_applied();
  if (!target) {
    result = failure(job.to ? fmt::format("no map {} is kept: headgate history lists them", *job.to)
                            : "no older map is kept: headgate history lists them");
    return false;
  }
  const auto model = history_->model(target->number);
  if (!model) {
    result = failure(fmt::format("can't read map {}: {}", target->number, model.error()));
    return false;
  }
  prepared.model = *model;
  prepared.sources = history_->sources(target->number);
  // The map that was written once, not a rollback to it: its past counts.
  prepared.restores = target->number;
  return true;
}

bool Daemon::wanted_map(const ApplyJob& job, PreparedApply& prepared, nlohmann::json& result) {
  if (job.rollback) return rollback_target(job, prepared, result);
  auto files = config::load(options_.config);
  prepared.diagnostics = diagnostics_json(files.diagnostics);
  files_valid_ = files.ok();
  if (!files.ok()) {
    result = failure(refusal(files));
    result["diagnostics"] = prepared.diagnostics;
    std::string first;
    if (!files.diagnostics.empty()) first = ": " + config::to_string(files.diagnostics.front());
    add_event("warning", "map_rejected", "",
              fmt::format("apply by {}: {}{}", job.who, errors_of(files), first));
    if (job.by_signal) {
      log_diagnostics(files.diagnostics);
    }
    return false;
  }
  prepared.model = files.model;
  prepared.sources = std::move(files.sources);
  return true;
}

tl::expected<std::unique_ptr<AdminHttp>, std::string> Daemon::open_admin(const std::string& address) {
  AdminContent content;
  content.ready = [this] { return ready(); };
  content.metrics = [this] { return metrics_text(view()); };
  content.tokens = [this] {
    std::vector<std::string> tokens;
    if (!model_->node.admin) return tokens;
    for (const auto& entry : model_->node.admin->tokens) tokens.push_back(entry.token);
    // A tokens_file without a token closes the page, it does not open it.
    if (tokens.empty() && !model_->node.admin->tokens_file.empty()) tokens.emplace_back("\n");
    return tokens;
  };
  if (mosaic_ == nullptr)
    mosaic_ =
        std::make_unique<MosaicServer>(io_, run_dir_.pictures_dir(), [this] { return mosaic_channels(); });
  content.api = [this](const std::string& path, const std::string& query, AdminReply reply) {
    const bool jpeg = path == "mosaic.jpg";
    if (!jpeg && path != "mosaic.json") return false;
    mosaic_->request(jpeg ? "jpg" : "json", query, std::move(reply));
    return true;
  };
  return AdminHttp::listen(io_, address, std::move(content));
}

void Daemon::start_apply(ApplyJob job) {
  applying_ = true;
  applying_who_ = job.who;
  if (!job.switched.empty()) return start_switch(std::move(job));
  auto prepared = std::make_shared<PreparedApply>();
  prepared->job = std::move(job);
  nlohmann::json result;
  if (!wanted_map(prepared->job, *prepared, result)) return end_apply(prepared->job, result);
  prepared->plan =
      config::diff(*model_, *prepared->model, on_air(snapshot_), sound_seen(observation_.bridge_status));
  if (!prepared->plan.refused.empty()) {
    result = failure(
        fmt::format("{} can't change while the gateway runs; put it back, or stop and start the gateway",
                    join(prepared->plan.refused)));
    result["plan"] = plan_json(prepared->plan);
    add_event("warning", "map_rejected", "",
              fmt::format("apply by {}: {}", prepared->job.who, result["error"].get<std::string>()));
    return end_apply(prepared->job, result);
  }
  if (const auto missing = missing_devices(model_->node, prepared->model->node); !missing.empty()) {
    std::string all;
    for (const std::string& one : missing) all += one + "; ";
    result = failure(all + "nothing was changed");
    result["plan"] = plan_json(prepared->plan);
    add_event("warning", "map_rejected", "",
              fmt::format("apply by {}: {}", prepared->job.who, result["error"].get<std::string>()));
    return end_apply(prepared->job, result);
  }
  // The listener first: an address that can't be had must refuse the map before anything has changed.
  const auto& admin = prepared->model->node.admin;
  prepared->admin_address = admin ? admin->listen : "";
  if (!prepared->admin_address.empty() && prepared->admin_address != admin_address_) {
    auto opened = open_admin(prepared->admin_address);
    if (!opened) {
      add_event("warning", "apply_failed", "",
                fmt::format("apply by {}: {}", prepared->job.who, opened.error()));
      return end_apply(prepared->job, failure(opened.error()));
    }
    prepared->admin = std::move(*opened);
  }
  if (auto kept = keep(*prepared); !kept) {
    add_event("warning", "apply_failed", "", fmt::format("apply by {}: {}", prepared->job.who, kept.error()));
    return end_apply(prepared->job, failure(kept.error()));
  }
  perform(std::move(prepared));
}

// The map into the history before anything changes: one that can't be kept would be gone with the next
// restart of control. Nothing to do where the very files are in force already.
tl::expected<void, std::string> Daemon::keep(PreparedApply& prepared) const {
  if (prepared.plan.empty() && applied_digest_ == digest(prepared.sources) && history_->applied()) return {};
  HistoryEntry entry;
  entry.unix_ns = wall_now_ns();
  entry.who = prepared.job.who;
  entry.summary = summary(prepared.plan);
  entry.changes = changes(prepared.plan);
  entry.restores = prepared.restores;
  auto kept = history_->prepare(entry, *prepared.model, prepared.sources);
  if (!kept) {
    const std::string& error = kept.error();
    const auto reason = error.rfind(": ");
    return tl::unexpected(
        fmt::format("the map can't be kept in {}: {}; nothing was changed: make room there or make it "
                    "writable, then apply again",
                    data_dir_, reason == std::string::npos ? error : error.substr(reason + 2)));
  }
  prepared.kept = std::move(*kept);
  return {};
}

void Daemon::perform(std::shared_ptr<PreparedApply> prepared) {
  prepared->handles = handles_;
  prepared->before = states_;
  prepared->wanted = build_states(*prepared->model, prepared->handles, states_.fastpath.generation + 1);
  prepared->unforced = keep_forced(states_.fastpath, prepared->wanted.fastpath);
  handles_.next = prepared->handles.next;  // spent, whatever becomes of it
  if (same_content(prepared->wanted, states_) && prepared->plan.restarts.empty()) {
    prepared->wanted = states_;
    return finish_apply(prepared, {});
  }
  (void)protocol::write_file_atomically(run_dir_.root + "/state/handles.json", to_json(handles_));
  boost::asio::post(apply_thread_, [this, prepared]() mutable {
    auto outcome =
        carry_out_or_roll_back(*plane_, prepared->before, prepared->wanted, prepared->plan.restarts);
    boost::asio::post(io_, [this, prepared = std::move(prepared), outcome = std::move(outcome)]() mutable {
      finish_apply(prepared, std::move(outcome));
    });
  });
}

void Daemon::finish_apply(const std::shared_ptr<PreparedApply>& prepared,
                          tl::expected<void, ApplyFailure> outcome) {
  const ApplyJob& job = prepared->job;
  if (!outcome) {
    if (prepared->kept) history_->discard(*prepared->kept);
    states_.fastpath.generation = states_.bridge.generation = prepared->wanted.fastpath.generation + 1;
    const ApplyFailure& why = outcome.error();
    auto result =
        failure(why.reason + (why.rolled_back ? "; everything was put back"
                                              : "; putting back failed too: " + why.rollback_reason));
    result["rolled_back"] = why.rolled_back;
    result["plan"] = plan_json(prepared->plan);
    add_event(why.rolled_back ? "warning" : "critical", "apply_failed", "",
              fmt::format("apply by {}: {}", job.who, result["error"].get<std::string>()));
    return end_apply(job, result);
  }
  take_over(*prepared);
  const auto result = record(*prepared);
  tell_unforced(prepared->unforced);
  end_apply(job, result);
}

void Daemon::take_over(PreparedApply& prepared) {
  model_ = prepared.model;
  follow_log_settings();
  tell_launcher_log();
  states_ = prepared.wanted;
  handles_ = prepared.handles;
  last_apply_ = {prepared.plan.added, {}, prepared.plan.node_keys};
  for (const config::ChannelChange& change : prepared.plan.changed) last_apply_.changed[change.id] = change;
  keep_places();
  (void)protocol::write_file_atomically(run_dir_.root + "/state/handles.json", to_json(handles_));
  if (prepared.admin || prepared.admin_address.empty()) {
    admin_ = std::move(prepared.admin);
    admin_address_ = prepared.admin_address;
  }
  set_alarm(false, "map_rejected", "", "");
}

// The history, the event and the answer of what was applied. Status must not show what was before it.
nlohmann::json Daemon::record(const PreparedApply& prepared) {
  const ApplyJob& job = prepared.job;
  applied_digest_ = digest(prepared.sources);
  applied_sources_ = prepared.sources;
  nlohmann::json result = {{"ok", true},
                           {"plan", plan_json(prepared.plan)},
                           {"diagnostics", prepared.diagnostics},
                           {"generation", states_.fastpath.generation},
                           {"changed", true},
                           {"number", nullptr},
                           {"restores", nullptr},
                           {"files_differ", false},
                           {"warning", nullptr}};
  if (prepared.restores) result["restores"] = *prepared.restores;
  const auto applied = history_->applied();
  std::string words = summary(prepared.plan);
  if (!prepared.kept) {
    result["changed"] = false;
    if (applied) result["number"] = applied->number;
    words = fmt::format("nothing to change, map {} stays", applied ? applied->number : 0);
  } else if (const auto kept = history_->confirm(*prepared.kept)) {
    result["number"] = prepared.kept->number;
    words += fmt::format("; map {}", prepared.kept->number);
    if (prepared.restores) words += fmt::format(" restores map {}", *prepared.restores);
  } else {
    result["warning"] = "applied, but not kept in the history: " + kept.error();
  }
  files_signature_.clear();
  check_files();
  result["files_differ"] = map_differs_;
  if (job.rollback && map_differs_) words += "; the files hold another map, which the next apply brings back";
  add_event("info", job.rollback ? catalogue::EventId("rollback") : catalogue::EventId("apply"), "",
            fmt::format("{} by {}: {}", job.rollback ? "rollback" : "apply", job.who, words));
  observed_ = {};
  sample();
  return result;
}

void Daemon::end_apply(const ApplyJob& job, const nlohmann::json& result) {
  if (job.by_signal) announced_ = false;  // the launcher said RELOADING: tell it when that is over
  if (job.reply) job.reply(result);
  next_job();
  observe_later();
}

void Daemon::next_job() {
  applying_ = false;
  if (queue_.empty()) return;
  ApplyJob job = std::move(queue_.front());
  queue_.pop_front();
  start_apply(std::move(job));
}

// A process runs another generation than it should: it was started while nobody could tell it, or refused
// before.
void Daemon::reapply() {
  applying_ = true;
  applying_who_ = "control";
  boost::asio::post(apply_thread_, [this, states = states_] {
    const auto done = carry_out(*plane_, states, {});
    boost::asio::post(io_, [this, done] {
      set_alarm(!done, "apply_pending", "", done ? "" : done.error());
      next_job();
    });
  });
}

}  // namespace headgate::control
