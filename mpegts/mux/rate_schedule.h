// Sends a stream of one program or many at a constant rate: null packets between its own, the PCRs of each
// program made anew on the program's own clock at the position they leave at (error at most a tick of 27
// MHz), and further PCRs where a program's own are more than 35 ms apart. The rate is that of the first
// program's clock, which is followed slowly, so the mean rate never drifts against the source; the other
// programs' clocks are lines against it (ProgramClock). A program is known by the PID of its PCRs.
// docs/pacing.md tells the rules. References: ISO/IEC 13818-1:2022 2.4.2.2, 2.4.3.5; TR 101 290 5.3.2 (PCR
// accuracy). Threading: owned by one thread; push() and pop() don't allocate. Memory: `max_packets` and the
// reserve, kept from the constructor on.
//
// What leaves depends on what was pushed alone: push everything due by a moment before pop() at it. A packet
// takes the first position at or after its due time, or a later one where a decoder's transport buffer would
// overflow (DepartureQueue); a datagram leaves at the position of its last packet.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <span>

#include "mpegts/mux/drop_rank.h"
#include "mpegts/packet/types.h"

namespace headgate::mpegts {

class RateSchedule {
 public:
  static constexpr std::size_t kDatagramPackets = 7;
  static constexpr std::size_t kMaxPrograms = 64;

  // `max_packets`: how many may wait while the stream is faster than the rate. Beyond half of them padding is
  // dropped, beyond three quarters data, beyond all audio and video, to the end of the PES packet. Tables and
  // packets with a PCR have an eighth as much, at least 64, to themselves: they are lost only where they
  // alone are more than the rate. The stream's own null packets never wait: others take their place.
  // `clock`: what the seconds of the rate are of. Where it is the node's, all programs' clocks are lines
  // against it.
  enum class Clock : std::uint8_t { first_program, node };
  RateSchedule(std::uint64_t bitrate_bps, std::size_t max_packets, Clock clock = Clock::first_program);
  ~RateSchedule();

  // `due_ns`: Unix time at which it would leave if the rate were not constant; rising.
  void push(std::span<const std::uint8_t, kPacketSize> packet, std::int64_t due_ns) noexcept;
  // One datagram of seven packets whose departure has come. False: not yet.
  struct Datagram {
    std::int64_t departure_ns = 0;
    std::array<std::uint8_t, kDatagramPackets * kPacketSize> bytes;
  };
  bool pop(std::int64_t now_ns, Datagram& out) noexcept;
  // Of the next datagram; INT64_MAX while the stream is silent: with nothing to send for a second the
  // output falls silent too.
  std::int64_t next_departure_ns() const noexcept;

  struct Counters {
    std::uint64_t packets = 0;  // of the stream, sent
    std::uint64_t nulls = 0;    // put in between, packets that carry a PCR alone among them
    std::array<std::uint64_t, kDropRanks> dropped{};  // by DropRank: the stream is faster than the rate
    std::uint64_t waiting = 0;                        // now
    std::uint64_t held = 0;     // of them, those that a decoder's transport buffer has no room for yet
    std::uint64_t crowded = 0;  // left although a decoder's transport buffer had no room: DepartureQueue
    std::uint64_t all_dropped() const noexcept {
      return std::accumulate(dropped.begin(), dropped.end(), std::uint64_t{0});
    }
  };
  Counters counters() const noexcept;
  // PCR accuracy (TR 101 290 5.3.2, PCR_AC): the largest difference since the last call between how far two
  // consecutive PCRs of a PID were apart and how far their positions were by the program's clock, in ticks of
  // 27 MHz rounded up. Nothing where there were none, or only across a marked discontinuity or a pause.
  std::optional<std::uint64_t> take_pcr_accuracy_max() noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate::mpegts
