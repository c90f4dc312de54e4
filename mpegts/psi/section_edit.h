// The header of a long section, read and changed in place without allocation (ISO/IEC 13818-1:2022 2.4.4.11,
// EN 300 468 5.1.1). Where not said otherwise the section is_long(). Threading: pure functions.
#pragma once

#include <cstdint>
#include <span>

namespace headgate::mpegts {

// section_syntax_indicator is set, section_length agrees with the bytes, and header and CRC fit.
bool is_long(std::span<const std::uint8_t> section) noexcept;
// current_next_indicator: it applies now.
inline bool is_current(std::span<const std::uint8_t> section) noexcept { return (section[5] & 1) != 0; }
// program_number, transport_stream_id, network_id, bouquet_id or service_id.
inline std::uint16_t table_extension(std::span<const std::uint8_t> section) noexcept {
  return static_cast<std::uint16_t>(section[3] << 8 | section[4]);
}
inline std::uint8_t section_version(std::span<const std::uint8_t> section) noexcept {
  return section[5] >> 1 & 0x1F;
}
// The CRC_32 as it stands at the end.
std::uint32_t section_crc(std::span<const std::uint8_t> section) noexcept;

// These leave a wrong CRC_32; seal() puts the right one (Annex A).
void set_table_extension(std::span<std::uint8_t> section, std::uint16_t value) noexcept;
void set_section_version(std::span<std::uint8_t> section, std::uint8_t version) noexcept;
void seal(std::span<std::uint8_t> section) noexcept;

}  // namespace headgate::mpegts
