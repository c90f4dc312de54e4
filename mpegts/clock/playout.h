// Holds an input's packets for a while and lets them go at the pace of their own clock: for inputs that come
// in bursts over TCP or the Internet. When a packet is due follows from its position between two PCRs
// (ISO/IEC 13818-1:2022 2.4.2.2); where the next PCR is not there in time, from the pace so far; without
// PCRs, from its arrival. The source's clock is followed slowly through the arrivals (LevelControl), so that
// its drift is absorbed and never heard. docs/pacing.md tells the rules. Threading: owned by one thread;
// push() and pop() don't allocate. Memory: `max_packets` packets, kept from the constructor on (touched as
// they are used).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "mpegts/packet/types.h"

namespace headgate::mpegts {

class Playout {
 public:
  // `buffer_ns`: from the arrival of a packet that was neither early nor late to its departure.
  Playout(std::int64_t buffer_ns, std::size_t max_packets);
  ~Playout();

  // Whole packets; a rest is left out. Arrivals (Unix time) rise; where they or the times of pop() step by
  // more than a second because the node's clock was set, everything goes on from there.
  void push(std::span<const std::uint8_t> packets, std::int64_t arrival_ns) noexcept;

  // Up to seven packets that are due by now, in order, none due more than a millisecond after the first. A
  // packet with a PCR is always the first, so that its time is exact.
  struct Batch {
    std::span<const std::uint8_t> packets;  // valid until the next call; empty: nothing is due
    std::int64_t due_ns = 0;                // when the first was to leave
    bool discontinuity = false;             // the clock jumped or packets were lost before it
  };
  Batch pop(std::int64_t now_ns) noexcept;
  // When pop() has something; INT64_MAX: empty.
  std::int64_t next_due_ns() const noexcept;
  // Forgets what waits, and the clock.
  void clear() noexcept;

  struct Counters {
    std::uint64_t waiting = 0;     // packets now
    std::int64_t level_ns = 0;     // from the next departure to the last packet's
    std::uint64_t underflows = 0;  // times a packet came after it was due: everything moved back
    std::uint64_t overflows = 0;   // times packets were dropped because they came too early or too many
    std::uint64_t dropped = 0;     // packets so lost, or left out at the start to begin near the live edge
    std::uint64_t clock_jumps = 0;
    std::int64_t drift_ppb = 0;  // of the source's clock against ours, as followed now
  };
  const Counters& counters() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate::mpegts
