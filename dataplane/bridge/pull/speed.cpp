#include "dataplane/bridge/pull/speed.h"

#include <algorithm>

namespace headgate::bridge::pull {

void Speed::reset() {
  elapsed_ = std::chrono::nanoseconds{0};
  least_.reset();
  goal_.reset();
  factor_ = 1;
}

void Speed::on_level(std::chrono::nanoseconds level, std::chrono::nanoseconds elapsed) {
  least_ = least_ ? std::min(*least_, level) : level;
  elapsed_ += elapsed;
  if (elapsed_ < window_) return;
  if (!goal_) {
    // What it began with, but not so little that every late packet is felt.
    goal_ = std::max<std::chrono::nanoseconds>(*least_, std::chrono::milliseconds(50));
  } else {
    const double error = std::chrono::duration<double>(*least_ - *goal_).count();
    factor_ = 1 + std::clamp(error / kSecondsToSettle, -kMost, kMost);
  }
  elapsed_ = std::chrono::nanoseconds{0};
  least_.reset();
}

}  // namespace headgate::bridge::pull
