// A line that tells at which Unix time a tick of a stream's 27 MHz clock falls, and back. Its slope changes
// without a step: the line turns about a point of itself. Threading: owned by one thread.
#pragma once

#include <cmath>
#include <cstdint>

#include "mpegts/packet/types.h"

namespace headgate::mpegts {

constexpr std::int64_t ns_to_ticks(std::int64_t ns) noexcept {
  return ns / 1000 * 27 + ns % 1000 * 27 / 1000;
}

class ClockMap {
 public:
  std::int64_t to_ns(std::int64_t tick) const noexcept {
    return ns_ + nearest(static_cast<double>(tick - tick_) * ns_per_tick_);
  }
  std::int64_t to_tick(std::int64_t ns) const noexcept {
    return tick_ + nearest(static_cast<double>(ns - ns_) * ticks_per_ns_);
  }
  // How much faster than ours the ticks come: 1e-6 is 1 ppm.
  double rate() const noexcept { return rate_; }

  // The tick falls at this time; the slope stays.
  void anchor(std::int64_t tick, std::int64_t ns) noexcept {
    tick_ = tick;
    ns_ = ns;
  }
  // Another slope from this tick on, at which the line doesn't move.
  void turn(double rate, std::int64_t tick) noexcept {
    anchor(tick, to_ns(tick));
    rate_ = rate;
    ns_per_tick_ = kNsPerTick / (1 + rate);
    ticks_per_ns_ = 1 / ns_per_tick_;
  }
  void shift(std::int64_t ns) noexcept { ns_ += ns; }

 private:
  static constexpr double kNsPerTick = 1000.0 / 27.0;
  // std::llround is a call, and this is done for each packet.
  static std::int64_t nearest(double value) noexcept {
    return static_cast<std::int64_t>(value + (value < 0 ? -0.5 : 0.5));
  }
  std::int64_t tick_ = 0;
  std::int64_t ns_ = 0;
  double rate_ = 0;
  double ns_per_tick_ = kNsPerTick;
  double ticks_per_ns_ = 1 / kNsPerTick;
};

}  // namespace headgate::mpegts
