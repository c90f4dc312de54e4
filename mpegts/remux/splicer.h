// Joins the inputs of one channel into one stream. One input is on air; a change happens at a random access
// point of the next one and leaves a valid stream behind: the outgoing side ends at an access unit's end;
// PIDs, program_number and PMT stay those of the first input on air, the others' tracks are mapped by role
// (video; sound by language, then order); continuity counters, PCR, PTS and DTS go on. Tracks that are not
// alike raise the PMT's version. From when the input on air falls silent until another takes over, PCR, PAT
// and PMT go on. A multi-program input without a cut is switched at once and whole, with
// discontinuity_indicator on each PCR PID. References: ISO/IEC 13818-1:2022 2.4.3.3
// (continuity_counter), 2.4.3.5 (PCR, discontinuity_indicator), 2.4.4 (PAT, PMT), 2.4.3.7 (PTS, DTS).
// Threading: owned by one thread; on_packet() and on_time() don't allocate except when a table changed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "mpegts/packet/ts_packet.h"

namespace headgate::mpegts {

class Splicer {
 public:
  static constexpr std::size_t kMaxInputs = 8;
  // No random access point for so long after the decision: the switch is made at the next PES start and
  // marked as a discontinuity.
  static constexpr std::int64_t kPatience = 2'000'000'000;

  explicit Splicer(std::size_t inputs);
  ~Splicer();

  // The input that is wanted on air. The first one wanted goes on air with its first packet, whatever it is.
  void want(std::size_t input, std::int64_t now_ns) noexcept;
  std::size_t wanted() const noexcept;
  // Another input will be wanted soon if the one on air stays as it is: a silence of its is filled already.
  void expect_change(bool expected) noexcept;
  // All that left so far left as it came in.
  bool exact() const noexcept;
  // On air now; nothing before the first packet.
  std::optional<std::size_t> on_air() const noexcept;

  // A packet of any input, due at `now_ns` (rising). What leaves because of it: whole packets, none or more,
  // valid until the next call. Packets of the first input on air leave as they are.
  std::span<const std::uint8_t> on_packet(std::size_t input, const TsPacket& packet,
                                          std::int64_t now_ns) noexcept;
  // The input on air is silent and another is waited for or expected: PCR, PAT and PMT when they are due. As
  // long as only PCRs were sent the first input goes on bit-exact when it comes back. Call at least every
  // 20 ms.
  std::span<const std::uint8_t> on_time(std::int64_t now_ns) noexcept;
  // The packets that the last call gave begin another input: what decodes them must start anew.
  bool take_splice() noexcept;

  struct Counters {
    std::uint64_t switches = 0;
    std::uint64_t hard_switches = 0;  // without a random access point
    std::uint64_t filler_packets = 0;
    std::uint64_t left_out = 0;  // packets of tracks that the output has no place for
  };
  const Counters& counters() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate::mpegts
