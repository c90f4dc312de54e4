// Pauses between tries: half a second, doubled up to ten. Threading: a value.
#pragma once

#include <algorithm>
#include <cstdint>

namespace headgate::bridge::srt {

class Backoff {
 public:
  static constexpr std::int64_t kFirst = 500'000;  // us
  static constexpr std::int64_t kLast = 10'000'000;
  // A connection that held for so long was a good one.
  static constexpr std::int64_t kGood = 5'000'000;

  std::int64_t next() {
    const std::int64_t pause = pause_;
    pause_ = std::min(2 * pause_, kLast);
    return pause;
  }
  void reset() { pause_ = kFirst; }

 private:
  std::int64_t pause_ = kFirst;
};

}  // namespace headgate::bridge::srt
