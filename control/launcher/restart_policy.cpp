#include "control/launcher/restart_policy.h"

#include <algorithm>

namespace headgate::control {

RestartPolicy::Clock::time_point RestartPolicy::on_death(Clock::time_point now) {
  ++deaths_;
  if (now - started_ >= kHealthyAfter) in_a_row_ = 0;
  ++in_a_row_;
  recent_.push_back(now);
  while (recent_.size() > kCrashLoopDeaths) recent_.pop_front();
  if (in_a_row_ == 1) return now;
  const std::uint32_t doublings = std::min<std::uint32_t>(in_a_row_ - 2, 16);
  const auto pause = std::min(kFirstPause * (1U << doublings), kLongestPause);
  return now + pause;
}

bool RestartPolicy::crash_loop(Clock::time_point now) const {
  return recent_.size() >= kCrashLoopDeaths && now - recent_.front() < kCrashLoopWindow;
}

}  // namespace headgate::control
