#include "mpegts/clock/drift_estimate.h"

#include <algorithm>
#include <cmath>

namespace headgate::mpegts {
namespace {

constexpr std::size_t kJudged = 6;  // windows before a further one can be told to lie off the line
constexpr int kStrays = 3;
constexpr double kStrayFloor = 0.005;
constexpr double kStraySpreads = 6;
// The best that a network gives; and neighbouring windows err alike, which the formula doesn't know.
constexpr double kSpreadFloor = 0.0005;
constexpr double kAlike = 2;
constexpr double kFastest = 450e-6;

}  // namespace

void DriftEstimate::add(double time, double lateness) noexcept {
  if (count_ >= kJudged) {
    const double off = lateness - (mean_lateness_ + slope_ * (time - mean_time_));
    if (std::abs(off) > std::max(kStrayFloor, kStraySpreads * spread_)) {
      if (++strays_ < kStrays) return;
      restart();
    }
  }
  strays_ = 0;
  windows_[next_] = {time, lateness};
  next_ = (next_ + 1) % kWindows;
  count_ = std::min(count_ + 1, kWindows);
  fit();
}

void DriftEstimate::restart() noexcept {
  believed_ = rate_;
  belief_error_ = std::max(error_, count_ > 0 ? kLaterBelief : error_);
  error_ = belief_error_;
  count_ = 0;
  strays_ = 0;
}

void DriftEstimate::fit() noexcept {
  if (count_ < 3) return;
  const auto each = [this](auto&& visit) {
    for (std::size_t i = 0; i < count_; ++i) visit(windows_[(next_ + kWindows - 1 - i) % kWindows]);
  };
  const auto n = static_cast<double>(count_);
  double times = 0, latenesses = 0;
  each([&](const Window& w) {
    times += w.time;
    latenesses += w.lateness;
  });
  mean_time_ = times / n;
  mean_lateness_ = latenesses / n;
  double tt = 0, tl = 0, ll = 0;
  each([&](const Window& w) {
    const double t = w.time - mean_time_;
    const double l = w.lateness - mean_lateness_;
    tt += t * t;
    tl += t * l;
    ll += l * l;
  });
  if (tt <= 0) return;
  slope_ = tl / tt;
  spread_ = std::max(kSpreadFloor, std::sqrt(std::max(0.0, ll - slope_ * tl) / (n - 2)));
  const double measured = kAlike * kAlike * spread_ * spread_ / tt;  // variance of the slope
  const double belief = belief_error_ * belief_error_;
  // Later and later means slower than ours.
  rate_ = std::clamp((-slope_ * belief + believed_ * measured) / (belief + measured), -kFastest, kFastest);
  error_ = std::sqrt(belief * measured / (belief + measured));
}

}  // namespace headgate::mpegts
