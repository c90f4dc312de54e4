// Units of ISO/IEC 13818-1 as types, so that a PID is never taken for a port and 90 kHz never for 27 MHz.
// Threading: values, immutable.
#pragma once

#include <compare>
#include <cstdint>

namespace headgate::mpegts {

inline constexpr std::size_t kPacketSize = 188;  // 2.4.3.1
inline constexpr std::uint8_t kSyncByte = 0x47;  // 2.4.3.3

// A packet identifier, 13 bits (2.4.3.3).
struct Pid {
  std::uint16_t value = 0;
  constexpr auto operator<=>(const Pid&) const = default;
};

inline constexpr Pid kPatPid{0x0000};  // table 2-3
inline constexpr Pid kCatPid{0x0001};  // table 2-3
inline constexpr Pid kNitPid{0x0010};  // EN 300 468 table 1
inline constexpr Pid kSdtPid{0x0011};  // SDT and BAT
inline constexpr Pid kEitPid{0x0012};
inline constexpr Pid kTdtPid{0x0014};   // TDT and TOT
inline constexpr Pid kNullPid{0x1FFF};  // table 2-3
inline constexpr std::size_t kPidCount = 8192;

// A 33-bit PTS or DTS as it stands in the stream, 90 kHz (2.4.3.7).
struct Pts90kHz {
  std::uint64_t ticks = 0;
  constexpr auto operator<=>(const Pts90kHz&) const = default;
};

// A PCR as it stands in the stream: base * 300 + extension, 27 MHz, modulo 2^33 * 300 (2.4.3.5).
struct Pcr27MHz {
  std::uint64_t ticks = 0;
  constexpr auto operator<=>(const Pcr27MHz&) const = default;
};

inline constexpr std::uint64_t kPtsModulus = std::uint64_t{1} << 33;
inline constexpr std::uint64_t kPcrModulus = kPtsModulus * 300;
inline constexpr std::int64_t kTicksPerSecond = 27'000'000;

// A moment on a channel's unrolled timeline, 27 MHz since the Unix epoch (approximately: the first timestamp
// is unrolled to the value nearest UTC, from then on the stream alone counts). Never wraps.
struct TimelineTicks {
  std::int64_t ticks = 0;
  constexpr auto operator<=>(const TimelineTicks&) const = default;
};

}  // namespace headgate::mpegts
