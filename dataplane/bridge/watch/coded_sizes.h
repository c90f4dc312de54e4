// What the sizes of coded pictures say before any is decoded: a picture that stops, or goes black, costs an
// encoder nearly nothing, so the sizes between random access points collapse within a few pictures. It is no
// verdict (a title card does the same), only a reason to look at once, and the moment when it began.
// Threading: owned by one thread. Nothing here allocates.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace headgate::bridge::watch {

// Of payload in whole transport packets: what fills them up is no part of a picture. Reference: ISO/IEC
// 13818-1:2022 2.4.3.2, 2.4.3.4.
std::size_t coded_bytes(std::span<const std::uint8_t> packets) noexcept;

class CodedSizes {
 public:
  // Every picture (access unit) as it comes. `now_ns`: any clock that only rises.
  void on_unit(std::size_t bytes, bool random_access, std::int64_t now_ns) noexcept;
  // The stream begins anew.
  void restart() noexcept { *this = CodedSizes(); }

  // The sizes fell within a few pictures, and did not rise since.
  bool collapsed() const noexcept { return collapsed_since_ns_ != 0; }
  // When they fell last; 0: they are not low.
  std::int64_t collapsed_since_ns() const noexcept { return collapsed_since_ns_; }
  // When they last rose steeply; 0: never. What was seen before that says nothing of what came after.
  std::int64_t rose_ns() const noexcept { return rose_ns_; }
  // The last random access point was far smaller than those before, and nothing rose since; 0: it was not.
  std::int64_t small_access_ns() const noexcept { return small_access_ns_; }
  // As large as they ever are: an encoder that fills up a constant rate hides whether anything moves.
  bool as_usual() const noexcept;

 private:
  // Pictures between random access points whose median stands for the present: what is steady but for one
  // picture after each random access point is steady.
  static constexpr std::size_t kWindow = 7;

  double median() const noexcept;

  std::array<double, kWindow> sizes_{};
  std::array<std::int64_t, kWindow> times_{};
  std::size_t count_ = 0;    // pictures between random access points
  double usual_access_ = 0;  // of the last random access points
  std::int64_t small_access_ns_ = 0;
  double usual_ = 0;  // of the medians, over the last seconds
  double low_ = 0;    // the lowest median since the sizes last rose
  double high_ = 0;   // the highest usual one, over the last minutes
  std::int64_t rose_ns_ = 0;
  std::int64_t collapsed_since_ns_ = 0;
};

}  // namespace headgate::bridge::watch
