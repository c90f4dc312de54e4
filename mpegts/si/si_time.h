// Time and duration in service information: 16 bits of Modified Julian Date and six digits of BCD (EN 300 468
// V1.17.1 5.2.4, Annex C). Threading: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace headgate::mpegts {

// Seconds since the Unix epoch, UTC; nothing where the bits are all set (undefined) or no time.
std::optional<std::int64_t> si_time(std::span<const std::uint8_t, 5> bytes) noexcept;
// hh:mm:ss in BCD as seconds; nothing where it is none.
std::optional<std::uint32_t> bcd_duration(std::span<const std::uint8_t, 3> bytes) noexcept;
// From 1858-11-17 to 2038-04-22, what the 16 bits hold.
void put_si_time(std::span<std::uint8_t, 5> to, std::int64_t unix_s) noexcept;

}  // namespace headgate::mpegts
