#include "mpegts/psi/cat.h"

#include "mpegts/psi/bytes.h"

namespace headgate::mpegts {
namespace {

constexpr std::uint8_t kCatTableId = 0x01;   // table 2-31
constexpr std::uint16_t kReserved = 0xFFFF;  // 18 bits of which begin the long header's extension

}  // namespace

std::optional<Cat> Cat::parse(std::span<const std::uint8_t> section) {
  const auto body = detail::long_section_body(section, kCatTableId);
  if (!body) return std::nullopt;
  Cat cat;
  cat.version = section[5] >> 1 & 0x1F;
  cat.current = (section[5] & 1) != 0;
  cat.section_number = section[6];
  cat.last_section_number = section[7];
  if (cat.section_number > cat.last_section_number) return std::nullopt;
  cat.descriptors = detail::read_descriptors(*body);
  return cat;
}

std::vector<std::uint8_t> Cat::to_section() const {
  auto out = detail::begin_section(kCatTableId, kReserved, version, current, section_number,
                                   last_section_number, 0x30);
  out.insert(out.end(), descriptors.bytes.begin(), descriptors.bytes.end());
  return detail::finish_section(std::move(out));
}

}  // namespace headgate::mpegts
