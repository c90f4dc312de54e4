// headgate-fastpath --run-dir DIR: see docs/architecture.md. Exit status: 0 after SIGTERM, 1 when it can't
// start, 2 for a wrong command line, 3 when another one runs in the same run_dir.
#include <fmt/format.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <string_view>

#include "control/log/log.h"
#include "dataplane/fastpath/control/process_lock.h"
#include "dataplane/fastpath/control/service.h"

namespace {

// Blocks the signals in this thread and all that it starts, and makes them readable.
int open_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int run(const std::string& root) {
  using namespace headgate;
  const protocol::RunDir run_dir{root};
  auto lock = fastpath::ProcessLock::take(run_dir.lock("fastpath"));
  if (!lock) {
    log::error("{}", lock.error().text);
    return lock.error().held_by_another ? 3 : 1;
  }
  const int signals = open_signals();
  fastpath::Service service(run_dir);
  if (auto started = service.start(); !started) {
    log::error("{}", started.error());
    return 1;
  }
  service.run(signals);
  service.stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--version") {
    fmt::print("headgate-fastpath {}\n", HEADGATE_VERSION);
    return 0;
  }
  if (argc != 3 || std::string_view(argv[1]) != "--run-dir") {
    fmt::print(stderr, "usage: headgate-fastpath --run-dir DIR | --version\n");
    return 2;
  }
  headgate::log::set_up("fastpath", {});
  return run(argv[2]);
}
