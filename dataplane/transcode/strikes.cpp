#include "dataplane/transcode/strikes.h"

#include <algorithm>

namespace headgate::transcode {

void Strikes::restore(const Record& record, Clock::time_point now) {
  for (const auto death : record.deaths) {
    if (death <= now && now - death <= rules_.strike_window && deaths_.size() + 1 < rules_.strikes)
      deaths_.push_back(death);
  }
  // One that ended long ago was survived.
  if (!record.quarantined_until || now - *record.quarantined_until > rules_.strike_window) return;
  until_ = std::min(*record.quarantined_until, now + rules_.quarantine);
  quarantined_ = true;
}

Strikes::Record Strikes::record() const {
  Record record{deaths_, {}};
  if (quarantined_) record.quarantined_until = until_;
  return record;
}

void Strikes::forget(Clock::time_point now) {
  while (!deaths_.empty() && now - deaths_.front() > rules_.strike_window) deaths_.pop_front();
}

void Strikes::on_start(Clock::time_point now) {
  started_ = now;
  probation_ = probation_ || quarantined_;
  quarantined_ = false;
}

Strikes::Clock::time_point Strikes::on_death(Clock::time_point now, bool blamed) {
  forget(now);
  const auto lived = now - started_;
  if (blamed) deaths_.push_back(now);
  if (probation_ && lived > rules_.strike_window) probation_ = false;
  if (blamed && (probation_ || deaths_.size() >= rules_.strikes)) {
    deaths_.clear();
    quarantined_ = true;
    pause_ = rules_.first_pause;
    return until_ = now + rules_.quarantine;
  }
  if (lived > 2 * rules_.last_pause) pause_ = rules_.first_pause;
  const auto pause = pause_;
  pause_ = std::min(pause_ * 2, rules_.last_pause);
  return now + pause;
}

}  // namespace headgate::transcode
