// How long to wait before the next try: 1, 2, 4 … 30 s, each up to a quarter shorter or longer, so that many
// that lost the same server don't come back together. Threading: owned by one thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace headgate::bridge::rtmp {

class BackOff {
 public:
  using Milliseconds = std::chrono::milliseconds;
  explicit BackOff(Milliseconds first = Milliseconds(1'000), Milliseconds longest = Milliseconds(30'000))
      : first_(first), longest_(longest), next_(first) {}

  // `random`: any.
  Milliseconds next(std::uint64_t random) {
    const auto now = next_;
    next_ = std::min(next_ * 2, longest_);
    return now * static_cast<std::int64_t>(750 + random % 501) / 1000;
  }
  // The last connection was good.
  void reset() { next_ = first_; }

 private:
  Milliseconds first_;
  Milliseconds longest_;
  Milliseconds next_;
};

}  // namespace headgate::bridge::rtmp
