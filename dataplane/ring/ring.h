// The shared-memory ring between the fast path and the bridge: layout and both ends, one ring a direction.
// One file in run_dir, one producer, one consumer, each restartable on its own. docs/formats.md holds the
// byte format.
//
// A slot carries up to 7 transport packets of one channel. Full: the new slot is dropped, counted against its
// channel, and the next slot of that channel carries kSlotGap. A channel may hold at most twice its share of
// the slots (at least 256). A restarted end raises its epoch; the other discards to the next boundary and
// marks a gap.
//
// Wake-up: the consumer polls while traffic flows; before it sleeps it arms the wake flag, and the producer
// then writes one byte to a FIFO beside the ring (a FIFO needs no descriptor passing, so either side can come
// back alone).
//
// Threading: Producer belongs to one thread, Consumer to one thread. Producer::push does not allocate or
// lock.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <tl/expected.hpp>

namespace headgate::ring {

inline constexpr std::size_t kMaxPacketsPerSlot = 7;
inline constexpr std::uint16_t kSlotGap = 1;  // slots of this channel were lost just before this one
inline constexpr std::uint16_t kSlotDiscontinuity = 2;  // the timeline's offset changed with this slot
inline constexpr std::uint16_t kSlotTimeline = 4;       // `timeline` and `offset` are valid
// Fast path to bridge, highest four bits: number of the input that the packets are of; 0: not told.
inline constexpr unsigned kSlotOnAirShift = 12;
inline constexpr std::uint32_t kMaxSlotOnAir = 15;

struct Slot {
  std::uint32_t channel;       // handle, never reused in the life of run_dir
  std::uint16_t packet_count;  // 1..7
  std::uint16_t flags;
  std::int64_t arrival_ns;  // Unix time
  std::int64_t timeline;    // 27 MHz, the channel's timeline at this slot (last PCR seen)
  std::int64_t offset;      // timeline minus the stream's own clock, 27 MHz
  std::uint32_t sequence;   // per channel and `input`, +1 a slot, dropped ones counted in
  // Bridge to fast path: number of the channel's input. Fast path to bridge: 0, or, of a copy for watching,
  // the number of the input that stands by.
  std::uint32_t input;
  std::array<std::uint8_t, 7 * 188> packets;
};
static_assert(sizeof(Slot) == 1360);

// Number of the input on air that a slot of the fast path is of; 0: not told.
constexpr std::uint32_t on_air_of(const Slot& slot) noexcept { return slot.flags >> kSlotOnAirShift; }

class Producer {
 public:
  // Creates the file (or takes an existing one over, raising the producer epoch). slot_count is rounded up to
  // a power of 2.
  static tl::expected<std::unique_ptr<Producer>, std::string> open(const std::string& path,
                                                                   std::size_t slot_count);
  ~Producer();

  // Copies the slot in. False: dropped (full, or the channel's share used up); the producer remembers the
  // gap. `sequence` and kSlotGap are filled in by push().
  bool push(const Slot& header, std::span<const std::uint8_t> packets) noexcept;
  // Makes pushed slots visible and wakes a sleeping consumer: at most one system call, once a poll loop.
  void flush() noexcept;
  // Channels that share the ring: sets everyone's budget.
  void set_channel_count(std::size_t count) noexcept;
  void forget_channel(std::uint32_t channel) noexcept;
  std::uint64_t dropped(std::uint32_t channel) const noexcept;
  // Whether a consumer has the ring open now. From any thread; a system call.
  bool has_consumer() const noexcept;
  // The file under this mapping was removed or replaced: a consumer that starts now finds another one or
  // none. From any thread; a system call.
  bool stale() const noexcept;

 private:
  Producer();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class Consumer {
 public:
  // Waits for nothing: fails when the file is not there yet (try again later).
  static tl::expected<std::unique_ptr<Consumer>, std::string> open(const std::string& path);
  ~Consumer();

  // Calls f(const Slot&) for up to `limit` slots; the slot is a copy, valid during the call. Returns how
  // many. Slots that no producer of ours writes (packet count, times) are skipped.
  template <typename F>
  std::size_t poll(std::size_t limit, F&& f) {
    std::size_t n = 0;
    while (n < limit) {
      const Slot* slot = front();
      if (slot == nullptr) break;
      f(*slot);
      pop();
      ++n;
    }
    release();
    return n;
  }
  // True once after the producer restarted (its epoch changed): every channel has a gap.
  bool producer_restarted() noexcept;
  // Arms the wake flag; false where slots came meanwhile (don't sleep).
  bool prepare_sleep() noexcept;
  void awake() noexcept;
  // The FIFO to wait on, readable when woken; drain it with awake().
  int wake_fd() const noexcept;
  // The file under this mapping was replaced (producer recreated it): open again. From any thread; a system
  // call.
  bool stale() const noexcept;

 private:
  Consumer();
  const Slot* front() noexcept;
  void pop() noexcept;
  void release() noexcept;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate::ring
