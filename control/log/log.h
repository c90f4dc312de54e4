// The log of every process, on standard error: one line a message, as the node file's `log` asks. Text:
// "TIME LEVEL PROCESS channel=ID reason=WORD: MESSAGE", both pairs where known; or one JSON object (RFC
// 8259). Under systemd each line begins with its priority (sd-daemon(3)), and text leaves the time to the
// journal. What repeats is limited (control/log/limiter.h). Secrets don't belong in a message: whoever writes
// one names files and addresses, never their content. Threading: thread-safe; set_up(process, ...) before
// other threads start. Not on the hot path: a line is a system call.
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <utility>

namespace headgate::log {

enum class Level { trace, debug, info, warning, error };

struct Settings {
  Level level = Level::info;
  bool json = false;
  bool operator==(const Settings&) const = default;
};

// Names as in the node file; anything else counts as the default.
Settings settings_of(std::string_view level, std::string_view format);

// `process`: "control", "bridge".
void set_up(std::string_view process, const Settings& settings);
void set_up(const Settings& settings);

// What a line is about; "" where that is not known.
struct About {
  std::string_view channel;
  std::string_view reason;
  bool limited = true;  // false for what must never be left out: alarms, applies
};

// The line without its newline: pure. `journal`: for systemd's.
std::string format_line(Level level, std::string_view process, const About& about, std::string_view message,
                        bool json, bool journal, long long unix_ns);

bool is_on(Level level) noexcept;
// `site` tells lines of one kind from others: where it is written.
void write(Level level, const About& about, std::string_view site, std::string_view message);
// Tells what was suppressed in periods that are over; about once a second.
void on_tick();

template <typename... Args>
void line(Level level, const About& about, fmt::format_string<Args...> format, Args&&... args) {
  if (!is_on(level)) return;
  const auto site = fmt::string_view(format);
  write(level, about, {site.data(), site.size()}, fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  line(Level::debug, About{}, format, std::forward<Args>(args)...);
}
template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  line(Level::info, About{}, format, std::forward<Args>(args)...);
}
template <typename... Args>
void info(const About& about, fmt::format_string<Args...> format, Args&&... args) {
  line(Level::info, about, format, std::forward<Args>(args)...);
}
template <typename... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  line(Level::warning, About{}, format, std::forward<Args>(args)...);
}
template <typename... Args>
void warning(const About& about, fmt::format_string<Args...> format, Args&&... args) {
  line(Level::warning, about, format, std::forward<Args>(args)...);
}
template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  line(Level::error, About{}, format, std::forward<Args>(args)...);
}
template <typename... Args>
void error(const About& about, fmt::format_string<Args...> format, Args&&... args) {
  line(Level::error, about, format, std::forward<Args>(args)...);
}

}  // namespace headgate::log
