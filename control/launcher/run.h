// What `headgate run` does before and around the Launcher: where the daemons lie, run_dir and its owners, the
// launcher's own lock. Threading: call once, from main.
#pragma once

#include <string>

namespace headgate::control {

struct RunOptions {
  std::string config;   // node file
  std::string socket;   // "" = run_dir/control.sock
  std::string program;  // path of the running headgate binary
};

// Exit status.
int run_gateway(const RunOptions& options);

// Beside `program`, else in ../libexec/headgate of it; "" where neither is executable.
std::string find_daemon(const std::string& program, const std::string& name);

}  // namespace headgate::control
