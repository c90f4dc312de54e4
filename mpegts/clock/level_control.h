// Decides how fast a buffer is emptied: as fast as the source's clock runs against ours (DriftEstimate), and
// a little faster or slower while packets wait longer or shorter on average than they should. Averages are
// over ten seconds, so bursts don't move it. References: ISO/IEC 13818-1:2022 2.4.2.1 (27 MHz +- 30 ppm,
// changing by at most 75 mHz a second). Threading: owned by one thread; no allocation.
#pragma once

#include <cstdint>

#include "mpegts/clock/drift_estimate.h"

namespace headgate::mpegts {

class LevelControl {
 public:
  static constexpr double kFastest = 500e-6;  // the rate is never farther from 1
  // Of it for the level alone, but in danger: with a source that is right this stays within 30 ppm; receivers
  // follow the other too (they pull their clocks by 100 ppm or so).
  static constexpr double kSteadyCorrection = 20e-6;
  static constexpr double kLearningCorrection = 50e-6;
  static constexpr double kSteadyChange = 0.075 / 27e6;  // a second: 75 mHz of 27 MHz, 2.4.2.1
  // DEVIATES: 2.4.2.1: the rate changes faster while a source's clock is being learnt (the first quarter of
  // an hour or so) and while the buffer is about to run empty or over; the alternative is a gap.
  static constexpr double kLearningChange = 0.5e-6;
  static constexpr double kDangerChange = 1e-6;

  explicit LevelControl(std::int64_t buffer_ns) noexcept : buffer_ns_(buffer_ns) {}

  // A packet with a PCR: when it came, where it lies on the stream's clock (27 MHz), and how long it will
  // have waited when it leaves. Gives the rate from now on: 1e-6 is 1 ppm faster than ours.
  double sample(std::int64_t arrival_ns, std::int64_t tick, std::int64_t wait_ns) noexcept;
  // Ticks to come don't compare with those so far.
  void restart_clock() noexcept;
  // The buffer was filled anew or cut: waits to come don't compare with those so far.
  void restart_level() noexcept { window_ = {}; }
  // Our clock was set by so much.
  void shift(std::int64_t ns) noexcept;

  double rate() const noexcept { return rate_; }
  double drift() const noexcept { return drift_.rate(); }
  bool steady() const noexcept { return steady_; }
  // How much longer than the average the earliest packet of a burst waits.
  std::int64_t swing_ns() const noexcept { return swing_ns_; }

 private:
  struct Window {
    std::int64_t begin_ns = 0;
    int samples = 0;
    double arrivals = 0, latenesses = 0, waits = 0;
    std::int64_t longest_wait = 0;
  };
  void close() noexcept;
  void aim(double excess) noexcept;

  std::int64_t buffer_ns_;
  DriftEstimate drift_;
  Window window_;
  bool based_ = false;
  std::int64_t base_arrival_ = 0;
  std::int64_t base_tick_ = 0;
  std::int64_t last_arrival_ = 0;
  std::int64_t swing_ns_ = 0;
  double rate_ = 0;
  double target_ = 0;
  double change_ = kLearningChange;
  bool steady_ = false;
};

}  // namespace headgate::mpegts
