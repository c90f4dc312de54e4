// When a worker that died is started again, and when it is not: pauses that double, and after so many deaths
// in a while quarantine, from which one new try leads out.
// Threading: pure; time is an argument.
#pragma once

#include <chrono>
#include <deque>

#include "dataplane/transcode/limits.h"

namespace headgate::transcode {

class Strikes {
 public:
  using Clock = std::chrono::steady_clock;
  explicit Strikes(const Rules& rules) : rules_(rules), pause_(rules.first_pause) {}

  void on_start(Clock::time_point now);
  // When to start it again.
  Clock::time_point on_death(Clock::time_point now);
  bool quarantined() const noexcept { return quarantined_; }

 private:
  void forget(Clock::time_point now);

  const Rules& rules_;
  std::deque<Clock::time_point> deaths_;  // at most `strikes`
  std::chrono::milliseconds pause_;
  Clock::time_point started_{};
  bool quarantined_ = false;
  bool probation_ = false;  // it came out of quarantine, and any death leads back
};

}  // namespace headgate::transcode
