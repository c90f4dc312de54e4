// Log lines of the launcher and of control on standard error, as the node file's `log` asks: text, or one
// JSON object a line (RFC 8259) with the members of the data plane's lines. Text carries no time of its own:
// a service manager adds one, and a person at a terminal sees it happen. Threading: set_up_log() before other
// threads start or from the one that owns the process's state; log() from any.
#pragma once

#include <string>
#include <string_view>

namespace headgate::control {

enum class LogLevel { trace, debug, info, warning, error };

struct LogSettings {
  LogLevel level = LogLevel::info;
  bool json = false;
  bool operator==(const LogSettings&) const = default;
};

// Names as in the node file; anything else counts as the default.
LogSettings log_settings(std::string_view level, std::string_view format);

// `process` and `prefix`: "control" in JSON, "headgate-control" before a line of text.
void set_up_log(std::string_view process, std::string_view prefix, const LogSettings& settings);
void set_up_log(const LogSettings& settings);

void log(LogLevel level, std::string_view message);
// The line without its newline: pure.
std::string format_log_line(LogLevel level, std::string_view process, std::string_view prefix, bool json,
                            std::string_view message, long long unix_ns);

}  // namespace headgate::control
