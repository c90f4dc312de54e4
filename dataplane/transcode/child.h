// One child of the supervisor: forked without exec, put into its sandbox, watched by pidfd, reaped once.
// Threading: of the supervisor's one thread; fork() needs that there is no other.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include <tl/expected.hpp>

#include "dataplane/transcode/limits.h"
#include "dataplane/transcode/syscall_filter.h"

namespace headgate::transcode {

// Why a child ended.
enum class Death {
  exited,    // by itself, which none should
  crashed,   // a signal of its own making: a fault, abort() where memory ran out
  violated,  // it made a system call that workers may not
  killed,    // by somebody else: kill -9, the kernel's out-of-memory killer
  hung,      // by the supervisor: it took no message while some waited
  cpu,       // by the supervisor or its limit: more CPU time than it may have
};
inline constexpr std::size_t kDeaths = 6;
const char* to_string(Death death) noexcept;

struct End {
  Death death = Death::exited;
  bool clean = false;                   // exit status 0
  std::string how;                      // "killed by SIGSEGV", "exit status 1"
  std::chrono::nanoseconds cpu_time{};  // in its whole life
  std::size_t peak_memory = 0;          // resident bytes, shared ones among them
};
// Whether what it worked on is to blame. Killed by somebody else, it only is where it had taken so much
// memory that it is why that ran out.
bool blamed(const End& end, const Limits& limits) noexcept;

class Child {
 public:
  struct Plan {
    std::string name;  // as ps shows it, 15 characters of it
    Limits limits;
    std::span<const int> keep;  // descriptors; all others are closed
  };
  // Forks. In the child: everything is taken away but the filter is not yet installed when `prepare` is
  // called, and then `run`, which must not return.
  static tl::expected<Child, std::string> start(const Plan& plan, const SyscallFilter& filter,
                                                const std::function<void()>& prepare,
                                                const std::function<void()>& run);
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;
  // Kills and waits.
  ~Child();

  pid_t pid() const noexcept { return pid_; }
  int pidfd() const noexcept { return pidfd_; }  // readable when it has ended
  void kill() const noexcept;                    // SIGKILL
  // Once it has ended. Nothing: it lives.
  std::optional<End> reap();
  std::chrono::nanoseconds cpu_time() const noexcept;
  // Ready to run and without a core. 0 where the kernel doesn't tell.
  std::chrono::nanoseconds waited() const;
  std::size_t private_memory() const;  // bytes that it shares with nobody by name; 0 where it can't be read

 private:
  Child() = default;
  pid_t pid_ = 0;  // 0: reaped
  int pidfd_ = -1;
};

}  // namespace headgate::transcode
