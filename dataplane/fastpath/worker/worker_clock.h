// The worker's time: Unix time, and how far the system's clock was stepped since the start (a leap at boot,
// an operator's `date -s`). What is paced lives in Unix time without the steps, so that a step neither stops
// a buffer nor empties it at once. One reading of a clock a turn. Threading: owned by one thread.
#pragma once

#include <time.h>

#include <cstdint>

namespace headgate::fastpath {

class WorkerClock {
 public:
  struct Now {
    std::int64_t unix_ns = 0;
    std::int64_t steps_ns = 0;  // unix_ns less these goes on evenly
  };

  // `base_ns`: Unix time less CLOCK_MONOTONIC as it was at the start.
  explicit WorkerClock(std::int64_t base_ns) noexcept : base_ns_(base_ns) {}

  static std::int64_t base_now() noexcept { return read(CLOCK_REALTIME) - read(CLOCK_MONOTONIC); }

  Now now() noexcept {
    const std::int64_t monotonic = read(CLOCK_MONOTONIC);
    if (monotonic >= next_check_ns_) {
      next_check_ns_ = monotonic + kCheckNs;
      const std::int64_t stepped = read(CLOCK_REALTIME) - read(CLOCK_MONOTONIC) - base_ns_;
      // Slewing turns both clocks; what lies between the two readings is no step.
      if (stepped - steps_ns_ > kToleranceNs || steps_ns_ - stepped > kToleranceNs) steps_ns_ = stepped;
    }
    return {monotonic + base_ns_ + steps_ns_, steps_ns_};
  }

 private:
  static constexpr std::int64_t kCheckNs = 10'000'000;
  static constexpr std::int64_t kToleranceNs = 1'000'000;

  static std::int64_t read(clockid_t clock) noexcept {
    timespec time{};
    ::clock_gettime(clock, &time);  // in the vDSO: no system call
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  }

  std::int64_t base_ns_;
  std::int64_t steps_ns_ = 0;
  std::int64_t next_check_ns_ = 0;
};

}  // namespace headgate::fastpath
