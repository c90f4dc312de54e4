// Private to this folder: ages, rates and counts as people say them. Threading: pure.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <string>

namespace headgate::control::words {

inline constexpr std::int64_t kSecondNs = 1'000'000'000;
// What is judged over 10 s is found so late after it began: a cause may look so much younger than what it
// explains.
inline constexpr std::int64_t kFoundLateNs = 15 * kSecondNs;

// "12 s", "5 min", "2 h 10 min", "4 d 2 h"
inline std::string age(std::int64_t nanoseconds) {
  const std::int64_t seconds = nanoseconds > 0 ? nanoseconds / 1'000'000'000 : 0;
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 7200) return fmt::format("{} min", seconds / 60);
  if (seconds < 172'800) return fmt::format("{} h {} min", seconds / 3600, seconds / 60 % 60);
  return fmt::format("{} d {} h", seconds / 86'400, seconds / 3600 % 24);
}

// "4.02 Mb/s"
inline std::string rate(std::uint64_t bits_per_second) {
  const auto value = static_cast<double>(bits_per_second);
  return bits_per_second >= 1'000'000 ? fmt::format("{:.2f} Mb/s", value / 1e6)
                                      : fmt::format("{:.0f} kb/s", value / 1e3);
}

inline std::string percent(double share) { return fmt::format("{:.0f} %", share * 100); }

inline std::string pid(std::uint16_t number) { return fmt::format("0x{:04x}", number); }

}  // namespace headgate::control::words
