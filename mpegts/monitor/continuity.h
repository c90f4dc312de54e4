// The continuity rule of ISO/IEC 13818-1:2022 2.4.3.3: one place for the fast path, the bridge and the probe.
#pragma once

#include <cstdint>

#include "mpegts/packet/ts_packet.h"

namespace headgate::mpegts {

// `again`: sent a third time or more, where two, and only two, are allowed: an error by TR 101 290 1.4, but
// nothing is missing, and whoever reads the stream drops it as a duplicate.
enum class Continuity : std::uint8_t { ok, duplicate, again, error };

constexpr bool is_repetition(Continuity verdict) noexcept {
  return verdict == Continuity::duplicate || verdict == Continuity::again;
}

// Of one PID; neither the null PID nor packets with transport_error_indicator are to be given.
struct ContinuityState {
  static constexpr std::uint8_t kNone = 0xFF;
  std::uint8_t last = kNone;  // continuity_counter of the packet before
  bool repeated = false;      // that packet stood there twice already

  // same(): of a packet with the counter of the one before: whether it is that packet but for its PCR.
  // DEVIATES: the fast path and the bridge keep no bytes and say true, so that the packet after a loss of 15
  // counts as a duplicate there.
  template <typename Same>
  constexpr Continuity take(const TsPacket& packet, Same same) noexcept {
    const std::uint8_t before = last;
    const std::uint8_t now = packet.continuity_counter();
    last = now;
    if (packet.has_payload() && now == ((before + 1) & 0x0F)) [[likely]] {
      repeated = false;
      return Continuity::ok;
    }
    if (!packet.has_payload()) {
      if (!packet.has_adaptation()) {  // reserved: decoders discard it (2.4.3.3)
        last = before;
        return Continuity::ok;
      }
      if (now == before) return Continuity::ok;
    } else if (now == before && !packet.discontinuity() && same()) {
      const bool twice = repeated;
      repeated = true;
      return twice ? Continuity::again : Continuity::duplicate;
    }
    repeated = false;
    return before == kNone || packet.discontinuity() ? Continuity::ok : Continuity::error;
  }

  // After an error: how many packets are missing, by the counter `before`.
  constexpr unsigned missing(std::uint8_t before, const TsPacket& packet) const noexcept {
    return (static_cast<unsigned>(last) - before - (packet.has_payload() ? 1U : 0U)) & 0x0FU;
  }
};

}  // namespace headgate::mpegts
