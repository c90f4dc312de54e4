#include "mpegts/monitor/pcr_monitor.h"

#include <algorithm>

namespace headgate::mpegts {
namespace {

constexpr std::uint64_t kTicksPerMs = 27'000;
constexpr std::uint64_t kLongestStep = 1000 * kTicksPerMs;  // what is farther is a jump, not a gap
constexpr std::uint64_t kRepetition = static_cast<std::uint64_t>(kPcrLimit.count()) * kTicksPerMs;
constexpr std::uint64_t kRepetitionDvb = 40 * kTicksPerMs;

}  // namespace

PcrMonitor::Step PcrMonitor::on_pcr(Pcr27MHz pcr, bool signalled,
                                    std::optional<std::int64_t> arrival_ns) noexcept {
  const std::uint64_t now = pcr.ticks % kPcrModulus;
  const std::uint64_t step = (now + kPcrModulus - last_) % kPcrModulus;
  const bool first = !any_;
  const bool jump = !first && !signalled && step > kLongestStep;
  Step result;
  ++info_.count;
  if (signalled) ++info_.signalled_discontinuities;
  if (jump) ++info_.discontinuities;
  if (!first && !signalled && step > kRepetition) ++indicator_errors_;
  if (!first && !signalled && !jump) {
    result = {true, step};
    if (now < last_) ++info_.wraps;
    ++intervals_;
    interval_sum_ += step;
    interval_max_ = std::max(interval_max_, step);
    if (step > kRepetitionDvb) ++info_.over_40ms;
    if (step > kRepetition) ++info_.over_100ms;
  }
  if (arrival_ns) {
    if (!first && *arrival_ns - last_arrival_ns_ > std::chrono::nanoseconds(kPcrLimit).count())
      ++repetition_errors_;
    track_jitter(static_cast<std::int64_t>(step), *arrival_ns, !result.usable);
    last_arrival_ns_ = *arrival_ns;
  } else if (result.usable && step > kRepetition) {
    ++repetition_errors_;
  }
  any_ = true;
  last_ = now;
  return result;
}

// Peak to peak of arrival minus PCR since the last discontinuity; the widest such stretch counts.
void PcrMonitor::track_jitter(std::int64_t ticks, std::int64_t arrival_ns, bool restart) noexcept {
  if (restart || !jitter_started_) {
    jitter_started_ = true;
    elapsed_ticks_ = 0;
    first_arrival_ns_ = arrival_ns;
    deviation_min_ = deviation_max_ = 0;
    return;
  }
  elapsed_ticks_ += ticks;
  const double deviation = static_cast<double>(arrival_ns - first_arrival_ns_) / 1e6 -
                           static_cast<double>(elapsed_ticks_) / kTicksPerMs;
  deviation_min_ = std::min(deviation_min_, deviation);
  deviation_max_ = std::max(deviation_max_, deviation);
  jitter_ms_ = std::max(jitter_ms_, deviation_max_ - deviation_min_);
}

PcrInfo PcrMonitor::info() const noexcept {
  PcrInfo info = info_;
  info.interval_max_ms = static_cast<double>(interval_max_) / kTicksPerMs;
  if (intervals_ > 0)
    info.interval_avg_ms = static_cast<double>(interval_sum_) / kTicksPerMs / static_cast<double>(intervals_);
  if (jitter_started_) info.jitter_ms = jitter_ms_;
  return info;
}

}  // namespace headgate::mpegts
