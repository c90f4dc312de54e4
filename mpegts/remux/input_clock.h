// What an input's PCR shows at any moment, from the PCRs that came (ISO/IEC 13818-1:2022 2.4.3.5). Packets
// are only ever late, so of the last half to whole second the PCR that came earliest against our clock
// counts. Threading: owned by one thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "mpegts/clock/clock_map.h"
#include "mpegts/packet/types.h"
#include "mpegts/remux/packet_edit.h"

namespace headgate::mpegts::remux {

class InputClock {
 public:
  bool valid() const noexcept { return valid_; }

  // 27 MHz on the clock of the PCR.
  std::uint64_t at(std::int64_t now_ns) const noexcept {
    const std::int64_t lead = std::max(best_, best_before_);
    const std::int64_t sum = static_cast<std::int64_t>(ticks(now_ns) + base_) + lead + kModulus;
    return static_cast<std::uint64_t>(sum % kModulus);
  }

  // Where the clock jumped with this PCR: what it would have shown now.
  std::optional<std::uint64_t> on_pcr(std::uint64_t pcr, bool signalled, std::int64_t now_ns) noexcept {
    const std::uint64_t difference = (pcr + kPcrModulus - ticks(now_ns)) % kPcrModulus;
    if (!valid_) {
      begin(difference, now_ns);
      last_ = pcr;
      return std::nullopt;
    }
    const std::int64_t lead = wrap_distance(difference, base_, kPcrModulus);
    const std::int64_t off = lead - std::max(best_, best_before_);
    const std::int64_t step = wrap_distance(pcr, last_, kPcrModulus);
    last_ = pcr;
    const std::int64_t limit = signalled ? kSignalledJump : kJump;
    if (off < -limit && !signalled && step >= 0 && step < kJump) {
      if (!late_) late_ns_ = now_ns;
      late_ = true;
      if (now_ns - late_ns_ < kStall) return std::nullopt;
    }
    late_ = false;
    if (off > limit || off < -limit) {
      const std::uint64_t expected = at(now_ns);
      begin(difference, now_ns);
      return expected;
    }
    if (now_ns - window_ns_ < kWindow) {
      best_ = std::max(best_, lead);
      return std::nullopt;
    }
    best_before_ = now_ns - window_ns_ < 2 * kWindow ? best_ : lead;
    best_ = lead;
    window_ns_ = now_ns;
    return std::nullopt;
  }

 private:
  static constexpr std::int64_t kWindow = 500'000'000;
  static constexpr std::int64_t kStall = 1'000'000'000;
  static constexpr std::int64_t kJump = kTicksPerSecond;
  static constexpr std::int64_t kSignalledJump = kTicksPerSecond / 10;
  static constexpr std::int64_t kModulus = static_cast<std::int64_t>(kPcrModulus);

  static std::uint64_t ticks(std::int64_t now_ns) noexcept {
    return static_cast<std::uint64_t>((ns_to_ticks(now_ns) % kModulus + kModulus) % kModulus);
  }
  void begin(std::uint64_t difference, std::int64_t now_ns) noexcept {
    valid_ = true;
    base_ = difference;
    best_ = best_before_ = 0;
    window_ns_ = now_ns;
  }

  bool valid_ = false;
  std::uint64_t base_ = 0;  // PCR minus our clock when it began, and by how much more since:
  std::int64_t best_ = 0;
  std::int64_t best_before_ = 0;
  std::int64_t window_ns_ = 0;
  std::uint64_t last_ = 0;
  bool late_ = false;
  std::int64_t late_ns_ = 0;  // since when
};

}  // namespace headgate::mpegts::remux
