// Bits a second of something that is counted in bytes as it passes, over the last two seconds or so.
// Threading: owned by one thread. Time is an argument; any clock that does not go back.
#pragma once

#include <cstddef>
#include <cstdint>

namespace headgate::bridge::hub {

class RateMeter {
 public:
  static constexpr std::int64_t kWindow = 2'000'000'000;  // ns

  void add(std::int64_t now_ns, std::size_t bytes) {
    if (begin_ns_ == 0) begin_ns_ = now_ns;
    if (now_ns - begin_ns_ >= kWindow) {
      last_ = over(now_ns);
      begin_ns_ = now_ns;
      bytes_ = 0;
    }
    bytes_ += bytes;
  }
  std::uint64_t bits_per_second(std::int64_t now_ns) const {
    if (begin_ns_ == 0) return 0;
    // The first window, or nothing came for longer than one.
    if (last_ == 0 || now_ns - begin_ns_ >= kWindow) return over(now_ns);
    return last_;
  }

 private:
  std::uint64_t over(std::int64_t now_ns) const {
    const std::int64_t passed = now_ns - begin_ns_;
    return passed <= 0
               ? 0
               : static_cast<std::uint64_t>(static_cast<double>(bytes_) * 8e9 / static_cast<double>(passed));
  }
  std::int64_t begin_ns_ = 0;  // of the window; 0: nothing came yet
  std::uint64_t bytes_ = 0;    // in it
  std::uint64_t last_ = 0;     // of the window before
};

}  // namespace headgate::bridge::hub
