// Something that may be wrong, over time: when it began, whether it lasts, and, once it was told, for how
// long it must be well before it counts as over. Threading: value.
#pragma once

#include <cstdint>

namespace headgate::bridge::watch {

class Condition {
 public:
  // Well for so long, and looked at, before what was told is over.
  static constexpr std::int64_t kClearNs = 2'000'000'000;

  // What was seen at `now_ns`. `since_ns`: where it is known to have begun before this look.
  void observe(bool wrong, std::int64_t now_ns, std::int64_t since_ns = 0) noexcept {
    if (wrong) {
      well_since_ns_ = 0;
      const std::int64_t began = since_ns != 0 && since_ns < now_ns ? since_ns : now_ns;
      if (since_ns_ == 0 || (began < since_ns_ && !told_)) since_ns_ = began;
      return;
    }
    if (since_ns_ == 0) return;
    if (well_since_ns_ == 0) well_since_ns_ = now_ns;
    if (!told_) reset();
  }
  // Whether it lasts at `now_ns`. `seen_ns`: the last moment that what was seen still speaks for.
  bool lasts(std::int64_t now_ns, std::int64_t seen_ns, std::int64_t threshold_ns) noexcept {
    if (since_ns_ == 0) return false;
    if (well_since_ns_ != 0 && now_ns - well_since_ns_ >= kClearNs) reset();
    if (since_ns_ != 0 && well_since_ns_ == 0 && seen_ns - since_ns_ >= threshold_ns) told_ = true;
    return told_;
  }
  void reset() noexcept { *this = Condition(); }

  bool wrong() const noexcept { return since_ns_ != 0 && well_since_ns_ == 0; }
  bool told() const noexcept { return told_; }
  std::int64_t since_ns() const noexcept { return since_ns_; }

 private:
  std::int64_t since_ns_ = 0;  // 0: it is not there
  std::int64_t well_since_ns_ = 0;
  bool told_ = false;
};

}  // namespace headgate::bridge::watch
