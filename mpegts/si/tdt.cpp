#include "mpegts/si/tdt.h"

#include "mpegts/psi/bytes.h"
#include "mpegts/psi/section.h"
#include "mpegts/psi/section_edit.h"
#include "mpegts/si/si_time.h"

namespace headgate::mpegts {
namespace {

constexpr std::uint8_t kTdt = 0x70;  // EN 300 468 table 2
constexpr std::uint8_t kTot = 0x73;

// section_syntax_indicator 0, and the time.
std::vector<std::uint8_t> begin_short(std::uint8_t table_id, std::int64_t unix_s) {
  std::vector<std::uint8_t> out(8);
  out[0] = table_id;
  out[1] = 0x70;
  out[2] = 5;
  put_si_time(std::span<std::uint8_t>{out}.subspan<3, 5>(), unix_s);
  return out;
}

}  // namespace

std::optional<Tdt> Tdt::parse(std::span<const std::uint8_t> section) noexcept {
  if (section.size() != 8 || section[0] != kTdt || detail::read12(section, 1) != 5) return std::nullopt;
  const auto time = si_time(section.subspan<3, 5>());
  if (!time) return std::nullopt;
  return Tdt{*time};
}

std::vector<std::uint8_t> Tdt::to_section() const { return begin_short(kTdt, unix_s); }

std::optional<Tot> Tot::parse(std::span<const std::uint8_t> section) {
  if (section.size() < 14 || section[0] != kTot || section.size() != 3 + detail::read12(section, 1) ||
      crc32_mpeg(section) != 0)
    return std::nullopt;
  const auto time = si_time(section.subspan<3, 5>());
  const std::size_t length = detail::read12(section, 8);
  if (!time || 10 + length + 4 > section.size()) return std::nullopt;
  return Tot{*time, detail::read_descriptors(section.subspan(10, length))};
}

std::vector<std::uint8_t> Tot::to_section() const {
  auto out = begin_short(kTot, unix_s);
  detail::append_descriptors(out, descriptors, 0xF0);
  if (out.size() + 4 > detail::kMaxPsiSection) return {};
  const std::size_t length = out.size() + 4 - 3;
  out[1] = static_cast<std::uint8_t>(0x70 | length >> 8);
  out[2] = static_cast<std::uint8_t>(length & 0xFF);
  out.resize(out.size() + 4);
  seal(out);
  return out;
}

}  // namespace headgate::mpegts
