// How fast a source's clock runs against ours, from when its stream arrived: a straight line through the mean
// lateness of ten-second windows, up to an hour of them, weighed against what was believed before, so that
// few or noisy windows move it little. A window that lies far off the line is left out, three in a row mean
// that the way to us has changed, and a new line begins. Threading: owned by one thread; no allocation.
#pragma once

#include <array>
#include <cstddef>

namespace headgate::mpegts {

class DriftEstimate {
 public:
  static constexpr std::size_t kWindows = 360;

  // The mean time of a window, and how late its packets came by their own clock, both in seconds from any
  // origin that stays. Times rise.
  void add(double time, double lateness) noexcept;
  // Lateness to come doesn't compare with that so far: the clock jumped. The rate stays believed, less
  // firmly.
  void restart() noexcept;

  // Of the source's clock against ours: 1e-6 is 1 ppm fast.
  double rate() const noexcept { return rate_; }
  // Standard error of rate().
  double error() const noexcept { return error_; }
  // In the line now.
  std::size_t windows() const noexcept { return count_; }

 private:
  struct Window {
    double time = 0;
    double lateness = 0;
  };
  void fit() noexcept;

  // Sources are within some tens of ppm; one that was measured and whose path changed is near what it was.
  static constexpr double kFirstBelief = 50e-6;
  static constexpr double kLaterBelief = 20e-6;

  std::array<Window, kWindows> windows_{};  // a ring
  std::size_t next_ = 0;
  std::size_t count_ = 0;
  int strays_ = 0;
  double believed_ = 0;  // before the windows
  double belief_error_ = kFirstBelief;
  double rate_ = 0;
  double error_ = kFirstBelief;
  double mean_time_ = 0, mean_lateness_ = 0, slope_ = 0, spread_ = 0;  // the line
};

}  // namespace headgate::mpegts
