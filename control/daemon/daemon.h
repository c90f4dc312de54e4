// headgate-control: the applied map, plan and apply, states of channels, events, the control socket and the
// admin server. Media never passes here: when it dies, everything goes on, and on return it adopts what runs.
// Threading: one thread runs the io_context and owns everything; applies and observations, which block, run
// on one thread each and hand their results back to it.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include "config/load/load.h"
#include "config/model/diff.h"
#include "control/daemon/admin_http.h"
#include "control/daemon/control_server.h"
#include "control/daemon/event_log.h"
#include "control/daemon/history.h"
#include "control/daemon/live_data_plane.h"
#include "control/daemon/mosaic_server.h"
#include "control/daemon/probe.h"
#include "control/daemon/view.h"
#include "control/daemon/watch.h"

namespace headgate::control {

struct DaemonOptions {
  std::string config;  // node file, absolute
  std::string socket;  // "" = run_dir/control.sock
};

class Daemon {
 public:
  explicit Daemon(DaemonOptions options);
  ~Daemon();
  // Exit status.
  int run();

 private:
  struct ApplyJob {
    std::string who;
    bool rollback = false;
    std::optional<std::uint32_t> to;  // roll back to this map
    bool by_signal = false;
    // `headgate switch`: in turn with applies, as it gives both processes a new generation.
    std::string switched;      // channel
    std::uint32_t forced = 0;  // 0: automatic
    Reply reply;
  };
  struct PreparedApply;
  struct RunningProbe {
    ProbeReading reading;
    Reply reply;
    boost::asio::steady_timer timer;
  };

  // start.cpp
  bool choose_map(const config::LoadResult& files);
  bool adopt(const HistoryEntry& entry);
  bool media_runs() const;
  void load_handles();
  bool prepare_states();
  void start_media();
  // apply.cpp
  void request_apply(ApplyJob job);
  void start_apply(ApplyJob job);
  tl::expected<void, std::string> keep(PreparedApply& prepared) const;
  void perform(std::shared_ptr<PreparedApply> prepared);
  void finish_apply(const std::shared_ptr<PreparedApply>& prepared, tl::expected<void, ApplyFailure> outcome);
  void end_apply(const ApplyJob& job, const nlohmann::json& result);
  void next_job();
  void raise_alarms();
  void set_alarms(const char* kind, const char* severity, const std::map<std::string, std::string>& active);
  void raise_watch_alarms();
  void raise_transcode_missing();
  void watch_alarm(const char* kind, const char* severity, const std::vector<std::string>& findings);
  void repair_states();
  protocol::TranscodeState transcode_state() const;
  void settle_transcode();
  void reapply();
  bool wanted_map(const ApplyJob& job, PreparedApply& prepared, nlohmann::json& result);
  bool rollback_target(const ApplyJob& job, PreparedApply& prepared, nlohmann::json& result) const;
  void take_over(PreparedApply& prepared);
  nlohmann::json record(const PreparedApply& prepared);
  nlohmann::json plan() const;
  nlohmann::json files_json(const std::vector<config::SourceFile>& sources) const;
  tl::expected<std::unique_ptr<AdminHttp>, std::string> open_admin(const std::string& address);
  // switch.cpp
  void request_switch(const nlohmann::json& params, const std::string& who, Reply reply);
  void start_switch(ApplyJob job);
  void finish_switch(const ApplyJob& job, const DesiredStates& wanted,
                     const tl::expected<void, ApplyFailure>& outcome);
  void tell_unforced(const std::vector<std::string>& channels);
  void tell_switches(const Snapshot& before);
  // daemon.cpp
  bool open_servers();
  void await_signal();
  void handle(const protocol::Request& request, const std::string& who, Reply reply);
  void sample();
  void observe_later();
  void answer_status(const std::string& channel, Reply reply);
  void answer_waiting();
  void remember(const Observation& now);
  void raise_silent(const Observation& now);
  void end_hung(const Observation& now);
  void on_channel_change(const std::string& channel, const ChannelHealth& before,
                         const ChannelHealth& health);
  bool told_down(const std::string& channel) const;
  void on_observation(Observation observation);
  void check_files();
  void announce();
  void add_event(const char* severity, const char* kind, const std::string& subject,
                 const std::string& message);
  void set_alarm(bool active, const char* kind, const char* severity, const std::string& subject,
                 const std::string& message);
  void every(boost::asio::steady_timer& timer, std::chrono::milliseconds period, void (Daemon::*action)());
  void tell_launcher(const std::string& line);
  void tell_launcher_log();
  void follow_log_settings() const;
  void start_tap(const nlohmann::json& params, Reply reply);
  void start_probe(const nlohmann::json& params, Reply reply);
  void end_probe(const std::shared_ptr<RunningProbe>& probe);
  GatewayView view() const;
  std::vector<MosaicChannel> mosaic_channels() const;
  bool ready() const;

  DaemonOptions options_;
  protocol::RunDir run_dir_;
  std::string data_dir_;
  std::unique_ptr<History> history_;
  std::unique_ptr<EventLog> events_;
  std::shared_ptr<const config::Model> model_;
  std::vector<config::SourceFile> applied_sources_;
  std::string applied_digest_;
  Handles handles_;
  DesiredStates states_;

  boost::asio::io_context io_;
  boost::asio::thread_pool apply_thread_{1};
  boost::asio::thread_pool observe_thread_{1};
  bool settling_transcode_ = false;
  bool transcode_missing_ = false;
  boost::asio::signal_set signals_{io_};
  boost::asio::steady_timer sample_timer_{io_};
  boost::asio::steady_timer observe_timer_{io_};
  boost::asio::steady_timer files_timer_{io_};
  std::unique_ptr<ControlServer> server_;
  std::unique_ptr<MosaicServer> mosaic_;
  std::unique_ptr<AdminHttp> admin_;
  std::string admin_address_;
  std::unique_ptr<LiveDataPlane> plane_;

  std::optional<protocol::StatsMapping> mapping_;
  Snapshot snapshot_;
  ChannelMonitor monitor_;
  Observation observation_;
  Sources sources_;  // out of the observation
  Rising underflows_, overflows_, rates_exceeded_;
  OutputRates output_rates_;
  bool observing_ = false;
  std::chrono::steady_clock::time_point sampled_{};
  std::chrono::steady_clock::time_point observing_since_{};
  std::chrono::steady_clock::time_point observed_{};  // when the observation at hand began
  boost::asio::steady_timer waiting_timer_{io_};
  std::vector<std::pair<std::string, Reply>> waiting_;  // for a fresh observation: channel, reply
  HangWatch hang_watch_;
  Silence silence_;
  std::chrono::seconds bridge_silent_{0};
  std::string remembered_;
  std::uint64_t remembered_changes_ = 0;  // of the monitor
  std::vector<Alarm> alarms_;
  std::string files_signature_;
  bool map_differs_ = false;
  bool files_valid_ = true;
  bool applying_ = false;
  std::string applying_who_;
  std::deque<ApplyJob> queue_;
  bool announced_ = false;
  std::string announced_text_;
  int settle_failures_ = 0;
  std::vector<std::shared_ptr<RunningProbe>> probes_;
};

std::int64_t unix_now_ns();
// Level and format of the node file's `log`; the defaults without a model.
std::pair<std::string, std::string> log_of(const config::Model* model);
void log_diagnostics(const std::vector<config::Diagnostic>& diagnostics);

}  // namespace headgate::control
