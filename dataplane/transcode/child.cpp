#include "dataplane/transcode/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

namespace headgate::transcode {
namespace {

constexpr int kBadStart = 70;  // EX_SOFTWARE of sysexits.h: it could not be shut in

std::string read_small(const char* path) {
  std::array<char, 512> text;
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "";
  const ssize_t n = ::read(fd, text.data(), text.size());
  ::close(fd);
  return {text.data(), n > 0 ? static_cast<std::size_t>(n) : 0};
}

// Field of /proc/PID/statm in bytes: 1 resident, 2 shared, 5 data and stack.
std::size_t statm(const std::string& text, int field) {
  const char* at = text.c_str();
  for (int i = 0; i < field; ++i) {
    at = std::strchr(at, ' ');
    if (at == nullptr) return 0;
    ++at;
  }
  return std::strtoull(at, nullptr, 10) * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

bool limit(__rlimit_resource resource, rlim_t most) {
  const rlimit both{most, most};
  return ::setrlimit(resource, &both) == 0;
}

// Never more than this process may have itself.
bool limit_data(rlim_t most) {
  rlimit own{};
  if (::getrlimit(RLIMIT_DATA, &own) != 0) return false;
  return limit(RLIMIT_DATA, std::min(most, own.rlim_cur));
}

bool set_limits(const Limits& limits) {
  bool ok = limit(RLIMIT_CORE, 0) && limit(RLIMIT_FSIZE, 0) && limit(RLIMIT_MSGQUEUE, 0) &&
            limit(RLIMIT_MEMLOCK, 0);
  if (limits.memory != 0 && !kShadowMemory) {
    const std::size_t inherited = statm(read_small("/proc/self/statm"), 5);
    ok = ok && limit_data(inherited + limits.memory);
  }
  if (limits.cpu_seconds.count() != 0) {
    const auto seconds = static_cast<rlim_t>(limits.cpu_seconds.count());
    const rlimit cpu{seconds, seconds + 1};  // SIGXCPU, then SIGKILL
    ok = ok && ::setrlimit(RLIMIT_CPU, &cpu) == 0;
  }
  return ok;
}

// What remains open: `keep`, and /dev/null in the place of the standard ones.
bool close_all_but(std::span<const int> keep) {
  const int null = ::open("/dev/null", O_RDWR);
  if (null < 0) return false;
  for (const int standard : {0, 1, 2}) {
    if (::dup2(null, standard) < 0) return false;
  }
  std::vector<int> sorted(keep.begin(), keep.end());
  std::sort(sorted.begin(), sorted.end());
  unsigned first = 3;
  for (const int fd : sorted) {
    if (static_cast<unsigned>(fd) > first && ::close_range(first, static_cast<unsigned>(fd) - 1, 0) != 0)
      return false;
    first = static_cast<unsigned>(fd) + 1;
  }
  return ::close_range(first, ~0U, 0) == 0;
}

void reset_signals() {
  // Not SIGBUS, whose handler the rings need.
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGSEGV, SIGFPE, SIGILL, SIGABRT})
    ::signal(signal, SIG_DFL);
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void go_first_when_memory_runs_out(int score) {
  const int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  std::array<char, 16> text;
  const int size = std::snprintf(text.data(), text.size(), "%d", score);
  // Where /proc is read-only, the kernel chooses by size alone.
  [[maybe_unused]] const ssize_t n = ::write(fd, text.data(), static_cast<std::size_t>(size));
  ::close(fd);
}

[[noreturn]] void live(const Child::Plan& plan, pid_t supervisor, const SyscallFilter& filter,
                       const std::function<void()>& prepare, const std::function<void()>& run) {
  // A supervisor that is started again starts its workers anew, within a second.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (::getppid() != supervisor) ::_exit(kBadStart);
  reset_signals();
  ::prctl(PR_SET_NAME, plan.name.c_str(), 0, 0, 0);
  ::setpriority(PRIO_PROCESS, 0, plan.limits.nice);
  go_first_when_memory_runs_out(plan.limits.oom_score_adj);
  if (!set_limits(plan.limits) || !close_all_but(plan.keep)) ::_exit(kBadStart);
  // None can be had any more. Not 0: poll() takes no more entries than this.
  if (!limit(RLIMIT_NOFILE, 1)) ::_exit(kBadStart);
  prepare();
  if (!filter.install()) ::_exit(kBadStart);
  run();
  ::_exit(0);
}

Death death_of(const siginfo_t& info) noexcept {
  if (info.si_code == CLD_EXITED) return Death::exited;
  switch (info.si_status) {
    case SIGSYS:
      return Death::violated;
    case SIGXCPU:
      return Death::cpu;
    case SIGKILL:
    case SIGTERM:
    case SIGINT:
    case SIGHUP:
      return Death::killed;
    default:
      return Death::crashed;
  }
}

}  // namespace

const char* to_string(Death death) noexcept {
  switch (death) {
    case Death::crashed:
      return "crashed";
    case Death::violated:
      return "violated";
    case Death::killed:
      return "killed";
    case Death::hung:
      return "hung";
    case Death::cpu:
      return "cpu";
    case Death::exited:
      break;
  }
  return "exited";
}

bool blamed(const End& end, const Limits& limits) noexcept {
  return end.death != Death::killed || end.peak_memory > limits.memory / 2;
}

tl::expected<Child, std::string> Child::start(const Plan& plan, const SyscallFilter& filter,
                                              const std::function<void()>& prepare,
                                              const std::function<void()>& run) {
  const pid_t supervisor = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return tl::unexpected<std::string>(std::string("can't fork: ") + std::strerror(errno));
  if (pid == 0) live(plan, supervisor, filter, prepare, run);
  Child child;
  child.pid_ = pid;
  child.pidfd_ = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (child.pidfd_ < 0)
    return tl::unexpected<std::string>(std::string("can't watch a worker: ") + std::strerror(errno));
  return child;
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)), pidfd_(std::exchange(other.pidfd_, -1)) {}

Child& Child::operator=(Child&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(pidfd_, other.pidfd_);
  return *this;
}

Child::~Child() {
  if (pid_ != 0) {
    ::kill(pid_, SIGKILL);  // not reaped: the number is still its own
    ::waitpid(pid_, nullptr, 0);
  }
  if (pidfd_ >= 0) ::close(pidfd_);
}

void Child::kill() const noexcept {
  if (pid_ != 0) ::kill(pid_, SIGKILL);
}

std::optional<End> Child::reap() {
  if (pid_ == 0) return std::nullopt;
  siginfo_t info{};
  rusage usage{};
  // The C library's waitid() has no place for the usage.
  if (::syscall(SYS_waitid, P_PID, pid_, &info, WEXITED | WNOHANG, &usage) != 0 || info.si_pid == 0)
    return std::nullopt;
  pid_ = 0;
  End end;
  end.death = death_of(info);
  end.clean = info.si_code == CLD_EXITED && info.si_status == 0;
  if (info.si_code == CLD_EXITED) {
    end.how = "exit status " + std::to_string(info.si_status);
    if (info.si_status == kBadStart) end.how += ", it could not be shut in";
  } else {
    const char* name = ::sigabbrev_np(info.si_status);
    end.how = std::string("killed by SIG") + (name != nullptr ? name : std::to_string(info.si_status));
  }
  const auto time = [](const timeval& value) {
    return std::chrono::seconds(value.tv_sec) + std::chrono::microseconds(value.tv_usec);
  };
  end.cpu_time = time(usage.ru_utime) + time(usage.ru_stime);
  end.peak_memory = static_cast<std::size_t>(usage.ru_maxrss) * 1024;
  return end;
}

std::chrono::nanoseconds Child::cpu_time() const noexcept {
  clockid_t clock{};
  timespec time{};
  if (pid_ == 0 || ::clock_getcpuclockid(pid_, &clock) != 0 || ::clock_gettime(clock, &time) != 0) return {};
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

std::chrono::nanoseconds Child::waited() const {
  if (pid_ == 0) return {};
  // "RUNNING WAITING SLICES", ns: the kernel's sched-stats.
  const std::string text = read_small(("/proc/" + std::to_string(pid_) + "/schedstat").c_str());
  const std::size_t at = text.find(' ');
  if (at == std::string::npos) return {};
  return std::chrono::nanoseconds(std::strtoll(text.c_str() + at, nullptr, 10));
}

std::size_t Child::private_memory() const {
  if (pid_ == 0) return 0;
  const std::string text = read_small(("/proc/" + std::to_string(pid_) + "/statm").c_str());
  const std::size_t resident = statm(text, 1);
  return resident - std::min(resident, statm(text, 2));
}

}  // namespace headgate::transcode
