// Starts a child that outlives its parent: own session, stdin /dev/null, stderr inherited, only the
// capabilities it needs. Linux capabilities(7). Threading: call from a single-threaded process (the child
// runs code between fork and exec).
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "control/launcher/unique_fd.h"

namespace headgate::control {

struct Privileges {
  std::vector<int> capabilities;  // CAP_*; of these the child gets what the parent has
  std::string user;               // "" or one that doesn't exist: keeps the parent's
};

struct SpawnedProcess {
  pid_t pid = 0;
  UniqueFd pidfd;
};

// stdout_fd: -1 inherits.
tl::expected<SpawnedProcess, std::string> spawn(const std::vector<std::string>& command,
                                                const Privileges& privileges, int stdout_fd = -1);

}  // namespace headgate::control
