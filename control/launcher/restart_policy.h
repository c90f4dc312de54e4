// When to start a process again after it died: at once after the first death, then with growing pauses, so
// that a process that cannot live costs nothing. Pure: time is an argument. Threading: one owner.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

namespace headgate::control {

class RestartPolicy {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kFirstPause{100};
  static constexpr std::chrono::milliseconds kLongestPause{10'000};
  static constexpr std::chrono::seconds kHealthyAfter{60};
  static constexpr std::chrono::seconds kCrashLoopWindow{60};
  static constexpr std::size_t kCrashLoopDeaths = 4;

  void on_start(Clock::time_point now) { started_ = now; }
  // The moment to start it again.
  Clock::time_point on_death(Clock::time_point now);
  // Four deaths in the last minute. Stays until the process has kept alive.
  bool crash_loop(Clock::time_point now) const;
  std::uint64_t deaths() const noexcept { return deaths_; }

 private:
  Clock::time_point started_{};
  std::deque<Clock::time_point> recent_;  // at most kCrashLoopDeaths
  std::uint32_t in_a_row_ = 0;
  std::uint64_t deaths_ = 0;
};

}  // namespace headgate::control
