// Unix time in nanoseconds, as status and ring slots have it. Threading: pure.
#pragma once

#include <chrono>
#include <cstdint>

namespace headgate::bridge::hub {

inline std::int64_t unix_now_ns() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

}  // namespace headgate::bridge::hub
