// The continuity rule of ISO/IEC 13818-1:2022 2.4.3.3: one place for the fast path, the probe and the tests.
#pragma once

#include <cstdint>

namespace headgate::mpegts {

enum class Continuity : std::uint8_t { ok, duplicate, error };

// last: the PID's previous continuity_counter (0..15); duplicate_seen: whether the previous packet was
// already a duplicate (one is legal, a second is an error). Packets without payload don't increment.
// discontinuity_indicator makes any value good. The null PID must not be asked. DEVIATES: 2.4.3.3 requires a
// duplicate to be byte-identical but for the PCR; the bytes are not compared here.
constexpr Continuity check_continuity(std::uint8_t last, std::uint8_t now, bool has_payload,
                                      bool discontinuity, bool duplicate_seen) noexcept {
  if (discontinuity) return Continuity::ok;
  if (!has_payload) return now == last ? Continuity::ok : Continuity::error;
  if (now == ((last + 1) & 0x0F)) return Continuity::ok;
  if (now == last) return duplicate_seen ? Continuity::error : Continuity::duplicate;
  return Continuity::error;
}

}  // namespace headgate::mpegts
