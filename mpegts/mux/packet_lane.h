// Packets that wait for a position in a multiplex, first in, first out: a ring that is there from the
// constructor on. What no longer goes in where the lane fills is told by rank: padding when it is half full,
// data at three quarters, audio and video when it is full, to the end of the PES packet; tables, keys and
// packets with a PCR have room of their own behind that. References: ISO/IEC 13818-1:2022 2.4.3.3.
// Threading: owned by one thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>

#include "mpegts/mux/drop_rank.h"
#include "mpegts/packet/types.h"

namespace headgate::mpegts {

class PacketLane {
 public:
  struct Waiting {
    std::array<std::uint8_t, kPacketSize> bytes;
    std::int64_t due_ns;
  };

  // At most `most` packets whatever the limit.
  explicit PacketLane(std::size_t most)
      : most_(std::max<std::size_t>(most, 1)),
        room_(most_ + reserve_of(most_)),
        limit_(most_),
        ring_(std::make_unique_for_overwrite<Waiting[]>(room_)) {}

  // Full is here from now on; what waits stays.
  void set_limit(std::size_t packets) noexcept { limit_ = std::clamp<std::size_t>(packets, 1, most_); }

  // Whether a packet of this rank may wait. `cutting`: of the PID, kept by the caller: its PES packet is
  // being left out.
  bool admits(DropRank rank, bool start, bool& cutting) const noexcept {
    switch (rank) {
      case DropRank::tables:
        return count_ < limit_ + reserve_of(limit_) && count_ < room_;
      case DropRank::padding:
        return count_ < limit_ / 2;
      case DropRank::data:
        return count_ < limit_ - limit_ / 4;
      case DropRank::media:
        break;
    }
    if (cutting && start && count_ < limit_ - limit_ / 16) cutting = false;
    if (count_ >= limit_) cutting = true;
    return !cutting;
  }
  // The caller has asked admits(). The bytes, to be changed in place.
  std::span<std::uint8_t, kPacketSize> push(std::span<const std::uint8_t, kPacketSize> packet,
                                            std::int64_t due_ns) noexcept {
    std::size_t place = first_ + count_;
    if (place >= room_) place -= room_;
    Waiting& entry = ring_[place];
    std::memcpy(entry.bytes.data(), packet.data(), kPacketSize);
    entry.due_ns = due_ns;
    ++count_;
    return entry.bytes;
  }
  bool empty() const noexcept { return count_ == 0; }
  std::size_t size() const noexcept { return count_; }
  const Waiting& front() const noexcept { return ring_[first_]; }
  void pop() noexcept {
    if (++first_ == room_) first_ = 0;
    if (--count_ == 0) first_ = 0;
  }

 private:
  static constexpr std::size_t kLeastReserve = 64;
  static constexpr std::size_t reserve_of(std::size_t limit) noexcept {
    return std::max(kLeastReserve, limit / 8);
  }

  std::size_t most_;
  std::size_t room_;
  std::size_t limit_;
  std::unique_ptr<Waiting[]> ring_;  // left as it is until used
  std::size_t first_ = 0;
  std::size_t count_ = 0;
};

}  // namespace headgate::mpegts
