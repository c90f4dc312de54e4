// When a worker that died is started again, and when it is not: pauses that double, and after so many deaths
// in a while quarantine, from which one new try leads out.
// Threading: pure; time is an argument.
#pragma once

#include <chrono>
#include <deque>
#include <optional>

#include "dataplane/transcode/limits.h"

namespace headgate::transcode {

class Strikes {
 public:
  using Clock = std::chrono::steady_clock;
  // What a supervisor that takes another's place has to know: who was in quarantine remains there.
  struct Record {
    std::deque<Clock::time_point> deaths;
    std::optional<Clock::time_point> quarantined_until;
  };
  explicit Strikes(const Rules& rules) : rules_(rules), pause_(rules.first_pause) {}
  // Of another, to one that knows nothing yet. What is too old to matter, or can't be, is left out.
  void restore(const Record& record, Clock::time_point now);

  void on_start(Clock::time_point now);
  // When to start it again. Not `blamed`: it leads to a pause, never to quarantine.
  Clock::time_point on_death(Clock::time_point now, bool blamed = true);
  bool quarantined() const noexcept { return quarantined_; }
  // From when on; the past where it is not in quarantine.
  Clock::time_point quarantined_until() const noexcept { return until_; }
  Record record() const;

 private:
  void forget(Clock::time_point now);

  const Rules& rules_;
  std::deque<Clock::time_point> deaths_;  // at most `strikes`
  std::chrono::milliseconds pause_;
  Clock::time_point started_{};
  Clock::time_point until_{};  // of the last quarantine
  bool quarantined_ = false;
  bool probation_ = false;  // it came out of quarantine, and any death leads back
};

}  // namespace headgate::transcode
