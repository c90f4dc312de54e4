// Sections of one service's EIT on their way into a multiplex: at the pace at which they come, but sections
// of one sub_table never within 25 ms of each other (EN 300 468 V1.17.1 5.1.4.1). Threading: owned by one
// thread. Memory: kMaxWaiting sections, from the constructor on.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>

#include "mpegts/psi/section.h"

namespace headgate::mpegts {

class EitQueue {
 public:
  static constexpr std::size_t kMaxWaiting = 24;
  static constexpr std::int64_t kGapNs = 28'000'000;  // positions are up to two datagrams off

  EitQueue() : waiting_(std::make_unique_for_overwrite<Waiting[]>(kMaxWaiting)) { sent_ns_.fill(kLongAgo); }

  // Room for it, to be filled by the caller; empty: there is none.
  std::span<std::uint8_t> push(std::size_t size) noexcept {
    if (count_ == kMaxWaiting || size > kMaxSectionSize) return {};
    Waiting& place = waiting_[(first_ + count_++) % kMaxWaiting];
    place.size = size;
    return std::span<std::uint8_t>{place.bytes}.first(size);
  }
  // The next one, where it may leave now; else empty.
  std::span<const std::uint8_t> front(std::int64_t now_ns) const noexcept {
    if (count_ == 0) return {};
    const Waiting& next = waiting_[first_];
    if (now_ns - sent_ns_[next.bytes[0]] < kGapNs) return {};
    return std::span<const std::uint8_t>{next.bytes}.first(next.size);
  }
  void pop() noexcept {
    last_ = waiting_[first_].bytes[0];
    first_ = (first_ + 1) % kMaxWaiting;
    --count_;
  }
  // The last packet of what was popped has its position.
  void note_sent(std::int64_t now_ns) noexcept { sent_ns_[last_] = now_ns; }

 private:
  static constexpr std::int64_t kLongAgo = std::numeric_limits<std::int64_t>::min() / 2;
  struct Waiting {
    std::size_t size;
    std::array<std::uint8_t, kMaxSectionSize> bytes;
  };
  std::unique_ptr<Waiting[]> waiting_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  std::uint8_t last_ = 0;                    // table_id of what was popped
  std::array<std::int64_t, 256> sent_ns_{};  // by table_id
};

}  // namespace headgate::mpegts
