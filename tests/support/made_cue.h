// Splice information sections for tests, made by hand so that no test depends on the code it tests.
#pragma once

#include <cstdint>
#include <vector>

#include "mpegts/psi/section.h"

namespace headgate::test {

// ANSI/SCTE 35 2023 9.7.3: out of the network at this PTS, for half a minute; sealed.
inline std::vector<std::uint8_t> splice_insert(std::uint32_t event, std::uint64_t pts,
                                               std::uint64_t adjustment = 0) {
  const auto byte = [](std::uint64_t value, int shift) { return static_cast<std::uint8_t>(value >> shift); };
  constexpr std::uint64_t kDuration = 30 * 90'000;
  std::vector<std::uint8_t> s{0xFC, 0x30, 0, 0};
  s.push_back(byte(adjustment, 32) & 1);
  for (int shift = 24; shift >= 0; shift -= 8) s.push_back(byte(adjustment, shift));
  s.insert(s.end(), {0x00, 0xFF, 0xF0, 20, 0x05});
  for (int shift = 24; shift >= 0; shift -= 8) s.push_back(byte(event, shift));
  s.insert(s.end(), {0x7F, 0xEF});
  s.push_back(0xFE | (byte(pts, 32) & 1));
  for (int shift = 24; shift >= 0; shift -= 8) s.push_back(byte(pts, shift));
  s.push_back(0xFE | (byte(kDuration, 32) & 1));
  for (int shift = 24; shift >= 0; shift -= 8) s.push_back(byte(kDuration, shift));
  s.insert(s.end(), {0, 1, 0, 0, 0, 0});
  s[2] = static_cast<std::uint8_t>(s.size() + 4 - 3);
  const std::uint32_t crc = mpegts::crc32_mpeg(s);
  for (int shift = 24; shift >= 0; shift -= 8) s.push_back(byte(crc, shift));
  return s;
}

// One that says nothing (9.7.1).
inline std::vector<std::uint8_t> splice_null() {
  std::vector<std::uint8_t> s{0xFC, 0x30, 17, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xF0, 0, 0, 0, 0};
  const std::uint32_t crc = mpegts::crc32_mpeg(s);
  for (int shift = 24; shift >= 0; shift -= 8) s.push_back(static_cast<std::uint8_t>(crc >> shift));
  return s;
}

}  // namespace headgate::test
