// What waits for a position in a stream of constant rate, and which packet takes the next one: the oldest
// that is due, but one that a decoder's transport buffer has no room for lets others go before it, never one
// of its own PID. Known are the buffers of PAT, CAT and PMT (as if all were of one program, so that any
// program's fit), of audio (2 Mb/s, the least of Rx_n) and of video from the first parameter sets on that
// stand in the first packet of a PES packet. References: ISO/IEC 13818-1:2022 2.4.2.3, 2.4.2.6.
// Threading: owned by one thread; nothing allocates after the constructor.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "mpegts/packet/ts_packet.h"
#include "mpegts/tstd/tstd_model.h"

namespace headgate::mpegts {

struct WaitingPacket {
  static constexpr std::uint8_t kNoProgram = 0xFF;
  std::array<std::uint8_t, kPacketSize> bytes;
  std::uint8_t program;  // whose clock its PCR is of; kNoProgram: it has none
  std::int64_t due;      // in ticks of the grid
  std::int64_t offset;   // of that clock when it came

  TsPacket packet() const noexcept { return TsPacket(std::span<const std::uint8_t, kPacketSize>(bytes)); }
};

class DepartureQueue {
 public:
  // So many give way at once, for 48 ms at most; then the first of them leaves although it doesn't fit.
  static constexpr std::size_t kMostHeld = 32;

  // `duration`: ticks from one position to the next.
  DepartureQueue(std::size_t room, std::int64_t duration);

  std::size_t size() const noexcept { return count_ + held_count_; }
  std::size_t held() const noexcept { return held_count_; }
  // A place behind all others, to be filled in. There must be room.
  WaitingPacket& push() noexcept;
  // The packet for the position at this tick; nullptr: none is due, or none that is due fits.
  const WaitingPacket* choose(std::int64_t tick) noexcept;
  // The one that was chosen leaves.
  void remove() noexcept;
  // Every packet that leaves, chosen or made.
  void on_sent(Pid pid, std::int64_t tick) noexcept {
    if (const std::uint8_t number = buffer_of_[pid.value]; number != kNone)
      buffers_[number].enter(tick, duration_);
  }
  // Left although a transport buffer had no room.
  std::uint64_t crowded() const noexcept { return crowded_; }

 private:
  static constexpr std::uint8_t kNone = 0xFF;
  static constexpr std::uint8_t kSystem = 0;
  static constexpr std::size_t kBuffers = 128;

  bool fits(const WaitingPacket& waiting, std::int64_t tick) const noexcept {
    const std::uint8_t number = buffer_of_[waiting.packet().pid().value];
    return number == kNone || buffers_[number].fits(tick, duration_);
  }
  void learn(const TsPacket& packet) noexcept;

  const std::size_t room_;
  const std::int64_t duration_;
  std::unique_ptr<WaitingPacket[]> ring_;  // left as it is until used
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  std::array<WaitingPacket, kMostHeld> held_;  // gave way, the oldest first
  std::size_t held_count_ = 0;
  std::size_t chosen_ = 0;  // among held_; kMostHeld: the first of the ring
  bool forced_ = false;     // and it doesn't fit
  std::array<std::uint8_t, kPidCount> buffer_of_;
  std::array<TransportBuffer, kBuffers> buffers_;
  std::size_t buffer_count_ = 1;
  std::uint64_t crowded_ = 0;
};

}  // namespace headgate::mpegts
