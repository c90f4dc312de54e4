#include "control/launcher/log.h"

#include <fmt/core.h>

#include <array>
#include <atomic>
#include <ctime>
#include <nlohmann/json.hpp>

namespace headgate::control {
namespace {

constexpr std::array<const char*, 5> kNames{"trace", "debug", "info", "warning", "error"};

std::string g_process = "headgate";
std::string g_prefix = "headgate";
std::atomic<LogLevel> g_level{LogLevel::info};
std::atomic<bool> g_json{false};

}  // namespace

LogSettings log_settings(std::string_view level, std::string_view format) {
  LogSettings settings;
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (level == kNames[i]) settings.level = static_cast<LogLevel>(i);
  }
  settings.json = format == "json";
  return settings;
}

void set_up_log(std::string_view process, std::string_view prefix, const LogSettings& settings) {
  g_process = process;
  g_prefix = prefix;
  set_up_log(settings);
}

void set_up_log(const LogSettings& settings) {
  g_level = settings.level;
  g_json = settings.json;
}

std::string format_log_line(LogLevel level, std::string_view process, std::string_view prefix, bool json,
                            std::string_view message, long long unix_ns) {
  const char* name = kNames[static_cast<std::size_t>(level)];
  if (!json) {
    const bool notable = level == LogLevel::warning || level == LogLevel::error;
    return fmt::format("{}: {}{}{}", prefix, notable ? name : "", notable ? ": " : "", message);
  }
  const std::time_t seconds = unix_ns / 1'000'000'000;
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  char date[32], zone[16];
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
  std::strftime(zone, sizeof zone, "%z", &parts);
  std::string offset(zone);  // RFC 3339: with a colon
  if (offset.size() == 5) offset.insert(3, ":");
  const nlohmann::ordered_json line = {
      {"time", fmt::format("{}.{:03}{}", date, unix_ns / 1'000'000 % 1000, offset)},
      {"level", name},
      {"process", process},
      {"message", message}};
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

void log(LogLevel level, std::string_view message) {
  if (level < g_level.load()) return;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const auto line = format_log_line(level, g_process, g_prefix, g_json.load(), message,
                                    static_cast<long long>(now.tv_sec) * 1'000'000'000 + now.tv_nsec);
  fmt::print(stderr, "{}\n", line);
}

}  // namespace headgate::control
