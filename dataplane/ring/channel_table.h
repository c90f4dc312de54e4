// The producer's view of the channels that share a ring: how many slots each holds, what it lost, its next
// sequence. Fixed size, so that finding or adding a channel never allocates. Threading: owned by the
// producer's thread.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

namespace headgate::ring {

struct ChannelState {
  std::uint32_t channel = 0;
  std::uint32_t held = 0;      // slots in the ring, published or not
  std::uint32_t sequence = 0;  // of the next slot
  bool gap = false;            // the next slot that goes in carries kSlotGap
  bool forgotten = false;      // freed when the last held slot is
  std::uint64_t dropped = 0;
};

class ChannelTable {
 public:
  static constexpr std::uint32_t kCapacity = 8192;
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

  ChannelTable();
  // Index of the channel's state, stable until it is forgotten; kNone when absent.
  std::uint32_t find(std::uint32_t channel) const noexcept;
  // As find(), adding it when absent; kNone when the table is full.
  std::uint32_t find_or_add(std::uint32_t channel, bool gap) noexcept;
  ChannelState& at(std::uint32_t index) noexcept { return states_[index]; }
  const ChannelState& at(std::uint32_t index) const noexcept { return states_[index]; }
  void forget(std::uint32_t channel) noexcept;
  void release(std::uint32_t index) noexcept;  // one held slot less

 private:
  void remove(std::uint32_t index) noexcept;
  static std::uint32_t home(std::uint32_t channel) noexcept;

  std::vector<ChannelState> states_;
  std::vector<std::uint32_t> free_;    // indexes into states_; reserved, never grows past kCapacity
  std::vector<std::uint32_t> places_;  // open addressing, twice the capacity; index into states_ or kNone
};

}  // namespace headgate::ring
