#include "mpegts/clock/level_control.h"

#include <algorithm>
#include <cmath>

#include "mpegts/packet/types.h"

namespace headgate::mpegts {
namespace {

constexpr std::int64_t kWindow = 10'000'000'000;
constexpr int kFewestSamples = 8;
// An error of the level is worked off at this pace: 20 ppm for a tenth of a second (steady).
constexpr double kLearningTime = 2000;
constexpr double kSteadyTime = 5000;
constexpr double kDangerTime = 200;
// Steady from when the drift is known so well, or as well as so many windows can tell (half an hour), and
// followed so closely.
constexpr double kKnown = 1e-6;
constexpr std::size_t kPatience = 180;
constexpr double kFollowed = 0.3e-6;

double seconds(std::int64_t ns) noexcept { return static_cast<double>(ns) / 1e9; }

}  // namespace

double LevelControl::sample(std::int64_t arrival_ns, std::int64_t tick, std::int64_t wait_ns) noexcept {
  if (!based_) {
    based_ = true;
    base_arrival_ = last_arrival_ = arrival_ns;
    base_tick_ = tick;
    window_ = {};
  }
  if (window_.samples > 0 && arrival_ns - window_.begin_ns >= kWindow) close();
  if (window_.samples == 0) {
    window_.begin_ns = arrival_ns;
    window_.longest_wait = wait_ns;
  }
  const double arrival = seconds(arrival_ns - base_arrival_);
  ++window_.samples;
  window_.arrivals += arrival;
  window_.latenesses +=
      arrival - static_cast<double>(tick - base_tick_) / static_cast<double>(kTicksPerSecond);
  window_.waits += static_cast<double>(wait_ns);
  window_.longest_wait = std::max(window_.longest_wait, wait_ns);

  const double elapsed = std::clamp(seconds(arrival_ns - last_arrival_), 0.0, 1.0);
  last_arrival_ = arrival_ns;
  rate_ += std::clamp(target_ - rate_, -change_ * elapsed, change_ * elapsed);
  return rate_;
}

void LevelControl::close() noexcept {
  const double n = window_.samples;
  if (window_.samples >= kFewestSamples) {
    const double wait = window_.waits / n;
    swing_ns_ =
        std::clamp<std::int64_t>(window_.longest_wait - static_cast<std::int64_t>(wait), 0, buffer_ns_);
    drift_.add(window_.arrivals / n, window_.latenesses / n);
    aim(wait / 1e9 - seconds(buffer_ns_));
  }
  window_ = {};
}

// Excess: how many seconds longer than it should a packet waits.
void LevelControl::aim(double excess) noexcept {
  const double room = seconds(std::max<std::int64_t>(buffer_ns_, 1'000'000'000));
  const bool danger = excess < -0.3 * seconds(buffer_ns_) || excess > 0.5 * room;
  double correction = 0;
  if (danger) {
    steady_ = false;
    change_ = kDangerChange;
    correction = std::clamp(excess / kDangerTime, -kFastest, kFastest);
  } else {
    change_ = steady_ ? kSteadyChange : kLearningChange;
    // Never faster than can be braked in time.
    const double braking = 0.7 * std::sqrt(2 * change_ * std::abs(excess));
    const double most = std::min(steady_ ? kSteadyCorrection : kLearningCorrection, braking);
    correction = std::clamp(excess / (steady_ ? kSteadyTime : kLearningTime), -most, most);
  }
  target_ = std::clamp(drift_.rate() + correction, -kFastest, kFastest);
  const bool known = drift_.error() < kKnown || drift_.windows() >= kPatience;
  if (!danger && known && std::abs(target_ - rate_) < kFollowed) steady_ = true;
}

void LevelControl::restart_clock() noexcept {
  drift_.restart();
  window_ = {};
  based_ = false;
}

void LevelControl::shift(std::int64_t ns) noexcept {
  base_arrival_ += ns;
  last_arrival_ += ns;
  window_ = {};
}

}  // namespace headgate::mpegts
