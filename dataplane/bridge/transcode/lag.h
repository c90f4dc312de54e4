// How far what a worker makes comes behind what it is made of: the last few thousand times, in steps of 10
// ms. Threading: owned by one thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace headgate::bridge::transcode {

class Lag {
 public:
  // 27 MHz. What is later than the last step counts there; the bridge drops it anyway.
  void add(std::int64_t ticks) noexcept {
    const auto step = static_cast<std::size_t>(std::clamp<std::int64_t>(ticks / kStep, 0, kSteps - 1));
    ++steps_[step];
    if (++count_ < kForget) return;
    count_ = 0;
    for (std::uint32_t& step_of : steps_) count_ += step_of /= 2;
  }
  // That so large a part of them was not behind by more; 1: none was. 0 where there were none.
  int ms(double part) const noexcept {
    std::uint32_t left = static_cast<std::uint32_t>(static_cast<double>(count_) * (1 - part));
    for (std::size_t step = kSteps; step-- > 0;) {
      if (steps_[step] > left) return static_cast<int>((step + 1) * kStepMs);
      left -= steps_[step];
    }
    return 0;
  }

 private:
  static constexpr std::size_t kStepMs = 10;
  static constexpr std::int64_t kStep = kStepMs * 27'000;
  static constexpr std::int64_t kSteps = 200;
  static constexpr std::uint32_t kForget = 8192;  // half of them, after so many
  std::array<std::uint32_t, kSteps> steps_{};
  std::uint32_t count_ = 0;
};

}  // namespace headgate::bridge::transcode
