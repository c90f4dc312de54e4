// Keeps what others can cause as often as they like from filling the log: so many lines in a period, and with
// the first line after that how many were left out. Time is an argument. Threading: owned by one thread.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace headgate::bridge::ingest {

class LineLimit {
 public:
  static constexpr unsigned kLines = 20;
  static constexpr std::int64_t kPeriodNs = 10'000'000'000;

  explicit LineLimit(unsigned lines = kLines) : most_(lines) {}

  // Whether a line may be written now. A clock that was set back begins a period, too.
  bool may(std::int64_t now_ns) {
    if (now_ns - began_ns_ >= kPeriodNs || now_ns < began_ns_) {
      began_ns_ = now_ns;
      lines_ = 0;
    }
    if (lines_ < most_) return ++lines_, true;
    ++left_out_;
    return false;
  }
  // Behind a line that may be written: " (57 lines before it were left out)", or "".
  std::string left_out() {
    const std::uint64_t count = std::exchange(left_out_, 0);
    return count == 0 ? "" : " (" + std::to_string(count) + " lines before it were left out)";
  }

 private:
  unsigned most_;
  std::int64_t began_ns_ = 0;
  unsigned lines_ = 0;
  std::uint64_t left_out_ = 0;
};

}  // namespace headgate::bridge::ingest
