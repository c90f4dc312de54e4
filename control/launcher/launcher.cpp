#include "control/launcher/launcher.h"

#include <fmt/core.h>
#include <poll.h>

#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <sstream>
#include <utility>

#include "control/launcher/pidfd.h"
#include "control/log/log.h"

namespace headgate::control {
namespace {

constexpr auto kNever = RestartPolicy::Clock::time_point::max();
constexpr std::chrono::milliseconds kRestartBound{5000};
constexpr std::size_t kMaxLine = 512;

long long unix_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<long long>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  return set;
}

std::string how_it_ended(const siginfo_t& info, bool known) {
  if (!known) return "ended";
  if (info.si_code == CLD_EXITED) return fmt::format("exited with status {}", info.si_status);
  return fmt::format("was killed by signal {} ({})", info.si_status, ::strsignal(info.si_status));
}

}  // namespace

Launcher::Launcher(LauncherOptions options, ServiceManager manager)
    : options_(std::move(options)), manager_(std::move(manager)) {
  for (const ProcessSpec& spec : options_.processes) {
    processes_.emplace_back();
    processes_.back().spec = spec;
  }
}

bool Launcher::set_up() {
  ::signal(SIGPIPE, SIG_IGN);
  const sigset_t set = watched_signals();
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  signals_ = UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) {
    log::error("can't watch signals: {}", std::strerror(errno));
    return false;
  }
  socket_path_ = protocol::SocketPath(options_.run_dir.launcher_socket());
  return listen();
}

bool Launcher::listen() {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  auto bound = fd ? socket_path_.bind(fd.get(), 0600) : tl::unexpected(std::string(std::strerror(errno)));
  if (bound && ::listen(fd.get(), 8) != 0) bound = tl::unexpected(std::string(std::strerror(errno)));
  if (bound)
    listener_ = std::move(fd);
  else
    log::error("no control of this launcher: {}", bound.error());
  return bound.has_value();
}

void Launcher::adopt_all() {
  for (Process& process : processes_) {
    auto running = find_running(options_.run_dir.lock(process.spec.name));
    const std::string& socket = process.spec.socket;
    if (!running && !socket.empty() && (running = find_listening(socket)))
      log::warning("{} is gone or not held, but {}, pid {}, listens on {}",
                   options_.run_dir.lock(process.spec.name), process.spec.name, running->pid, socket);
    if (!running) continue;
    process.pid = running->pid;
    process.pidfd = std::move(running->pidfd);
    process.state = State::running;
    process.adopted = true;
    process.heard_at = Clock::now();
    process.started_unix_ns = unix_ns();
    process.policy.on_start(Clock::now());
    if (process.spec.waits_for_control) media_allowed_ = true;
    log::info("adopted {}, pid {}", process.spec.name, process.pid);
  }
}

void Launcher::start(Process& process) {
  process.policy.on_start(Clock::now());
  auto spawned = spawn(process.spec.command, process.spec.privileges);
  if (!spawned) {
    log::error("{}", spawned.error());
    process.state = State::backing_off;
    process.start_at = process.policy.on_death(Clock::now()) + RestartPolicy::kFirstPause;
    return;
  }
  process.pid = spawned->pid;
  process.pidfd = std::move(spawned->pidfd);
  process.state = State::running;
  process.adopted = false;
  process.started_unix_ns = unix_ns();
  process.heard = false;
  process.heard_at = Clock::now();
  log::info("started {}, pid {}", process.spec.name, process.pid);
}

void Launcher::start_due() {
  const auto now = Clock::now();
  for (Process& process : processes_) {
    if (process.kill_at <= now) {
      log::warning("{} did not stop in time, killing it", process.spec.name);
      ::pidfd_send_signal(process.pidfd.get(), SIGKILL, nullptr, 0);
      process.kill_at = kNever;
    }
    if (process.spec.waits_for_control && !media_allowed_) continue;
    if (process.state == State::waiting || (process.state == State::backing_off && process.start_at <= now))
      start(process);
  }
}

void Launcher::on_exit(Process& process) {
  siginfo_t info{};
  bool known = false;
  if (!process.adopted)
    known = ::waitid(P_PIDFD, static_cast<id_t>(process.pidfd.get()), &info, WEXITED | WNOHANG) == 0 &&
            info.si_pid != 0;
  process.pidfd.reset();
  // With the death: who looks in between must not see one without the other.
  if (std::exchange(process.killed_hung, false)) ++process.hung;
  const bool asked = process.restarting;
  process.restarting = false;
  process.kill_at = kNever;
  if (asked) {
    process.state = State::waiting;
    return;
  }
  const auto now = Clock::now();
  process.state = State::backing_off;
  process.start_at = process.policy.on_death(now);
  const auto pause = std::chrono::duration_cast<std::chrono::milliseconds>(process.start_at - now);
  log::warning("{}, pid {}, {}; starting it again {}", process.spec.name, process.pid,
               how_it_ended(info, known),
               pause.count() == 0 ? std::string("at once") : fmt::format("in {} ms", pause.count()));
  const bool gave_up = known && info.si_code == CLD_EXITED && info.si_status == kExitNothingToServe;
  if (!process.spec.waits_for_control && gave_up && !media_allowed_) {
    stopping_ = true;
    exit_status_ = 1;
  }
}

void Launcher::notice_crash_loops() {
  for (Process& process : processes_) {
    const bool now = process.policy.crash_loop(Clock::now());
    if (now && !process.in_crash_loop)
      log::error("{} died {} times in a minute, pausing between its starts", process.spec.name,
                 RestartPolicy::kCrashLoopDeaths);
    process.in_crash_loop = now;
  }
}

void Launcher::on_signal() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo != SIGHUP) {
      stopping_ = true;
      continue;
    }
    const Process& control = processes_.front();
    if (control.state != State::running) {
      log::warning("can't apply: {} is not running", control.spec.name);
      continue;
    }
    manager_.reloading();  // control's next `ready` ends it
    ::pidfd_send_signal(control.pidfd.get(), SIGHUP, nullptr, 0);
  }
}

std::string Launcher::restart(const std::string& name) {
  for (Process& process : processes_) {
    if (process.spec.name != name) continue;
    if (process.state != State::running) {
      process.start_at = Clock::now();
      return "ok\n";
    }
    process.restarting = true;
    process.kill_at = Clock::now() + kRestartBound;
    ::pidfd_send_signal(process.pidfd.get(), SIGTERM, nullptr, 0);
    log::info("restarting {}, pid {}, on request", name, process.pid);
    return "ok\n";
  }
  return "error: no process " + name + "\n";
}

void Launcher::kill_hung(Process& process, const std::string& why) {
  log::error("{}, pid {}, {}: killing it", process.spec.name, process.pid, why);
  process.killed_hung = true;
  process.heard_at = Clock::now();  // once
  process.restarting = false;       // it counts as a death
  ::pidfd_send_signal(process.pidfd.get(), SIGKILL, nullptr, 0);
}

std::string Launcher::hung(const std::string& name_and_pid) {
  std::istringstream fields(name_and_pid);
  std::string name;
  pid_t pid = 0;
  fields >> name >> pid;
  for (Process& process : processes_) {
    if (process.spec.name != name) continue;
    if (process.state != State::running || process.pid != pid)
      return "error: " + name + " does not run under pid " + std::to_string(pid) + "\n";
    kill_hung(process, "does not answer control");
    return "ok\n";
  }
  return "error: no process " + name + "\n";
}

void Launcher::watch_control() {
  Process& control = processes_.front();
  const auto now = Clock::now();
  // Away itself, stopped or starved: what came meanwhile is yet to be read.
  const bool was_away = now - turned_at_ > std::chrono::seconds(3);
  turned_at_ = now;
  if (control.state != State::running) return;
  if (was_away) control.heard_at = now;
  if (now - control.heard_at > silence_bound())
    kill_hung(control, control.heard ? "fell silent" : "never said a word");
}

std::chrono::milliseconds Launcher::silence_bound() const {
  return processes_.front().heard ? options_.hang_bound : options_.first_word_bound;
}

std::string Launcher::status() {
  std::string text = told_ready_ ? "ready 1\n" : "ready 0\n";
  for (const Process& process : processes_) {
    const bool running = process.state == State::running;
    const char* state = running ? "running" : process.state == State::waiting ? "waiting" : "backing_off";
    text += fmt::format("{} {} {} {} {} {} {}\n", process.spec.name, state, running ? process.pid : 0,
                        process.policy.deaths(), running ? process.started_unix_ns : 0,
                        process.in_crash_loop ? 1 : 0, process.hung);
  }
  return text;
}

std::string Launcher::answer(const std::string& line) {
  const auto space = line.find(' ');
  const std::string command = line.substr(0, space);
  const std::string rest = space == std::string::npos ? "" : line.substr(space + 1);
  if (command == "status") return status();
  if (command == "restart") return restart(rest);
  if (command == "hung") return hung(rest);
  if (command == "start")
    media_allowed_ = true;
  else if (command == "ready")
    manager_.ready(rest), told_ready_ = true;
  else if (command == "text")
    manager_.status(rest);
  else if (command == "log")
    log::set_up(log::settings_of(rest.substr(0, rest.find(' ')), rest.substr(rest.find(' ') + 1)));
  else
    return "error: unknown command " + command + "\n";
  return "ok\n";
}

// A sign of life of control, whatever it asks.
void Launcher::hear(int peer) {
  ucred who{};
  socklen_t size = sizeof who;
  if (::getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && who.pid == processes_.front().pid) {
    processes_.front().heard = true;
    processes_.front().heard_at = Clock::now();
  }
}

void Launcher::on_connection() {
  const UniqueFd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!peer) return;
  hear(peer.get());
  // The peer is control, which sends its line at once; one that doesn't is cut off, so that watching goes on.
  const timeval bound{0, 200'000};
  ::setsockopt(peer.get(), SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
  ::setsockopt(peer.get(), SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof bound);
  std::string line;
  char buffer[kMaxLine];
  while (line.size() < kMaxLine && line.find('\n') == std::string::npos) {
    const ssize_t n = ::recv(peer.get(), buffer, sizeof buffer, 0);
    if (n <= 0) return;
    line.append(buffer, static_cast<std::size_t>(n));
  }
  const std::string reply = answer(line.substr(0, line.find('\n')));
  (void)::send(peer.get(), reply.data(), reply.size(), MSG_NOSIGNAL);
}

int Launcher::poll_timeout() const {
  const auto now = Clock::now();
  auto next = now + std::chrono::seconds(1);
  if (const Process& control = processes_.front(); control.state == State::running)
    next = std::min(next, control.heard_at + silence_bound());
  for (const Process& process : processes_) {
    next = std::min(next, process.kill_at);
    if (process.state == State::backing_off) next = std::min(next, process.start_at);
  }
  if (manager_.alive_interval()) next = std::min(next, alive_due_);
  const auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(next - now).count() + 1;
  return static_cast<int>(std::clamp<long long>(wait, 0, 1000));
}

bool Launcher::wait_for_exit(const Process& process, std::chrono::milliseconds bound) const {
  const auto end = Clock::now() + bound;
  pollfd entry{process.pidfd.get(), POLLIN, 0};
  for (auto now = Clock::now(); now <= end; now = Clock::now()) {
    manager_.alive();
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - now) + std::chrono::milliseconds(1);
    if (::poll(&entry, 1, static_cast<int>(std::min<long long>(left.count(), 1000))) > 0) return true;
  }
  return false;
}

void Launcher::stop_all() {
  manager_.stopping();
  log::info("stopping");
  // Control first, so that it doesn't take the others' end for a failure; the fast path last, so that
  // multicast goes on while viewers are sent away.
  std::vector<Process*> order{&processes_.front()};
  for (auto process = processes_.rbegin(); process + 1 != processes_.rend(); ++process)
    order.push_back(&*process);
  for (Process* process : order) {
    if (process->state != State::running) continue;
    ::pidfd_send_signal(process->pidfd.get(), SIGTERM, nullptr, 0);
    if (!wait_for_exit(*process, options_.stop_bound)) {
      log::warning("{}, pid {}, did not stop in {} ms, killing it", process->spec.name, process->pid,
                   options_.stop_bound.count());
      ::pidfd_send_signal(process->pidfd.get(), SIGKILL, nullptr, 0);
      wait_for_exit(*process, options_.stop_bound);
    }
    siginfo_t info{};
    ::waitid(P_PIDFD, static_cast<id_t>(process->pidfd.get()), &info, WEXITED | WNOHANG);
  }
  socket_path_.remove();
}

int Launcher::run() {
  if (!set_up()) return 1;
  adopt_all();
  std::vector<pollfd> entries;
  while (!stopping_) {
    start_due();
    notice_crash_loops();
    watch_control();
    if (const auto now = Clock::now(); now >= look_at_) {
      look_at_ = now + std::chrono::seconds(1);
      if (socket_path_.lost() && listen()) log::warning("{} was gone: listening anew", socket_path_.text());
    }
    if (const auto interval = manager_.alive_interval(); interval && alive_due_ <= Clock::now()) {
      manager_.alive();
      alive_due_ = Clock::now() + *interval;
    }
    entries.assign({{signals_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}});
    for (const Process& process : processes_)
      entries.push_back({process.pidfd.get(), POLLIN, 0});  // -1 is skipped
    if (::poll(entries.data(), entries.size(), poll_timeout()) <= 0) continue;
    for (std::size_t i = 0; i < processes_.size(); ++i) {
      if (entries[i + 2].revents != 0) on_exit(processes_[i]);
    }
    if (entries[0].revents != 0) on_signal();
    if (entries[1].revents != 0) on_connection();
  }
  stop_all();
  return exit_status_;
}

}  // namespace headgate::control
