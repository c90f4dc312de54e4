// Buffers of the transport stream system target decoder (T-STD), as far as what a multiplexer does with whole
// packets fills them: the transport buffer TB_n of a stream or of the system data of a program, and the main
// buffer B_sys behind the latter. Exact: integers of a bit times 1/27e6. What follows TB_n of video and audio
// is in main_buffers.h.
// References: ISO/IEC 13818-1:2022 2.4.2.3 (transport buffers, system data), 2.4.2.4 (ADTS AAC), 2.4.2.6 (TB
// shall not overflow and shall empty at least once a second). Threading: values.
#pragma once

#include <algorithm>
#include <cstdint>

#include "mpegts/packet/types.h"

namespace headgate::mpegts {

class TransportBuffer {
 public:
  static constexpr std::int64_t kBytes = 512;              // TBS_n
  static constexpr std::uint32_t kSystemLeak = 1'000'000;  // Rx_sys
  static constexpr std::uint32_t kAudioLeak = 2'000'000;   // Rx_n; AAC of up to two channels likewise
  static constexpr std::int64_t kUnit = kTicksPerSecond;   // of levels: a bit
  static constexpr std::int64_t kFull = kBytes * 8 * kUnit;
  // As a byte more than fits, which whole ticks of 27 MHz may come to where the times are those of PCRs.
  static constexpr std::int64_t kOverfull = kFull + 8 * kUnit;
  static constexpr std::int64_t kPacket = std::int64_t{kPacketSize} * 8 * kUnit;

  // Rx_n, bits a second.
  explicit TransportBuffer(std::uint32_t leak_bps = kSystemLeak) : leak_(leak_bps) {}

  // Before what begins to arrive at this tick; ticks rise.
  std::int64_t level(std::int64_t tick) const noexcept {
    const std::int64_t passed = std::clamp<std::int64_t>(tick - tick_, 0, kLong);
    return std::max<std::int64_t>(0, level_ - passed * leak_);
  }
  // The highest while a packet arrives from `tick` on, its bytes evenly over `duration` ticks.
  std::int64_t peak(std::int64_t tick, std::int64_t duration) const noexcept {
    return level(tick) + std::max<std::int64_t>(0, kPacket - duration * leak_);
  }
  bool fits(std::int64_t tick, std::int64_t duration) const noexcept { return peak(tick, duration) <= kFull; }
  // What is too much is lost.
  void enter(std::int64_t tick, std::int64_t duration) noexcept {
    level_ = std::clamp<std::int64_t>(level(tick) + kPacket - duration * leak_, 0, kFull);
    tick_ = tick + duration;
  }
  // What is too much stays, so that it can be told how much that is. The highest level while it arrived.
  std::int64_t admit(std::int64_t tick, std::int64_t duration) noexcept {
    const std::int64_t most = peak(tick, duration);
    level_ = std::max<std::int64_t>(0, level(tick) + kPacket - duration * leak_);
    tick_ = tick + duration;
    return most;
  }
  std::uint32_t leak() const noexcept { return leak_; }
  // Bytes, rounded up.
  static std::int64_t bytes(std::int64_t level) noexcept {
    constexpr std::int64_t kByte = 8 * kUnit;
    return (level + kByte - 1) / kByte;
  }

 private:
  static constexpr std::int64_t kLong = 10 * kTicksPerSecond;
  std::uint32_t leak_;
  std::int64_t level_ = 0;  // at
  std::int64_t tick_ = 0;
};

// TB_sys and B_sys of one program: packets of its PAT, CAT and PMT. The transport rate is above Rx_sys.
class SystemBuffers {
 public:
  static constexpr std::int64_t kBytes = 1536;  // BS_sys
  static constexpr std::uint32_t kLeastDrain = 80'000;

  // Rb_sys = max(80 kb/s, transport rate / 500).
  explicit SystemBuffers(std::uint64_t transport_bps) { set_transport_rate(transport_bps); }

  // Of what comes from now on.
  void set_transport_rate(std::uint64_t transport_bps) noexcept {
    drain_ = std::max<std::int64_t>(kLeastDrain, static_cast<std::int64_t>(transport_bps / 500));
  }
  // A packet: so many bytes of it go on to B_sys, behind so many that don't.
  void enter(std::int64_t tick, std::int64_t duration, std::int64_t section_bytes = kPacketSize,
             std::int64_t before = 0) noexcept;
  // Since the beginning, in bytes, rounded up.
  std::int64_t most_transport_bytes() const noexcept { return TransportBuffer::bytes(most_transport_); }
  std::int64_t most_main_bytes() const noexcept { return TransportBuffer::bytes(most_main_); }
  // Packets that found one or the other too full.
  std::uint64_t overflows() const noexcept { return overflows_; }
  std::uint64_t transport_overflows() const noexcept { return transport_overflows_; }
  std::uint64_t main_overflows() const noexcept { return main_overflows_; }
  // Times that TB_sys was not empty for over a second.
  std::uint64_t not_emptied() const noexcept { return not_emptied_; }

 private:
  TransportBuffer transport_;
  std::int64_t drain_ = 0;
  std::int64_t free_ = 0;  // when TB_sys is empty
  std::int64_t main_ = 0;  // then
  std::int64_t most_transport_ = 0;
  std::int64_t most_main_ = 0;
  std::uint64_t overflows_ = 0;
  std::uint64_t transport_overflows_ = 0;
  std::uint64_t main_overflows_ = 0;
  std::int64_t busy_since_ = 0;
  bool late_ = false;
  std::uint64_t not_emptied_ = 0;
};

}  // namespace headgate::mpegts
