// headgate-control: started by `headgate run`.
#include <fmt/core.h>
#include <sched.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <string_view>

#include "control/daemon/daemon.h"

namespace {

// What the launcher needs to know of the configuration, which it doesn't read itself.
int print_dirs(const std::string& config) {
  const auto result = headgate::config::load(config);
  const bool readable = !result.run_dir.empty() && !result.data_dir.empty();
  if (!readable) {
    for (const auto& entry : result.diagnostics)
      fmt::print(stderr, "{}\n", headgate::config::to_string(entry));
    return 1;
  }
  const auto log = headgate::control::log_of(result.model.get());
  fmt::print("{}\n{}\n{} {}\n", result.run_dir, result.data_dir, log.first, log.second);
  return 0;
}

// Media goes before figures: where the cores are full, a thread of control that wakes up waits until who runs
// has had its turn. Its share stays, as alarms must not starve; no privilege is needed, and threads inherit
// it.
void wait_for_turns() {
  const sched_param none{};
  if (::sched_getscheduler(0) == SCHED_OTHER) ::sched_setscheduler(0, SCHED_BATCH, &none);
}

}  // namespace

int main(int argc, char** argv) {
  headgate::control::DaemonOptions options;
  bool dirs = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--config" && i + 1 < argc) {
      options.config = std::filesystem::absolute(argv[++i]).lexically_normal().string();
    } else if (argument == "--socket" && i + 1 < argc) {
      options.socket = std::filesystem::absolute(argv[++i]).lexically_normal().string();
    } else if (argument == "--print-dirs") {
      dirs = true;
    } else {
      fmt::print(stderr,
                 "headgate-control is started by `headgate run`\nusage: headgate-control --config FILE "
                 "[--socket PATH]\n");
      return 2;
    }
  }
  if (options.config.empty()) {
    fmt::print(stderr, "headgate-control: --config FILE is needed\n");
    return 2;
  }
  if (dirs) return print_dirs(options.config);
  std::signal(SIGPIPE, SIG_IGN);
  wait_for_turns();
  return headgate::control::Daemon(std::move(options)).run();
}
