// `headgate run`: starts, watches and stops control, the fast path, the bridge and the transcode
// process. It parses no configuration
// and moves no media; what it must not do is die with them or take them along, so it does little.
//
// Processes are watched by pidfd. One that runs already (NAME.lock held, or where that was removed its socket
// listened on) is adopted instead of started. Text
// protocol on run_dir/launcher.sock, one line a connection, answered by lines and closed:
//   start               control: the state files are written; the media processes may start      -> ok
//   ready TEXT          control: all serve the applied map                                        -> ok
//   text TEXT           control: one line for the service manager                                 -> ok
//   restart NAME        stops and starts one process                                -> ok | error: ...
//   hung NAME PID       control: it does not answer any more; kills it and starts it again -> ok | error: ...
//   log LEVEL FORMAT    control: the node file's `log` in force                       -> ok
//   status              "ready 1", or "ready 0" while this launcher has yet to hear `ready`; then a line a
//                       process: NAME STATE PID DEATHS STARTED_UNIX_NS CRASH_LOOP HUNG    -> lines
// HUNG counts the deaths that were kills of a process that did not answer. Control asks for `status` about
// once a second: when it falls silent for hang_bound, or says nothing for first_word_bound after its start or
// its adoption, the launcher kills it likewise.
// Threading: one thread, run() returns when everything has stopped.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "control/launcher/notify.h"
#include "control/launcher/process_lock.h"
#include "control/launcher/restart_policy.h"
#include "control/launcher/spawn.h"
#include "control/protocol/run_dir.h"
#include "control/protocol/socket_path.h"

namespace headgate::control {

// Control ends with this when there is nothing to serve: no valid file and no map applied before.
inline constexpr int kExitNothingToServe = 78;  // EX_CONFIG of sysexits.h

struct ProcessSpec {
  std::string name;
  std::vector<std::string> command;
  Privileges privileges;
  bool waits_for_control = true;  // starts on control's word
  std::string socket = {};        // where it listens; finds one that runs where its lock was removed
};

struct LauncherOptions {
  protocol::RunDir run_dir;
  std::vector<ProcessSpec> processes;  // in the order of starting; the first is control
  std::chrono::milliseconds stop_bound{5000};
  std::chrono::milliseconds hang_bound{10'000};
  std::chrono::milliseconds first_word_bound{20'000};  // reading a large map takes seconds
};

class Launcher {
 public:
  Launcher(LauncherOptions options, ServiceManager manager);
  // Until SIGTERM or SIGINT. Returns the exit status.
  int run();

 private:
  using Clock = RestartPolicy::Clock;
  enum class State { waiting, running, backing_off };
  struct Process {
    ProcessSpec spec;
    State state = State::waiting;
    pid_t pid = 0;
    UniqueFd pidfd;
    RestartPolicy policy;
    Clock::time_point start_at{};
    Clock::time_point kill_at = Clock::time_point::max();  // a restart was asked for
    long long started_unix_ns = 0;
    bool adopted = false;
    bool restarting = false;
    bool in_crash_loop = false;
    bool killed_hung = false;  // its end is yet to come
    unsigned long long hung = 0;
    bool heard = false;            // of control: a request under this pid
    Clock::time_point heard_at{};  // of control: its last one; where there is none, its start or adoption
  };

  bool set_up();
  void adopt_all();
  void start_due();
  void start(Process& process);
  void on_exit(Process& process);
  void on_signal();
  void on_connection();
  void hear(int peer);
  std::string answer(const std::string& line);
  std::string restart(const std::string& name);
  std::string hung(const std::string& name_and_pid);
  void kill_hung(Process& process, const std::string& why);
  void watch_control();
  std::chrono::milliseconds silence_bound() const;
  bool listen();
  std::string status();
  void notice_crash_loops();
  void stop_all();
  bool wait_for_exit(const Process& process, std::chrono::milliseconds bound) const;
  int poll_timeout() const;

  LauncherOptions options_;
  ServiceManager manager_;
  std::vector<Process> processes_;
  UniqueFd signals_;
  UniqueFd listener_;
  protocol::SocketPath socket_path_;
  Clock::time_point turned_at_{};
  Clock::time_point look_at_{};  // for the socket's name
  bool media_allowed_ = false;
  bool told_ready_ = false;
  bool stopping_ = false;
  int exit_status_ = 0;
  Clock::time_point alive_due_{};
};

}  // namespace headgate::control
