// How long the worker sleeps when a turn brought nothing. Waking costs more than a packet does, so a nap is
// as long as lets a good handful of frames gather, within 50 to 500 us; a millisecond once nothing has come
// for a while. Where even the shortest nap gathers many, it spins and doesn't sleep. It never sleeps past the
// next paced departure: the nap ends as long before it as waking takes here but for one time in a hundred,
// less what a departure may be late, and the rest is spun. Where departures lie so close together that this
// takes a quarter of the time, they gather for a moment each instead. Threading: owned by one thread; pure.
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
  static constexpr long kGather = 20'000;  // between departures that lie close together
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

  void worked(std::size_t frames) noexcept {
    gathered_ += frames;
    spins_ = 0;
    spun_since_ns_ = 0;
  }

  // After an empty turn: nanoseconds to sleep, 0 to turn again at once. `due_ns`: the next paced departure.
  long next(std::int64_t now_ns, std::int64_t due_ns = kNever) noexcept {
    const long nap = unpaced(now_ns);
    if (nap == 0 || due_ns - now_ns > nap + lead()) {
      spun_since_ns_ = 0;
      return nap;
    }
    return before(now_ns, std::max<std::int64_t>(due_ns - now_ns, 0));
  }

  // How long a nap really took.
  void slept(long wanted, std::int64_t took_ns) noexcept {
    const std::int64_t late = std::clamp<std::int64_t>(took_ns - wanted, 0, kLongestWaking);
    // Comes to rest where one nap in kRare is later: a rise for it, and as much down for all others together.
    if (late > waking_) {
      waking_ += std::min(late - waking_, kRise);
    } else {
      waking_ -= std::min(waking_ - late, kRise / kRare);
    }
  }

 private:
  static constexpr std::size_t kMany = 64;  // two bursts in a nap
  static constexpr std::size_t kFew = 32;
  static constexpr unsigned kSpins = 32;
  static constexpr std::int64_t kSilenceNs = 100'000'000;
  static constexpr std::int64_t kLongestWaking = 150'000;
  static constexpr std::int64_t kRise = 16'000;
  static constexpr std::int64_t kRare = 128;
  static constexpr std::int64_t kTolerated = 20'000;  // of a late departure, for a late waking
  static constexpr std::int64_t kLeast = 5'000;
  static constexpr std::int64_t kWindowNs = 10'000'000;  // of the share that spinning may take
  static constexpr std::int64_t kDenseNs = 100'000'000;  // until it is tried again
  static constexpr std::int64_t kWorthANap = 15'000;     // what going to sleep costs the processor

  std::int64_t lead() const noexcept { return std::max(waking_ - kTolerated, kLeast); }

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
    if (left > lead() + kWorthANap) {
      spun_since_ns_ = 0;
      return static_cast<long>(left - lead());
    }
    if (now_ns - window_ns_ > kWindowNs || now_ns < window_ns_) {
      window_ns_ = now_ns;
      spun_ns_ = 0;
    }
    if (spun_since_ns_ != 0 && now_ns > spun_since_ns_) spun_ns_ += now_ns - spun_since_ns_;
    spun_since_ns_ = now_ns;
    if (spun_ns_ >= kWindowNs / 4) {
      dense_until_ns_ = now_ns + kDenseNs;
      spun_ns_ = 0;
    }
    if (now_ns >= dense_until_ns_ || dense_until_ns_ - now_ns > kDenseNs) return 0;
    spun_since_ns_ = 0;
    return kGather;
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
  std::int64_t dense_until_ns_ = 0;  // departures gather
};

}  // namespace headgate::fastpath
