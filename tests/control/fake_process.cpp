// fake_process RUN_DIR NAME MODE: live | die | stubborn
#include <unistd.h>

#include <csignal>
#include <string>

#include "control/launcher/process_lock.h"
#include "control/protocol/run_dir.h"

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::string mode = argv[3];
  if (mode == "stubborn") std::signal(SIGTERM, SIG_IGN);
  const auto lock =
      headgate::control::ProcessLock::acquire(headgate::protocol::RunDir{argv[1]}.lock(argv[2]));
  if (!lock || mode == "die") return 3;
  for (;;) ::pause();
}
