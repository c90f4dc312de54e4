// How much faster or slower than our own clock a stream is let go, so that what waits neither runs dry nor
// grows: the source's clock is followed by the least that waited in each window. At most 300 millionths,
// which no receiver notices; clocks of encoders differ by less. Threading: owned by one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace headgate::bridge::pull {

class Speed {
 public:
  static constexpr double kMost = 300e-6;
  // An error of a second is to be gone in a thousand.
  static constexpr double kSecondsToSettle = 1000;

  explicit Speed(std::chrono::nanoseconds window) : window_(window) {}

  // What waits is another stream, or waits for another reason: keep the level that it has now.
  void reset();
  void on_level(std::chrono::nanoseconds level, std::chrono::nanoseconds elapsed);
  // To multiply elapsed time with: 0.9997 to 1.0003.
  double factor() const { return factor_; }

 private:
  std::chrono::nanoseconds window_;
  std::chrono::nanoseconds elapsed_{0};
  std::optional<std::chrono::nanoseconds> least_;
  std::optional<std::chrono::nanoseconds> goal_;
  double factor_ = 1;
};

}  // namespace headgate::bridge::pull
