// fake_process RUN_DIR NAME MODE: live | die | stubborn | ping
#include <unistd.h>

#include <csignal>
#include <string>

#include "control/launcher/launcher_client.h"
#include "control/launcher/process_lock.h"
#include "control/protocol/run_dir.h"

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::string mode = argv[3];
  if (mode == "stubborn") std::signal(SIGTERM, SIG_IGN);
  const headgate::protocol::RunDir run{argv[1]};
  const auto lock = headgate::control::ProcessLock::acquire(run.lock(argv[2]));
  if (!lock || mode == "die") return 3;
  while (mode == "ping") {  // as control does
    (void)headgate::control::launcher_call(run.launcher_socket(), "status");
    ::usleep(50'000);
  }
  for (;;) ::pause();
}
