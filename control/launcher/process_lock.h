// NAME.lock in run_dir: held by flock for as long as its process lives, with the pid inside. The kernel drops
// the lock with the process, so a lock that is held is a process that runs, whatever became of its parent.
// Threading: one owner each.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "control/launcher/unique_fd.h"

namespace headgate::control {

class ProcessLock {
 public:
  // Error: names the pid that holds it.
  static tl::expected<ProcessLock, std::string> acquire(const std::string& path);

 private:
  explicit ProcessLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

struct RunningProcess {
  pid_t pid = 0;
  UniqueFd pidfd;
};

// The process that holds the lock, or nothing. The lock is looked at again after the pidfd is open, so that a
// pid that the kernel gave to somebody else is not taken for it.
std::optional<RunningProcess> find_running(const std::string& lock_path);

// The process that listens on a Unix socket, or nothing: for a lock whose file somebody removed. One that
// hangs is found too, as the kernel answers for it.
std::optional<RunningProcess> find_listening(const std::string& socket_path);

}  // namespace headgate::control
