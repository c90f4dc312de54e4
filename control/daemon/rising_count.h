// How much a counter rose within a time of up to an hour. Threading: one owner. Pure: time is told.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>

namespace headgate::control {

class RisingCount {
 public:
  // A counter that fell began anew.
  void update(std::uint64_t count, std::chrono::nanoseconds window, std::int64_t now) {
    if (known_) rose_ += count >= last_ ? count - last_ : count;
    known_ = true;
    last_ = count;
    // A clock that was set back: what is remembered is as old as it was.
    if (!looks_.empty() && looks_.back().at > now) {
      const std::int64_t step = looks_.back().at - now;
      for (Look& look : looks_) look.at -= step;
    }
    const std::int64_t apart = window.count() / kLooks;
    if (looks_.size() < 2 || now - looks_[looks_.size() - 2].at >= apart)
      looks_.push_back({now, rose_});
    else
      looks_.back() = {now, rose_};
    // The last one that is not younger than the window stays: what rose is counted from there.
    while (looks_.size() > 1 && now - looks_[1].at >= window.count()) looks_.pop_front();
  }
  std::uint64_t within() const { return looks_.empty() ? 0 : rose_ - looks_.front().rose; }
  void clear() { *this = {}; }

 private:
  static constexpr std::int64_t kLooks = 20;  // in a window
  struct Look {
    std::int64_t at = 0;
    std::uint64_t rose = 0;
  };
  std::deque<Look> looks_;
  std::uint64_t rose_ = 0, last_ = 0;
  bool known_ = false;
};

}  // namespace headgate::control
