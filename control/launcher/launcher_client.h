// Control's side of the launcher's text protocol (launcher.h). Blocks for at most about a second.
// Threading: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <tl/expected.hpp>

namespace headgate::control {

struct ProcessStatus {
  std::string name;
  std::string state;  // running | waiting | backing_off
  int pid = 0;
  std::uint64_t deaths = 0;
  std::int64_t started_unix_ns = 0;
  bool crash_loop = false;
  std::uint64_t hung = 0;  // deaths that were kills, because it did not answer
  bool operator==(const ProcessStatus&) const = default;
};

// `answered_by`, where given, becomes the pid of the launcher that answers.
tl::expected<std::string, std::string> launcher_call(const std::string& socket_path, const std::string& line,
                                                     int* answered_by = nullptr);
std::vector<ProcessStatus> parse_launcher_status(const std::string& text);
// Whether this launcher has yet to hear that the gateway is ready: it was started anew.
bool awaits_ready(const std::string& status_text);

}  // namespace headgate::control
