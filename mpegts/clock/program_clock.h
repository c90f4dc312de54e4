// The clock of one program against a reference that counts 27 MHz, too: what its PCR says at any tick of the
// reference. A line that never steps but where the clock jumps; its slope follows the program's clock, which
// a filter of two states (distance and rate) tells from the means of ten seconds of PCRs that come early and
// late; it doesn't turn for less than is known. References: ISO/IEC 13818-1:2022 2.4.2.1 (27 MHz, changing by
// at most 75 mHz a second), 2.4.3.5. Threading: owned by one thread; no allocation.
#pragma once

#include <cstdint>

#include "mpegts/packet/types.h"

namespace headgate::mpegts {

class ProgramClock {
 public:
  static constexpr double kSteadyChange = 0.075 / 27e6;  // of the slope in a second: 2.4.2.1
  // DEVIATES: 2.4.2.1: faster while a clock is being learnt; the alternative is a PCR that lies seconds off.
  // Always so fast: 92 ns of PCR_AC over ten seconds.
  static constexpr double kGentleChange = 0.011e-6;
  // Faster where turning to the program's rate would cost more than so many seconds: 130 ns for clocks that
  // are 30 ppm apart, 500 ns for 60 ppm, which is all that 2.4.2.1 allows.
  static constexpr double kMostLost = 0.02;
  static constexpr double kLearningChange = 0.5e-6;
  static constexpr double kFastest = 600e-6;
  // A PCR farther than this from the line has jumped.
  static constexpr std::int64_t kJump = kTicksPerSecond / 10;

  enum class Step : std::uint8_t { follows, first, jumped };
  // A PCR that belongs to a tick of the reference. `announced`: its discontinuity_indicator.
  Step on_pcr(Pcr27MHz pcr, bool announced, std::int64_t tick) noexcept;
  // How far that PCR lay ahead of the line; 0 where it didn't follow.
  std::int64_t ahead() const noexcept { return ahead_; }
  // The PCR before is learnt from. No tick before `from` is asked for any more: the slope changes there.
  void follow(std::int64_t from) noexcept;
  // Or: the reference follows this clock, not this clock the reference. The slope goes to nothing.
  void lead(std::int64_t from) noexcept;

  // Between two jumps a constant; what waits when the clock jumps keeps the one before.
  std::int64_t offset() const noexcept { return offset_; }
  // What a PCR says at a tick, modulo 2^33 * 300.
  std::uint64_t at(std::int64_t tick, std::int64_t offset) const noexcept;
  // Of this clock against the reference: 1e-6 is 1 ppm faster.
  double rate() const noexcept { return rate_; }
  bool steady() const noexcept { return steady_; }

 private:
  double phase(std::int64_t tick) const noexcept {
    return phase_ + rate_ * static_cast<double>(tick - origin_);
  }
  void turn(double rate, std::int64_t from) noexcept;
  void begin() noexcept;
  void close() noexcept;
  void predict(double seconds) noexcept;
  void correct(double seen) noexcept;
  void aim(std::int64_t from) noexcept;

  bool used_ = false;
  std::int64_t offset_ = 0;  // PCR = tick + offset + phase(tick)
  std::int64_t tick_ = 0;    // of the latest PCR
  std::int64_t ahead_ = 0;

  // The line, in ticks.
  double phase_ = 0;
  double rate_ = 0;
  std::int64_t origin_ = 0;
  std::int64_t turned_ = 0;  // its latest change
  bool steady_ = false;
  double change_ = kGentleChange;  // of the slope in a second, while learning

  // What is believed of the program: where its phase is, in seconds, its rate, and how surely.
  bool learning_ = false;
  std::int64_t learnt_ = 0;  // as of this tick
  double place_ = 0;
  double pace_ = 0;
  double place_variance_ = 0;
  double covariance_ = 0;
  double pace_variance_ = 0;
  double noise_ = 0;   // variance of a window's mean
  double bias_ = 0;    // how far windows lie from where they were expected, on average
  double before_ = 0;  // and the latest of them
  int windows_ = 0;
  // PCRs of ten seconds.
  struct Window {
    std::int64_t begin = 0;
    int count = 0;
    double ticks = 0, seen = 0;
  } window_;
  int strays_ = 0;
};

}  // namespace headgate::mpegts
