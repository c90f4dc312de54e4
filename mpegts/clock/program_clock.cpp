#include "mpegts/clock/program_clock.h"

#include <algorithm>
#include <cmath>

namespace headgate::mpegts {
namespace {

constexpr auto kModulus = static_cast<std::int64_t>(kPcrModulus);
constexpr auto kHz = static_cast<double>(kTicksPerSecond);

constexpr std::int64_t kWindow = 10 * kTicksPerSecond;
// Clocks are within some tens of ppm of each other, and wander by this much in the square root of a second.
constexpr double kFirstPace = 50e-6;
constexpr double kWander = 1e-9;
// Of a window. The times between PCRs of another program are interpolated, and neighbouring windows err
// alike.
constexpr double kFirstPlace = 5e-3;  // of a PCR alone
constexpr double kFirstNoise = 0.3e-3;
constexpr double kLeastNoise = 20e-6;
constexpr double kAlike = 2;
constexpr double kNoiseShare = 1.0 / 32;
// Windows that lie to one side on average, by so many deviations of that average, mean a clock that wanders
// faster.
constexpr double kBiasShare = 1.0 / 8;
constexpr double kBias = 4;
constexpr double kWanderMore = 30;
// A window so many deviations off is left out; so many in a row are a step of the times that PCRs belong to.
constexpr double kStrayDeviations = 6;
constexpr int kStrays = 3;
// The line doesn't turn for less than so many deviations of what is known.
constexpr double kSure = 3;
// What it lacks is made up for in about this time, within these limits, never faster than can be braked.
constexpr double kLearningTime = 60;
constexpr double kSteadyTime = 1000;
constexpr double kLearningMost = 50e-6;
constexpr double kSteadyMost = 20e-6;
// Steady from when the rate is known so well and followed so closely, and little is lacking, which is made up
// for then; until the line lies far off.
constexpr double kKnown = 0.3e-6;
constexpr double kFollowed = 0.3e-6;
constexpr double kLittle = 0.01;
constexpr double kLost = 0.02;
// What lies so far off is fetched as fast as may be.
constexpr double kFar = 2.5 * ProgramClock::kMostLost;

// Nearer to nothing by so much.
double beyond(double value, double doubt) noexcept {
  return std::copysign(std::max(0.0, std::abs(value) - doubt), value);
}

std::int64_t modulo(std::int64_t ticks) noexcept { return (ticks % kModulus + kModulus) % kModulus; }

std::int64_t nearest(std::int64_t difference) noexcept {
  const std::int64_t rest = modulo(difference);
  return rest > kModulus / 2 ? rest - kModulus : rest;
}

double seconds_of(std::int64_t ticks) noexcept { return static_cast<double>(ticks) / kHz; }

}  // namespace

std::uint64_t ProgramClock::at(std::int64_t tick, std::int64_t offset) const noexcept {
  return static_cast<std::uint64_t>(modulo(tick + offset + std::llround(phase(tick))));
}

ProgramClock::Step ProgramClock::on_pcr(Pcr27MHz pcr, bool announced, std::int64_t tick) noexcept {
  const auto value = static_cast<std::int64_t>(pcr.ticks % kPcrModulus);
  const std::int64_t line = tick + std::llround(phase(tick));
  ahead_ = nearest(value - offset_ - line);
  const bool off = ahead_ > kJump || ahead_ < -kJump;
  tick_ = tick;
  if (used_ && !off && !announced) return Step::follows;
  const Step step = used_ && off ? Step::jumped : Step::first;
  used_ = true;
  offset_ = modulo(value - line);
  ahead_ = 0;
  learning_ = false;
  return step;
}

void ProgramClock::follow(std::int64_t from) noexcept {
  if (!learning_) {
    begin();
    turned_ = from;
  }
  if (tick_ - window_.begin >= kWindow) close();
  if (window_.count++ == 0) window_.begin = tick_;
  window_.ticks += static_cast<double>(tick_ - window_.begin);
  window_.seen += phase(tick_) / kHz + seconds_of(ahead_);
  aim(from);
}

void ProgramClock::begin() noexcept {
  learning_ = true;
  steady_ = false;
  learnt_ = tick_;
  place_ = phase(tick_) / kHz + seconds_of(ahead_);
  pace_ = rate_;
  noise_ = kFirstNoise * kFirstNoise;
  place_variance_ = kFirstPlace * kFirstPlace;
  covariance_ = 0;
  pace_variance_ = kFirstPace * kFirstPace;
  bias_ = before_ = 0;
  windows_ = strays_ = 0;
  change_ = kGentleChange;
  window_ = {};
  window_.begin = tick_;
}

void ProgramClock::close() noexcept {
  const double count = window_.count;
  const std::int64_t middle = window_.begin + std::llround(window_.ticks / count);
  predict(seconds_of(middle - learnt_));
  learnt_ = middle;
  correct(window_.seen / count);
  window_ = {};
}

void ProgramClock::lead(std::int64_t from) noexcept {
  const double change = kSteadyChange * std::clamp(seconds_of(tick_ - learnt_), 0.0, 1.0);
  learnt_ = tick_;
  learning_ = false;
  if (rate_ != 0) turn(rate_ - std::clamp(rate_, -change, change), from);
}

void ProgramClock::predict(double seconds) noexcept {
  place_ += pace_ * seconds;
  place_variance_ += (2 * covariance_ + pace_variance_ * seconds) * seconds;
  covariance_ += pace_variance_ * seconds;
  const bool biased =
      bias_ * bias_ > kBias * kBias * (place_variance_ + kAlike * kAlike * noise_) * kBiasShare / 2;
  const double wander = biased ? kWander * kWanderMore : kWander;
  pace_variance_ = std::min(pace_variance_ + wander * wander * seconds, kFirstPace * kFirstPace);
}

void ProgramClock::correct(double seen) noexcept {
  const double off = seen - place_;
  const double expected = place_variance_ + kAlike * kAlike * noise_;
  if (off * off > kStrayDeviations * kStrayDeviations * expected) {
    if (++strays_ < kStrays) return;
    // Another rate looks alike at first.
    place_ = seen;
    place_variance_ = noise_;
    covariance_ = 0;
    pace_variance_ = kFirstPace * kFirstPace;
    bias_ = before_ = 0;
    strays_ = 0;
    return;
  }
  strays_ = 0;
  // From one to the next, so that a bias is no noise.
  const double apart = off - before_;
  before_ = off;
  const double share = windows_++ == 0 ? 0 : std::max(kNoiseShare, 1.0 / (windows_ + 1));
  noise_ = std::max(kLeastNoise * kLeastNoise, noise_ + (apart * apart / 2 - noise_) * share);
  bias_ += (off - bias_) * kBiasShare;
  const double of_place = place_variance_ / expected;
  const double of_pace = covariance_ / expected;
  place_ += of_place * off;
  pace_ = std::clamp(pace_ + of_pace * off, -kFastest, kFastest);
  pace_variance_ = std::max(0.0, pace_variance_ - of_pace * covariance_);
  covariance_ -= of_pace * place_variance_;
  place_variance_ -= of_place * place_variance_;
}

void ProgramClock::aim(std::int64_t from) noexcept {
  const double known = std::sqrt(pace_variance_);
  const double place = place_ + pace_ * seconds_of(tick_ - learnt_);
  const double all = beyond(place - phase(tick_) / kHz, kSure * std::sqrt(place_variance_));
  const double other = beyond(pace_ - rate_, kSure * known);
  if (std::abs(all) > kLost) steady_ = false;
  if (std::abs(all) < kLittle && known < kKnown && std::abs(other) < kFollowed) steady_ = true;
  const double lacks = steady_ ? all : beyond(all, kLittle);
  // A slope that turns evenly to another loses half of what is between them, squared, over the change.
  change_ = std::clamp(other * other / (2 * kMostLost), change_, kLearningChange);
  if (steady_) change_ = kGentleChange;
  if (std::abs(all) > kFar) change_ = kLearningChange;
  const double change = steady_ ? kSteadyChange : change_;
  const double braking = 0.7 * std::sqrt(2 * change * std::abs(lacks));
  const double most = std::min(steady_ ? kSteadyMost : kLearningMost, braking);
  const double more = std::clamp(lacks / (steady_ ? kSteadyTime : kLearningTime), -most, most);
  const double room = change * std::clamp(seconds_of(from - turned_), 0.0, 1.0);
  const double target = std::clamp(rate_ + beyond(pace_ + more - rate_, kSure * known), -kFastest, kFastest);
  turn(rate_ + std::clamp(target - rate_, -room, room), from);
}

// The line doesn't move at `from`.
void ProgramClock::turn(double rate, std::int64_t from) noexcept {
  phase_ = phase(from);
  origin_ = turned_ = from;
  rate_ = rate;
}

}  // namespace headgate::mpegts
