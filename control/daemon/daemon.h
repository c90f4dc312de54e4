// headgate-control: the applied map, plan and apply, states of channels, events, the control socket and the
// admin server. Media never passes here: when it dies, everything goes on, and on return it adopts what runs.
// Threading: one thread runs the io_context and owns everything; applies and observations, which block, run
// on one thread each and hand their results back to it.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
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
#include "control/catalogue/ids.h"
#include "control/daemon/admin_http.h"
#include "control/daemon/alarm_book.h"
#include "control/daemon/control_server.h"
#include "control/daemon/cues.h"
#include "control/daemon/even_clock.h"
#include "control/daemon/event_log.h"
#include "control/daemon/history.h"
#include "control/daemon/live_data_plane.h"
#include "control/daemon/mosaic_server.h"
#include "control/daemon/own_outputs.h"
#include "control/daemon/probe.h"
#include "control/daemon/view.h"
#include "control/daemon/watch.h"
#include "control/daemon/watched.h"
#include "control/daemon/webhook_queue.h"
#include "control/daemon/webhook_sender.h"

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
  void keep_places();
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
  // alarms.cpp
  void raise_alarms();
  void raise_seen_alarms();
  void set_alarm(bool active, catalogue::AlarmId kind, const std::string& subject,
                 const std::string& message);
  void set_alarms(catalogue::AlarmId kind, const std::map<std::string, std::string>& active);
  void raise_watch_alarms();
  void raise_transcode_missing();
  void watch_alarm(catalogue::AlarmId kind, const WatchFindings& seen,
                   const std::vector<std::string>& findings);
  void restore_alarms();
  void deliver_alarms();
  void settle_alarms();
  void tell(const AlarmBook::Change& change);
  std::vector<std::string> tags_of(const std::string& channel) const;
  // alarm_requests.cpp
  void answer_alarms(const Reply& reply) const;
  void acknowledge(const nlohmann::json& params, const std::string& who, const Reply& reply);
  void maintain(const nlohmann::json& params, const std::string& who, const Reply& reply);
  // daemon.cpp, as the rest
  void repair_states();
  protocol::TranscodeState transcode_state() const;
  void settle_transcode();
  void reapply();
  bool wanted_map(const ApplyJob& job, PreparedApply& prepared, nlohmann::json& result);
  bool rollback_target(const ApplyJob& job, PreparedApply& prepared, nlohmann::json& result) const;
  void take_over(PreparedApply& prepared);
  nlohmann::json record(const PreparedApply& prepared);
  nlohmann::json plan();
  nlohmann::json files_json(const std::vector<config::SourceFile>& sources) const;
  tl::expected<std::unique_ptr<AdminHttp>, std::string> open_admin(const std::string& address);
  // sessions.cpp
  void answer_sessions(const nlohmann::json& params, Reply reply);
  void kick(const nlohmann::json& params, const std::string& who, Reply reply);
  // switch.cpp
  void request_switch(const nlohmann::json& params, const std::string& who, Reply reply);
  void start_switch(ApplyJob job);
  void finish_switch(const ApplyJob& job, const DesiredStates& wanted,
                     const tl::expected<void, ApplyFailure>& outcome);
  void tell_unforced(const std::vector<std::string>& channels);
  void tell_switches(const Snapshot& before);
  void tell_cues();
  // daemon.cpp
  bool open_servers();
  void await_signal();
  void handle(const protocol::Request& request, const std::string& who, Reply reply);
  void sample();
  void look_at_host();
  void observe_later();
  void answer_fresh(std::function<void()> answer);
  void answer_status(const std::string& channel, Reply reply);
  void answer_why(const std::string& channel, Reply reply);
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
  void add_event(std::string_view severity, catalogue::EventId kind, const std::string& subject,
                 const std::string& message);
  void record_event(Event event);
  void every(boost::asio::steady_timer& timer, std::chrono::milliseconds period, void (Daemon::*action)());
  void tell_launcher(const std::string& line);
  void tell_launcher_log();
  void follow_log_settings() const;
  void start_tap(const nlohmann::json& params, Reply reply);
  void start_probe(const nlohmann::json& params, Reply reply);
  void end_probe(const std::shared_ptr<RunningProbe>& probe);
  const GatewayView& view();  // until anything changes
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
  bool state_lost_ = false;
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
  std::uint64_t cue_epoch_ = 0;  // of the fast path whose cues were read last; 0: none yet
  std::uint64_t next_cue_ = 0;
  CueLimit cue_limit_;
  // What is shown, brought up to date by view(). Two of its parts are looked at and changed all the time:
  // with many channels they are not to be copied.
  GatewayView view_;
  Snapshot& snapshot_ = view_.snapshot;
  ChannelMonitor& monitor_ = view_.monitor;
  std::optional<GatewayView> on_the_wall_;  // by the clock there, once that was stepped
  Observation observation_;
  Sources sources_;                              // out of the observation
  std::map<std::string, std::string> problems_;  // the bridge's, too
  Rising underflows_, overflows_, rates_exceeded_, shares_exceeded_;
  OwnOutputs own_outputs_;
  OutputRates output_rates_;
  Trends trends_;
  std::int64_t trends_at_ns_ = 0;
  LastApply last_apply_;
  HostWatch host_;
  bool observing_ = false;
  std::chrono::steady_clock::time_point sampled_{};
  std::chrono::steady_clock::time_point observing_since_{};
  std::chrono::steady_clock::time_point observed_{};  // when the observation at hand began
  boost::asio::steady_timer waiting_timer_{io_};
  std::vector<std::function<void()>> waiting_;  // answers that want a fresh observation
  HangWatch hang_watch_;
  Silence silence_;
  std::chrono::seconds bridge_silent_{0};
  std::string remembered_;
  std::uint64_t remembered_changes_ = 0;  // of the monitor
  AlarmBook alarms_;
  std::uint64_t kept_alarms_ = 0;  // alarms_.changes() when they were written
  WebhookQueue webhook_;
  std::uint64_t kept_webhook_ = 0;
  std::unique_ptr<WebhookSender> webhook_sender_;  // with the first delivery
  bool delivering_ = false;
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

// What the requests `alarms` and `events` are answered.
nlohmann::json alarms_answer(const std::vector<Alarm>& alarms, const std::vector<MaintenanceWindow>& windows,
                             std::int64_t now_unix_ns);
tl::expected<nlohmann::json, std::string> events_answer(const std::deque<Event>& events,
                                                        const nlohmann::json& params);
// To show what goes by an even clock by the one on the wall.
void shift(GatewayView& view, std::int64_t nanoseconds);
void shift(std::vector<Alarm>& alarms, std::int64_t nanoseconds);
// Level and format of the node file's `log`; the defaults without a model.
std::pair<std::string, std::string> log_of(const config::Model* model);
void log_diagnostics(const std::vector<config::Diagnostic>& diagnostics);

}  // namespace headgate::control
