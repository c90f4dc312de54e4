// The fields of a stream that hold times, as bytes: PCR (ISO/IEC 13818-1:2022 2.4.3.5), PTS and DTS
// (2.4.3.7). Threading: pure functions.
#pragma once

#include <cstdint>
#include <span>

#include "mpegts/packet/types.h"

namespace headgate::mpegts {

// The reserved bits between base and extension stay.
inline void put_pcr(std::span<std::uint8_t, 6> to, std::uint64_t ticks) noexcept {
  const std::uint64_t base = ticks % kPcrModulus / 300, extension = ticks % 300;
  to[0] = static_cast<std::uint8_t>(base >> 25);
  to[1] = static_cast<std::uint8_t>(base >> 17);
  to[2] = static_cast<std::uint8_t>(base >> 9);
  to[3] = static_cast<std::uint8_t>(base >> 1);
  to[4] = static_cast<std::uint8_t>((base & 1) << 7 | (to[4] & 0x7E) | extension >> 8);
  to[5] = static_cast<std::uint8_t>(extension);
}

// 33 bits between marker bits.
inline Pts90kHz stamp_at(std::span<const std::uint8_t, 5> b) noexcept {
  return {std::uint64_t{b[0] & 0x0EU} << 29 | std::uint64_t{b[1]} << 22 | std::uint64_t{b[2] & 0xFEU} << 14 |
          std::uint64_t{b[3]} << 7 | std::uint64_t{b[4]} >> 1};
}

// The four bits before them stay.
inline void put_stamp(std::span<std::uint8_t, 5> to, Pts90kHz stamp) noexcept {
  const std::uint64_t t = stamp.ticks % kPtsModulus;
  to[0] = static_cast<std::uint8_t>((to[0] & 0xF0) | (t >> 29 & 0x0E) | 1);
  to[1] = static_cast<std::uint8_t>(t >> 22);
  to[2] = static_cast<std::uint8_t>(t >> 14 | 1);
  to[3] = static_cast<std::uint8_t>(t >> 7);
  to[4] = static_cast<std::uint8_t>(t << 1 | 1);
}

}  // namespace headgate::mpegts
