// The unrolled 64-bit timeline of a channel: every output derives its times from it. It survives the 26.5 h
// wrap of PCR, PTS and DTS, source changes and restarts (its State is persisted by the owner about once a
// second). References: ISO/IEC 13818-1:2022 2.4.3.5 (PCR), 2.7.2 (PCR interval), 2.4.3.5
// discontinuity_indicator. Threading: owned by one thread; no allocation, no clock of its own.
#pragma once

#include <cstdint>
#include <optional>

#include "mpegts/packet/types.h"

namespace headgate::mpegts {

class Timeline {
 public:
  // Trivially copyable, for a shared page.
  struct State {
    std::int64_t timeline = 0;  // ticks of the last PCR on the timeline
    std::int64_t offset =
        0;  // timeline minus the stream's own unrolled clock (0 until the first discontinuity)
    std::uint64_t pcr = 0;        // the last PCR as sent
    std::int64_t arrival_ns = 0;  // Unix time at which it came
    bool valid = false;
  };
  struct Step {
    TimelineTicks time;  // of this PCR
    bool discontinuity;  // the stream's clock jumped here: times before and after don't compare without the
                         // offset
  };

  Timeline() = default;
  explicit Timeline(const State& persisted) : state_(persisted) {}

  // Takes a PCR. `signalled` is the packet's discontinuity_indicator. The first PCR ever is unrolled to the
  // value nearest UTC. A PCR that is farther than a second from what the elapsed time predicts is a
  // discontinuity (signalled or not): the timeline goes on by the elapsed arrival time.
  Step on_pcr(Pcr27MHz pcr, bool signalled, std::int64_t arrival_unix_ns) noexcept;

  // A PTS or DTS on the timeline: the value nearest the last PCR. Nothing before the first PCR.
  std::optional<TimelineTicks> unroll(Pts90kHz stamp) const noexcept;

  const State& state() const noexcept { return state_; }

 private:
  State state_;
};

// The value congruent to `stamp` (33 bits, 90 kHz, shifted by offset) that lies nearest `reference`.
TimelineTicks unroll_near(Pts90kHz stamp, std::int64_t offset, TimelineTicks reference) noexcept;

}  // namespace headgate::mpegts
