// How long to wait before the next try: twice as long each time, up to a bound. Threading: owned by one
// thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace headgate::bridge::net {

class BackOff {
 public:
  using Time = std::chrono::milliseconds;
  explicit BackOff(Time first = Time(500), Time longest = Time(10'000))
      : first_(first), longest_(longest), next_(first) {}

  Time next() {
    const Time now = next_;
    next_ = std::min(next_ * 2, longest_);
    return now;
  }
  // Up to a quarter shorter or longer, so that many that lost the same server don't come back together.
  // `random`: any.
  Time next(std::uint64_t random) { return next() * static_cast<std::int64_t>(750 + random % 501) / 1000; }
  // The last connection was good.
  void reset() { next_ = first_; }

 private:
  Time first_;
  Time longest_;
  Time next_;
};

}  // namespace headgate::bridge::net
