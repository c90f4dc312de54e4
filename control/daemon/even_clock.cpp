#include "control/daemon/even_clock.h"

#include <time.h>

namespace headgate::control {
namespace {

constexpr std::int64_t kSlewNs = 100'000'000;

std::int64_t reading_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

std::int64_t clock_base_ns() {
  static const std::int64_t kBase = reading_ns(CLOCK_REALTIME) - reading_ns(CLOCK_MONOTONIC);
  return kBase;
}

std::int64_t unix_now_ns() { return reading_ns(CLOCK_MONOTONIC) + clock_base_ns(); }

std::int64_t wall_now_ns() { return reading_ns(CLOCK_REALTIME); }

std::int64_t clock_steps_ns() {
  const std::int64_t steps = wall_now_ns() - unix_now_ns();
  return steps > kSlewNs || steps < -kSlewNs ? steps : 0;
}

}  // namespace headgate::control
