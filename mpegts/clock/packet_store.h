// A queue of packets with a tick each, at most so many, in blocks that are used again last in, first out: the
// memory touched is what has waited at most. Packets are numbered from 0 on, for ever. Threading: owned by
// one thread; allocates in the constructor only.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "mpegts/packet/types.h"

namespace headgate::mpegts {

class PacketStore {
 public:
  explicit PacketStore(std::size_t max_packets)
      : max_(max_packets < 1 ? 1 : max_packets),
        count_(max_ / kBlockPackets + 2),
        blocks_(std::make_unique_for_overwrite<Block[]>(count_)),
        used_(count_) {
    free_.reserve(count_);
    for (std::size_t i = count_; i > 0; --i) free_.push_back(static_cast<std::uint32_t>(i - 1));
  }

  std::uint64_t head() const noexcept { return head_; }  // the oldest packet's number
  std::uint64_t tail() const noexcept { return tail_; }  // the next one's
  std::size_t size() const noexcept { return static_cast<std::size_t>(tail_ - head_); }
  bool full() const noexcept { return size() >= max_; }

  // Not while full().
  void push(std::span<const std::uint8_t> packet) noexcept {
    const std::size_t at = place(tail_);
    if (at == 0) {
      used_[slot(tail_)] = free_.back();
      free_.pop_back();
    }
    Block& b = block(tail_);
    std::memcpy(b.bytes + at * kPacketSize, packet.data(), kPacketSize);
    b.marks[at] = 0;
    ++tail_;
  }
  // The oldest so many go; at most size(). Their bytes stay until the next push().
  void drop(std::size_t packets) noexcept {
    for (; packets > 0; --packets) {
      if (place(head_) == kBlockPackets - 1) free_.push_back(used_[slot(head_)]);
      ++head_;
    }
  }

  const std::uint8_t* bytes(std::uint64_t n) const noexcept {
    return blocks_[used_[slot(n)]].bytes + place(n) * kPacketSize;
  }
  std::int64_t tick(std::uint64_t n) const noexcept { return blocks_[used_[slot(n)]].ticks[place(n)]; }
  void set_tick(std::uint64_t n, std::int64_t tick) noexcept { block(n).ticks[place(n)] = tick; }
  // Bits of the owner's, none at first.
  std::uint8_t marks(std::uint64_t n) const noexcept { return blocks_[used_[slot(n)]].marks[place(n)]; }
  void mark(std::uint64_t n, std::uint8_t bit) noexcept {
    std::uint8_t& marks = block(n).marks[place(n)];
    marks = static_cast<std::uint8_t>(marks | bit);
  }
  // Whether n + 1 lies right behind n in memory.
  static bool joined(std::uint64_t n) noexcept { return place(n) != kBlockPackets - 1; }

 private:
  static constexpr std::size_t kBlockPackets = 63;  // nine batches of seven
  struct Block {
    std::uint8_t bytes[kBlockPackets * kPacketSize];
    std::int64_t ticks[kBlockPackets];
    std::uint8_t marks[kBlockPackets];
  };
  static std::size_t place(std::uint64_t n) noexcept { return static_cast<std::size_t>(n % kBlockPackets); }
  std::size_t slot(std::uint64_t n) const noexcept {
    return static_cast<std::size_t>(n / kBlockPackets % count_);
  }
  Block& block(std::uint64_t n) noexcept { return blocks_[used_[slot(n)]]; }

  std::size_t max_;
  std::size_t count_;
  std::unique_ptr<Block[]> blocks_;  // left as it is: the kernel gives a page when it is touched
  std::vector<std::uint32_t> used_;  // block of each 63 numbers, a ring
  std::vector<std::uint32_t> free_;  // a stack
  std::uint64_t head_ = 0;
  std::uint64_t tail_ = 0;
};

}  // namespace headgate::mpegts
