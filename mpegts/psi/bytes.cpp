#include "mpegts/psi/bytes.h"

#include "mpegts/psi/descriptors.h"
#include "mpegts/psi/section.h"

namespace headgate::mpegts::detail {

std::optional<std::span<const std::uint8_t>> long_section_body(std::span<const std::uint8_t> section,
                                                               std::uint8_t table_id) noexcept {
  if (section.size() < 12 || section[0] != table_id || (section[1] & 0x80) == 0) return std::nullopt;
  if (section.size() != 3 + read12(section, 1)) return std::nullopt;
  return section.subspan(8, section.size() - 12);
}

Descriptors read_descriptors(std::span<const std::uint8_t> loop) {
  Descriptors all;
  for (const Descriptor& d : DescriptorLoop(loop))
    all.bytes.insert(all.bytes.end(), d.bytes.begin(), d.bytes.end());
  return all;
}

void append_descriptors(std::vector<std::uint8_t>& out, const Descriptors& descriptors,
                        std::uint8_t high_bits) {
  const std::size_t length = descriptors.bytes.size();
  append16(out, static_cast<std::uint16_t>(high_bits << 8 | (length & 0x0FFF)));
  out.insert(out.end(), descriptors.bytes.begin(), descriptors.bytes.end());
}

std::vector<std::uint8_t> begin_section(std::uint8_t table_id, std::uint16_t extension, std::uint8_t version,
                                        bool current, std::uint8_t number, std::uint8_t last,
                                        std::uint8_t flags) {
  std::vector<std::uint8_t> out{table_id, static_cast<std::uint8_t>(0x80 | flags), 0};
  append16(out, extension);
  out.push_back(static_cast<std::uint8_t>(0xC0 | (version & 0x1F) << 1 | (current ? 1 : 0)));
  out.push_back(number);
  out.push_back(last);
  return out;
}

std::vector<std::uint8_t> finish_section(std::vector<std::uint8_t> section) {
  if (section.size() + 4 > kMaxPsiSection) return {};
  const std::size_t length = section.size() + 4 - 3;
  section[1] = static_cast<std::uint8_t>((section[1] & 0xF0) | length >> 8);
  section[2] = static_cast<std::uint8_t>(length & 0xFF);
  const std::uint32_t crc = crc32_mpeg(section);
  append16(section, static_cast<std::uint16_t>(crc >> 16));
  append16(section, static_cast<std::uint16_t>(crc & 0xFFFF));
  return section;
}

}  // namespace headgate::mpegts::detail
