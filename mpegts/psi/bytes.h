// The fields that every long-form section shares (ISO/IEC 13818-1:2022 2.4.4.11, EN 300 468 5.1.1), for the
// table codecs. The bounds are the callers' to check before read*(). Threading: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "mpegts/psi/tables.h"

namespace headgate::mpegts::detail {

inline constexpr std::size_t kMaxPsiSection = 1024;  // 2.4.4.1; EN 300 468 5.1.1 for SDT

inline std::uint16_t read16(std::span<const std::uint8_t> b, std::size_t at) noexcept {
  return static_cast<std::uint16_t>(b[at] << 8 | b[at + 1]);
}
inline std::size_t read12(std::span<const std::uint8_t> b, std::size_t at) noexcept {
  return read16(b, at) & 0x0FFFU;
}
inline Pid read_pid(std::span<const std::uint8_t> b, std::size_t at) noexcept {
  return Pid{static_cast<std::uint16_t>(read16(b, at) & 0x1FFF)};
}
inline void append16(std::vector<std::uint8_t>& out, std::uint16_t value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8));
  out.push_back(static_cast<std::uint8_t>(value & 0xFF));
}

// What lies between the 8-byte header and the CRC, where the bytes are one whole long-form section of this
// table.
std::optional<std::span<const std::uint8_t>> long_section_body(std::span<const std::uint8_t> section,
                                                               std::uint8_t table_id) noexcept;
// A descriptor loop up to its first descriptor that overruns it.
Descriptors read_descriptors(std::span<const std::uint8_t> loop);
// A 12-bit length under the reserved or flag bits given, and the loop.
void append_descriptors(std::vector<std::uint8_t>& out, const Descriptors& descriptors,
                        std::uint8_t high_bits);

// The 8 bytes of a header, section_length left open. flags: the bits beside section_syntax_indicator in
// byte 1.
std::vector<std::uint8_t> begin_section(std::uint8_t table_id, std::uint16_t extension, std::uint8_t version,
                                        bool current, std::uint8_t number, std::uint8_t last,
                                        std::uint8_t flags);
// Fills in section_length and the CRC; empty where the section would be longer than a PSI section may be.
std::vector<std::uint8_t> finish_section(std::vector<std::uint8_t> section);

}  // namespace headgate::mpegts::detail
