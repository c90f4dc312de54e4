// How long the worker sleeps when a turn brought nothing. Waking costs more than a packet does, so a nap is
// as long as lets a good handful of frames gather, within 50 to 500 us; a millisecond once nothing has come
// for a while. Where even the shortest nap gathers many, it spins and doesn't sleep. It never sleeps past the
// next paced departure: the nap ends as long before it as waking takes here, and the rest is spun, as long as
// spinning takes no more than a quarter of the time. Threading: owned by one thread; pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace headgate::fastpath {

class Rest {
 public:
  static constexpr long kShortest = 50'000;
  static constexpr long kLongest = 500'000;
  static constexpr long kSilent = 1'000'000;
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

  void worked(std::size_t frames) noexcept {
    gathered_ += frames;
    spins_ = 0;
    spun_since_ns_ = 0;
  }

  // After an empty turn: nanoseconds to sleep, 0 to turn again at once. `due_ns`: the next paced departure.
  long next(std::int64_t now_ns, std::int64_t due_ns = kNever) noexcept {
    const long nap = unpaced(now_ns);
    if (nap == 0 || due_ns - now_ns > nap + waking_) {
      spun_since_ns_ = 0;
      return nap;
    }
    return before(now_ns, std::max<std::int64_t>(due_ns - now_ns, 0));
  }

  // How long a nap really took.
  void slept(long wanted, std::int64_t took_ns) noexcept {
    const std::int64_t late = std::clamp<std::int64_t>(took_ns - wanted, 0, kLongestWaking);
    // Quickly up, slowly down: what a nap may cost is its bad cases.
    waking_ = late > waking_ ? late : waking_ - (waking_ - late) / 64;
  }

 private:
  static constexpr std::size_t kMany = 64;  // two bursts in a nap
  static constexpr std::size_t kFew = 32;
  static constexpr unsigned kSpins = 32;
  static constexpr std::int64_t kSilenceNs = 100'000'000;
  static constexpr std::int64_t kLongestWaking = 150'000;
  static constexpr std::int64_t kWindowNs = 10'000'000;  // of the share that spinning may take
  static constexpr std::int64_t kWorthANap = 10'000;

  long unpaced(std::int64_t now_ns) noexcept {
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

  // A departure is `left` away, too near for a whole nap.
  long before(std::int64_t now_ns, std::int64_t left) noexcept {
    if (left > waking_ + kWorthANap) {
      spun_since_ns_ = 0;
      return static_cast<long>(left - waking_);
    }
    if (now_ns - window_ns_ > kWindowNs || now_ns < window_ns_) {
      window_ns_ = now_ns;
      spun_ns_ = 0;
    }
    if (spun_since_ns_ != 0 && now_ns > spun_since_ns_) spun_ns_ += now_ns - spun_since_ns_;
    spun_since_ns_ = now_ns;
    if (spun_ns_ < kWindowNs / 4) return 0;
    // Departures lie so close together that each nap would be spun: they gather for a while instead.
    spun_since_ns_ = 0;
    return kShortest;
  }

  long nap_ = kShortest;
  unsigned spins_ = 0;
  bool busy_ = false;
  std::size_t gathered_ = 0;
  std::int64_t last_work_ns_ = 0;
  std::int64_t waking_ = kShortest;
  std::int64_t window_ns_ = 0;
  std::int64_t spun_ns_ = 0;
  std::int64_t spun_since_ns_ = 0;
};

}  // namespace headgate::fastpath
