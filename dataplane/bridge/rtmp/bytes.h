// Whole numbers as RTMP and FLV write them: the high byte first. The bounds are the callers' to check.
// Threading: pure functions.
#pragma once

#include <cstdint>
#include <span>

namespace headgate::bridge::rtmp {

constexpr std::uint32_t read16(std::span<const std::uint8_t> b) { return std::uint32_t{b[0]} << 8 | b[1]; }
constexpr std::uint32_t read24(std::span<const std::uint8_t> b) { return read16(b) << 8 | b[2]; }
constexpr std::uint32_t read32(std::span<const std::uint8_t> b) { return read24(b) << 8 | b[3]; }

// Each gives where the next byte goes.
constexpr std::uint8_t* put24(std::uint8_t* at, std::uint32_t value) {
  *at++ = static_cast<std::uint8_t>(value >> 16);
  *at++ = static_cast<std::uint8_t>(value >> 8);
  *at++ = static_cast<std::uint8_t>(value);
  return at;
}
constexpr std::uint8_t* put32(std::uint8_t* at, std::uint32_t value) {
  *at++ = static_cast<std::uint8_t>(value >> 24);
  return put24(at, value);
}

}  // namespace headgate::bridge::rtmp
