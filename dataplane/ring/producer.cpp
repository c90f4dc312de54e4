#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>
#include <vector>

#include "dataplane/ring/channel_table.h"
#include "dataplane/ring/layout.h"

namespace headgate::ring {

namespace {

// Inputs of a channel are counted apart. Handles are far from these bits: they rise from 1.
constexpr unsigned kInputShift = 28;
constexpr std::uint32_t kInputKeys = 16;

constexpr std::uint32_t key_of(std::uint32_t channel, std::uint32_t input) noexcept {
  return channel ^ (input % kInputKeys) << kInputShift;
}

}  // namespace

struct Producer::Impl {
  explicit Impl(Mapping mapped)
      : mapping(std::move(mapped)), owners(mapping.slot_count(), ChannelTable::kNone) {}

  void take_released() noexcept;
  std::uint64_t room() const noexcept { return mapping.slot_count() - (tail - head); }

  Mapping mapping;
  ChannelTable channels;
  std::vector<std::uint32_t>
      owners;              // by slot: index into `channels`; private, as the other end can write the slots
  std::uint64_t tail = 0;  // of pushed slots; published by flush()
  std::uint64_t published = 0;
  std::uint64_t head = 0;  // the consumer's, as last believed
  std::uint64_t budget = 0;
  bool taken_over = false;
};

// Gives the slots that the consumer has taken back to their channels. Amortised one step a slot.
void Producer::Impl::take_released() noexcept {
  Header& header = mapping.header();
  const std::uint64_t reported = header.head.load(std::memory_order_acquire);
  // A position that goes backward or past what was published is not believed: the ring then just stays as
  // full as it is.
  if (reported - head > published - head) return;
  for (; head != reported; ++head) {
    std::uint32_t& owner = owners[head & (owners.size() - 1)];
    if (owner != ChannelTable::kNone) channels.release(owner);
    owner = ChannelTable::kNone;
  }
}

Producer::Producer() = default;
Producer::~Producer() = default;

tl::expected<std::unique_ptr<Producer>, std::string> Producer::open(const std::string& path,
                                                                    std::size_t slot_count) {
  const std::uint64_t count = std::bit_ceil(std::clamp<std::uint64_t>(slot_count, kMinSlots, kMaxSlots));
  auto mapping = Mapping::open(path, Role::producer);
  bool taken_over = mapping.has_value() && mapping->slot_count() == count;
  if (!taken_over) {
    // A live producer's ring must not be replaced under it; anything else in that place may be.
    if (!mapping && mapping.error().ends_with("another producer has it")) {
      return tl::unexpected<std::string>(mapping.error());
    }
    mapping = Mapping::create(path, count);
    if (!mapping) return tl::unexpected<std::string>(mapping.error());
  }
  std::unique_ptr<Producer> producer(new Producer());
  producer->impl_ = std::make_unique<Impl>(std::move(*mapping));
  Impl& impl = *producer->impl_;
  Header& header = impl.mapping.header();
  impl.taken_over = taken_over;
  impl.head = header.head.load(std::memory_order_acquire);
  impl.tail = header.tail.load(std::memory_order_acquire);
  if (!impl.mapping.plausible(impl.head, impl.tail)) impl.head = impl.tail - impl.mapping.slot_count();
  impl.published = impl.tail;
  header.producer_epoch.fetch_add(1, std::memory_order_release);
  producer->set_channel_count(1);
  return producer;
}

void Producer::set_channel_count(std::size_t count) noexcept {
  const std::uint64_t slots = impl_->mapping.slot_count();
  if (count <= 1) {
    impl_->budget = slots;
    return;
  }
  // Twice the share, at least 256; but never so much that one channel alone could fill the ring.
  const std::uint64_t share = std::max<std::uint64_t>(slots / count, 1);
  impl_->budget = std::min(std::max<std::uint64_t>(2 * share, 256), slots - share);
}

bool Producer::push(const Slot& header, std::span<const std::uint8_t> packets) noexcept {
  Impl& impl = *impl_;
  const std::uint32_t index =
      impl.channels.find_or_add(key_of(header.channel, header.input), impl.taken_over);
  if (index == ChannelTable::kNone) return false;
  ChannelState& state = impl.channels.at(index);
  const std::uint32_t sequence = state.sequence++;
  if (impl.room() == 0 || state.held >= impl.budget) impl.take_released();
  const bool fits = !packets.empty() && packets.size() <= sizeof(Slot::packets) && packets.size() % 188 == 0;
  if (!fits || impl.room() == 0 || state.held >= impl.budget) {
    ++state.dropped;
    state.gap = true;
    return false;
  }
  Slot& slot = impl.mapping.slot(impl.tail);
  slot.channel = header.channel;
  slot.packet_count = static_cast<std::uint16_t>(packets.size() / 188);
  slot.flags = static_cast<std::uint16_t>((header.flags & ~kSlotGap) | (state.gap ? kSlotGap : 0));
  slot.arrival_ns = header.arrival_ns;
  slot.timeline = header.timeline;
  slot.offset = header.offset;
  slot.sequence = sequence;
  slot.input = header.input;
  std::memcpy(slot.packets.data(), packets.data(), packets.size());
  impl.owners[impl.tail & (impl.owners.size() - 1)] = index;
  state.gap = false;
  ++state.held;
  ++impl.tail;
  return true;
}

void Producer::flush() noexcept {
  Impl& impl = *impl_;
  Header& header = impl.mapping.header();
  if (impl.tail != impl.published) {
    header.tail.store(impl.tail, std::memory_order_release);
    impl.published = impl.tail;
    // Pairs with the fence in Consumer::prepare_sleep: either we see its flag or it sees our tail.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (header.wake.load(std::memory_order_relaxed) != 0 && header.wake.exchange(0) != 0) {
      const char byte = 1;
      // A full FIFO is readable already.
      [[maybe_unused]] const ssize_t n = ::write(impl.mapping.wake_fd(), &byte, 1);
    }
  }
  impl.take_released();
}

void Producer::forget_channel(std::uint32_t channel) noexcept {
  for (std::uint32_t input = 0; input < kInputKeys; ++input) impl_->channels.forget(key_of(channel, input));
}

// The lock comes before the position at which a consumer begins, the epoch after it.
bool Producer::has_consumer() const noexcept {
  return impl_->mapping.header().consumer_epoch.load(std::memory_order_acquire) != 0 &&
         impl_->mapping.held(Role::consumer);
}

bool Producer::stale() const noexcept { return impl_->mapping.stale(); }

std::uint64_t Producer::dropped(std::uint32_t channel) const noexcept {
  std::uint64_t dropped = 0;
  for (std::uint32_t input = 0; input < kInputKeys; ++input) {
    const std::uint32_t index = impl_->channels.find(key_of(channel, input));
    if (index != ChannelTable::kNone) dropped += impl_->channels.at(index).dropped;
  }
  return dropped;
}

}  // namespace headgate::ring
