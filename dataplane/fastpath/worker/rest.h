// How long the worker sleeps when a turn brought nothing. Waking costs more than a packet does, so a nap is
// as long as lets a good handful of frames gather, within 50 to 500 us; a millisecond once nothing has come
// for a while. Where even the shortest nap gathers many, it spins and doesn't sleep. Threading: owned by one
// thread; pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace headgate::fastpath {

class Rest {
 public:
  static constexpr long kShortest = 50'000;
  static constexpr long kLongest = 500'000;
  static constexpr long kSilent = 1'000'000;

  void worked(std::size_t frames) noexcept {
    gathered_ += frames;
    spins_ = 0;
  }

  // After an empty turn: nanoseconds to sleep, 0 to turn again at once.
  long next(std::int64_t now_ns) noexcept {
    if (gathered_ > 0) {
      last_work_ns_ = now_ns;
      if (gathered_ > kMany) {
        nap_ = std::max(nap_ / 2, kShortest);
      } else if (gathered_ < kFew) {
        nap_ = std::min(nap_ + kShortest, kLongest);
      }
      busy_ = nap_ == kShortest && gathered_ > kMany;
      gathered_ = 0;
    }
    if (busy_ && spins_ < kSpins) {
      ++spins_;
      return 0;
    }
    busy_ = false;
    return now_ns - last_work_ns_ > kSilenceNs ? kSilent : nap_;
  }

 private:
  static constexpr std::size_t kMany = 64;  // two bursts in a nap
  static constexpr std::size_t kFew = 32;
  static constexpr unsigned kSpins = 32;
  static constexpr std::int64_t kSilenceNs = 100'000'000;

  long nap_ = kShortest;
  unsigned spins_ = 0;
  bool busy_ = false;
  std::size_t gathered_ = 0;
  std::int64_t last_work_ns_ = 0;
};

}  // namespace headgate::fastpath
