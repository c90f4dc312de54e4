// Nanoseconds since 1970 by the system's clock, as states and slots carry them. Not for measuring: it can be
// set.
#pragma once

#include <chrono>
#include <cstdint>

namespace headgate::bridge {

inline std::int64_t unix_ns() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

}  // namespace headgate::bridge
