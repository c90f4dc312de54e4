#include "control/log/log.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <ctime>
#include <mutex>
#include <nlohmann/json.hpp>

#include "control/log/limiter.h"

namespace headgate::log {
namespace {

constexpr std::array<const char*, 5> kNames{"trace", "debug", "info", "warning", "error"};
constexpr std::array<char, 5> kPriorities{'7', '7', '6', '4', '3'};  // sd-daemon(3), syslog(3)

std::atomic<Level> g_level{Level::info};
std::atomic<bool> g_json{false};

struct Log {
  std::mutex mutex;
  std::string process = "headgate";
  bool journal = false;
  Limiter limiter;
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

long long unix_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<long long>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

// RFC 3339
std::string time_of(long long unix_ns) {
  const std::time_t seconds = unix_ns / 1'000'000'000;
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  char date[32], zone[16];
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
  std::strftime(zone, sizeof zone, "%z", &parts);
  std::string offset(zone);
  if (offset.size() == 5) offset.insert(3, ":");
  return fmt::format("{}.{:03}{}", date, unix_ns / 1'000'000 % 1000, offset);
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

// Under the lock.
void put(const Log& log, Level level, const About& about, std::string_view message) {
  const std::string line =
      format_line(level, log.process, about, message, g_json.load(), log.journal, unix_ns()) + "\n";
  // In one piece, as other processes write there too. What can't be written is lost.
  if (::write(STDERR_FILENO, line.data(), line.size()) < 0) return;
}

void tell_suppressed(Log& log, long long now) {
  for (const auto& [channel, reason, lines] : log.limiter.take_suppressed(now))
    put(log, Level::info, {channel, reason},
        fmt::format("suppressed {} more lines like the last ones", lines));
}

}  // namespace

Settings settings_of(std::string_view level, std::string_view format) {
  Settings settings;
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (level == kNames[i]) settings.level = static_cast<Level>(i);
  }
  settings.json = format == "json";
  return settings;
}

void set_up(std::string_view process, const Settings& settings) {
  Log& log = the_log();
  const std::lock_guard lock(log.mutex);
  log.process = process;
  log.journal = goes_to_journal();
  ::tzset();  // reads a file, which a sandbox may forbid later
  set_up(settings);
}

void set_up(const Settings& settings) {
  g_level = settings.level;
  g_json = settings.json;
}

std::string format_line(Level level, std::string_view process, const About& about, std::string_view message,
                        bool json, bool journal, long long at_ns) {
  const char* name = kNames[static_cast<std::size_t>(level)];
  std::string line;
  if (journal) line = {'<', kPriorities[static_cast<std::size_t>(level)], '>'};
  if (json) {
    nlohmann::ordered_json object = {{"time", time_of(at_ns)}, {"level", name}, {"process", process}};
    if (!about.channel.empty()) object["channel"] = about.channel;
    if (!about.reason.empty()) object["reason"] = about.reason;
    object["message"] = message;
    return line + object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  }
  if (!journal) line += time_of(at_ns) + " ";
  line += fmt::format("{} {}", name, process);
  if (!about.channel.empty()) line += " channel=" + on_one_line(about.channel);
  if (!about.reason.empty()) line += " reason=" + on_one_line(about.reason);
  return line + ": " + on_one_line(message);
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
