#include "mpegts/psi/section_edit.h"

#include "mpegts/psi/bytes.h"
#include "mpegts/psi/section.h"

namespace headgate::mpegts {

bool is_long(std::span<const std::uint8_t> section) noexcept {
  return section.size() >= 12 && section.size() <= kMaxSectionSize && (section[1] & 0x80) != 0 &&
         section.size() == 3 + detail::read12(section, 1);
}

std::uint32_t section_crc(std::span<const std::uint8_t> section) noexcept {
  const auto tail = section.last(4);
  return std::uint32_t{tail[0]} << 24 | std::uint32_t{tail[1]} << 16 | std::uint32_t{tail[2]} << 8 | tail[3];
}

void set_table_extension(std::span<std::uint8_t> section, std::uint16_t value) noexcept {
  section[3] = static_cast<std::uint8_t>(value >> 8);
  section[4] = static_cast<std::uint8_t>(value & 0xFF);
}

void set_section_version(std::span<std::uint8_t> section, std::uint8_t version) noexcept {
  section[5] = static_cast<std::uint8_t>((section[5] & 0xC1) | (version & 0x1F) << 1);
}

void seal(std::span<std::uint8_t> section) noexcept {
  const std::uint32_t crc = crc32_mpeg(section.first(section.size() - 4));
  const auto tail = section.last(4);
  for (std::size_t i = 0; i < 4; ++i) tail[i] = static_cast<std::uint8_t>(crc >> (24 - 8 * i));
}

}  // namespace headgate::mpegts
