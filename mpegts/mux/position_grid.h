// The positions of packets at a constant rate, in ticks of a clock of 27 MHz: 188 * 8 * 27e6 / rate apart,
// exactly: nothing accumulates, whatever the rate. References: ISO/IEC 13818-1:2022 2.4.2.2. Threading: owned
// by one thread.
#pragma once

#include <algorithm>
#include <cstdint>

#include "mpegts/packet/types.h"

namespace headgate::mpegts {

class PositionGrid {
 public:
  __extension__ using Wide = unsigned __int128;
  static constexpr std::uint64_t kTicksTimesRate = kPacketSize * 8 * std::uint64_t{kTicksPerSecond};
  static constexpr std::size_t kDatagram = 7;  // packets

  explicit PositionGrid(std::uint64_t rate_bps) noexcept
      : rate_(std::max<std::uint64_t>(rate_bps, 1504)),
        step_(static_cast<std::int64_t>(kTicksTimesRate / rate_)),
        step_rest_(kTicksTimesRate % rate_) {}
  // Of the next position, rounded down.
  std::int64_t tick() const noexcept { return tick_; }
  std::int64_t step() const noexcept { return step_; }
  std::uint64_t rate() const noexcept { return rate_; }
  // So many positions on, no more than a datagram or so.
  std::int64_t ahead(std::uint64_t positions) const noexcept {
    const std::uint64_t rest = rest_ + positions * step_rest_;
    return tick_ + static_cast<std::int64_t>(positions) * step_ + static_cast<std::int64_t>(rest / rate_);
  }
  void advance() noexcept {
    tick_ += step_;
    rest_ += step_rest_;
    if (rest_ < rate_) return;
    rest_ -= rate_;
    ++tick_;
  }
  // Whole datagrams, until the last position of the next one lies at or after this tick.
  void skip_to(std::int64_t tick) noexcept {
    const std::int64_t last = ahead(kDatagram - 1);
    if (tick <= last) return;
    const Wide datagram = Wide{kTicksTimesRate} * kDatagram;
    const auto count =
        static_cast<std::uint64_t>(Wide(static_cast<std::uint64_t>(tick - last)) * rate_ / datagram);
    const std::uint64_t positions = count * kDatagram;
    const Wide rest = Wide{rest_} + Wide{positions} * step_rest_;
    tick_ += static_cast<std::int64_t>(positions) * step_ + static_cast<std::int64_t>(rest / rate_);
    rest_ = static_cast<std::uint64_t>(rest % rate_);
    while (ahead(kDatagram - 1) < tick) {
      for (std::size_t i = 0; i < kDatagram; ++i) advance();
    }
  }

 private:
  std::uint64_t rate_;
  std::int64_t step_;
  std::uint64_t step_rest_;
  std::int64_t tick_ = 0;   // of the next position, and
  std::uint64_t rest_ = 0;  // what it lies behind that, in ticks / rate
};

}  // namespace headgate::mpegts
