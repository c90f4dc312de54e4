#include "control/log/log.h"

#include <spdlog/details/log_msg.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>

#include "control/log/limiter.h"

namespace headgate::log {
namespace {

using SystemTime = std::chrono::system_clock::time_point;

std::atomic<Level> g_level{Level::info};
std::atomic<bool> g_json{false};

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::trace:
      return spdlog::level::trace;
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

// sd-daemon(3), syslog(3)
class Priority final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    static constexpr std::array<char, 7> kOf{'7', '7', '6', '4', '3', '2', '7'};
    for (const char c : {'<', kOf[static_cast<std::size_t>(message.level)], '>'}) out.push_back(c);
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<Priority>(); }
};

// RFC 3339 times.
std::unique_ptr<spdlog::pattern_formatter> formatter_of(bool json, bool journal, const std::string& end) {
  constexpr const char* kTime = "%Y-%m-%dT%H:%M:%S.%e%z";
  std::string pattern = journal ? "%*" : "";
  if (json) {
    pattern += fmt::format(R"({{"time":"{}","level":"%l","process":"%n",%v}})", kTime);
  } else {
    pattern += fmt::format("{}%l %n%v", journal ? "" : fmt::format("{} ", kTime));
  }
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::local, end);
  formatter->add_flag<Priority>('*').set_pattern(pattern);
  return formatter;
}

struct Log {
  Log() { sink.set_formatter(formatter_of(false, false, "\n")); }
  std::mutex mutex;
  std::string process = "headgate";
  bool journal = false;
  Limiter limiter;
  spdlog::sinks::stderr_sink_st sink;
};

Log& the_log() {
  static Log log;
  return log;
}

// systemd.exec(5): JOURNAL_STREAM names the device and inode of the journal's stream.
bool goes_to_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat here {};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &here) != 0) return false;
  return fmt::format("{}:{}", here.st_dev, here.st_ino) == stream;
}

// What a client or a file brought must neither begin a line nor command a terminal.
std::string on_one_line(std::string_view text) {
  std::string line;
  line.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n')
      line += "\\n";
    else if (byte < 0x20 || byte == 0x7F)
      line += fmt::format("\\x{:02x}", byte);
    else
      line += c;
  }
  return line;
}

// What stands behind the process: members of the line's object, or text.
std::string body_of(const About& about, std::string_view message, bool json) {
  if (json) {
    nlohmann::ordered_json members;
    if (!about.channel.empty()) members["channel"] = about.channel;
    if (!about.reason.empty()) members["reason"] = about.reason;
    members["message"] = message;
    const std::string object = members.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
    return object.substr(1, object.size() - 2);
  }
  std::string text;
  if (!about.channel.empty()) text += " channel=" + on_one_line(about.channel);
  if (!about.reason.empty()) text += " reason=" + on_one_line(about.reason);
  return text + ": " + on_one_line(message);
}

// Under the lock. What can't be written is lost.
void put(Log& log, Level level, const About& about, std::string_view message) {
  const std::string body = body_of(about, message, g_json.load());
  log.sink.log({log.process, spdlog_level(level), body});
}

void tell_suppressed(Log& log, long long now) {
  for (const auto& [channel, reason, lines] : log.limiter.take_suppressed(now))
    put(log, Level::info, {channel, reason},
        fmt::format("suppressed {} more lines like the last ones", lines));
}

long long unix_ns() {
  return std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Under the lock.
void choose_form(Log& log) { log.sink.set_formatter(formatter_of(g_json.load(), log.journal, "\n")); }

}  // namespace

Settings settings_of(std::string_view level, std::string_view format) {
  Settings settings;
  constexpr std::array<std::string_view, 5> kNames{"trace", "debug", "info", "warning", "error"};
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (level == kNames[i]) settings.level = static_cast<Level>(i);
  }
  settings.json = format == "json";
  return settings;
}

void set_up(std::string_view process, const Settings& settings) {
  Log& log = the_log();
  {
    const std::lock_guard lock(log.mutex);
    log.process = process;
    log.journal = goes_to_journal();
    ::tzset();  // reads a file, which a sandbox may forbid later
  }
  set_up(settings);
}

void set_up(const Settings& settings) {
  Log& log = the_log();
  const std::lock_guard lock(log.mutex);
  g_level = settings.level;
  g_json = settings.json;
  choose_form(log);
}

std::string format_line(Level level, std::string_view process, const About& about, std::string_view message,
                        bool json, bool journal, long long at_ns) {
  const std::string body = body_of(about, message, json);
  const SystemTime at{std::chrono::nanoseconds(at_ns)};
  spdlog::memory_buf_t line;
  formatter_of(json, journal, "")
      ->format({at, {}, {process.data(), process.size()}, spdlog_level(level), body}, line);
  return {line.data(), line.size()};
}

bool is_on(Level level) noexcept { return level >= g_level.load(std::memory_order_relaxed); }

void write(Level level, const About& about, std::string_view site, std::string_view message) {
  if (!is_on(level)) return;
  Log& log = the_log();
  const std::lock_guard lock(log.mutex);
  const long long now = unix_ns();
  tell_suppressed(log, now);
  if (about.limited && !log.limiter.may(about.channel, about.reason, site, now)) return;
  put(log, level, about, message);
}

void on_tick() {
  Log& log = the_log();
  const std::lock_guard lock(log.mutex);
  tell_suppressed(log, unix_ns());
}

}  // namespace headgate::log
