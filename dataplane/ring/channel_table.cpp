#include "dataplane/ring/channel_table.h"

namespace headgate::ring {
namespace {

constexpr std::uint32_t kPlaces = 2 * ChannelTable::kCapacity;
constexpr std::uint32_t kMask = kPlaces - 1;
static_assert((kPlaces & kMask) == 0);

}  // namespace

ChannelTable::ChannelTable() : states_(kCapacity), places_(kPlaces, kNone) {
  free_.reserve(kCapacity);
  for (std::uint32_t i = kCapacity; i > 0; --i) free_.push_back(i - 1);
}

std::uint32_t ChannelTable::home(std::uint32_t channel) noexcept {
  return (channel * 0x9E3779B1U) >> 18;  // Fibonacci hashing; the top 14 bits
}
static_assert(kPlaces == 1U << 14);

std::uint32_t ChannelTable::find(std::uint32_t channel) const noexcept {
  for (std::uint32_t place = home(channel);; place = (place + 1) & kMask) {
    const std::uint32_t index = places_[place];
    if (index == kNone || states_[index].channel == channel) return index;
  }
}

std::uint32_t ChannelTable::find_or_add(std::uint32_t channel, bool gap) noexcept {
  std::uint32_t place = home(channel);
  for (; places_[place] != kNone; place = (place + 1) & kMask) {
    const std::uint32_t index = places_[place];
    if (states_[index].channel == channel) {
      states_[index].forgotten = false;
      return index;
    }
  }
  if (free_.empty()) return kNone;
  const std::uint32_t index = free_.back();
  free_.pop_back();
  states_[index] = ChannelState{};
  states_[index].channel = channel;
  states_[index].gap = gap;
  places_[place] = index;
  return index;
}

void ChannelTable::forget(std::uint32_t channel) noexcept {
  const std::uint32_t index = find(channel);
  if (index == kNone) return;
  states_[index].forgotten = true;
  if (states_[index].held == 0) remove(index);
}

void ChannelTable::release(std::uint32_t index) noexcept {
  ChannelState& state = states_[index];
  --state.held;
  if (state.held == 0 && state.forgotten) remove(index);
}

// Backward-shift deletion: no tombstones, so probes stay short however many channels come and go.
void ChannelTable::remove(std::uint32_t index) noexcept {
  std::uint32_t hole = home(states_[index].channel);
  while (places_[hole] != index) hole = (hole + 1) & kMask;
  for (std::uint32_t next = (hole + 1) & kMask; places_[next] != kNone; next = (next + 1) & kMask) {
    const std::uint32_t wanted = home(states_[places_[next]].channel);
    if (((next - wanted) & kMask) < ((next - hole) & kMask)) continue;  // the hole lies before its home
    places_[hole] = places_[next];
    hole = next;
  }
  places_[hole] = kNone;
  states_[index] = ChannelState{};
  free_.push_back(index);
}

}  // namespace headgate::ring
