// t(i) of ISO/IEC 13818-1:2022 2.4.2.2: when each byte of a program arrives, by its PCRs. Between two of them
// bytes come evenly (2-4, 2-5); the last bit of a PCR's base, in byte 10 of its packet, arrives when the PCR
// says. Ticks of 27 MHz that never go back; a jump of the clock takes no time. Threading: values.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "mpegts/packet/types.h"

namespace headgate::mpegts {

class ProgramTime {
 public:
  static constexpr std::size_t kMostKnots = 4096;

  // packet: the number of the PCR's packet in the stream. step: since the PCR before; nothing: it jumped.
  // False where what came since the PCR before has no time.
  bool on_pcr(Pcr27MHz pcr, std::optional<std::uint64_t> step, std::uint64_t packet);
  bool running() const noexcept { return !knots_.empty(); }
  std::int64_t now() const noexcept { return now_; }

  // Of the last interval: when a packet begins to arrive, and how long it takes.
  std::int64_t begin_of(std::uint64_t packet) const noexcept { return at(knots_.size() - 2, packet); }
  std::int64_t duration() const noexcept;
  std::uint64_t transport_bps() const noexcept;
  // Of any packet that has come not too long ago.
  std::optional<std::int64_t> when(std::uint64_t packet) const noexcept;
  // The moment nearest the last PCR.
  std::int64_t unroll(Pts90kHz stamp) const noexcept;

 private:
  struct Knot {
    std::uint64_t packet;
    std::int64_t tick;
  };
  std::int64_t at(std::size_t knot, std::uint64_t packet) const noexcept;

  std::deque<Knot> knots_;
  std::int64_t now_ = 0;   // of the last PCR
  std::uint64_t pcr_ = 0;  // as sent
};

}  // namespace headgate::mpegts
