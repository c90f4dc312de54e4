#include "mpegts/si/psip.h"

#include "mpegts/psi/bytes.h"
#include "mpegts/si/sdt.h"

namespace headgate::mpegts {
namespace {

constexpr std::int64_t kGpsEpochUnix = 315'964'800;  // 1980-01-06 00:00:00 UTC
constexpr std::uint8_t kUcs2 = 0x11;                 // EN 300 468 table A.3
constexpr std::size_t kNameBytes = 14;
constexpr std::size_t kChannelBytes = 32;

std::uint32_t read32_at(std::span<const std::uint8_t> b, std::size_t at) noexcept {
  return std::uint32_t{detail::read16(b, at)} << 16 | detail::read16(b, at + 2);
}

// 7 characters of UTF-16, the rest of them 0: the form that DVB text of two bytes has, too.
std::string short_name_at(std::span<const std::uint8_t> b, std::size_t at) {
  std::vector<std::uint8_t> text{kUcs2};
  for (std::size_t i = 0; i < kNameBytes && detail::read16(b, at + i) != 0; i += 2)
    text.insert(text.end(), {b[at + i], b[at + i + 1]});
  return dvb_text_to_utf8(text);
}

}  // namespace

const char* psip_name(std::uint16_t type) noexcept {
  if (type >= 0x0100 && type <= 0x017F) return "PSIP EIT";
  if (type == 0x0004 || (type >= 0x0200 && type <= 0x027F)) return "PSIP ETT";
  if (type >= 0x0301 && type <= 0x03FF) return "PSIP RRT";
  return "PSIP";
}

std::optional<Mgt> Mgt::parse(std::span<const std::uint8_t> section) {
  const auto body = detail::long_section_body(section, kMgtTableId);
  if (!body || body->size() < 5) return std::nullopt;
  Mgt mgt;
  const std::size_t count = detail::read16(*body, 1);
  std::size_t at = 3;
  for (std::size_t i = 0; i < count; ++i) {
    if (at + 11 > body->size()) return std::nullopt;
    mgt.tables.push_back({detail::read16(*body, at), detail::read_pid(*body, at + 2),
                          static_cast<std::uint8_t>((*body)[at + 4] & 0x1F), read32_at(*body, at + 5)});
    at += 11 + detail::read12(*body, at + 9);
  }
  if (at + 2 > body->size()) return std::nullopt;
  return mgt;
}

std::optional<Vct> Vct::parse(std::span<const std::uint8_t> section) {
  if (section.empty() || (section[0] != kTvctTableId && section[0] != kCvctTableId)) return std::nullopt;
  const auto body = detail::long_section_body(section, section[0]);
  if (!body || body->size() < 2) return std::nullopt;
  Vct vct;
  vct.cable = section[0] == kCvctTableId;
  std::size_t at = 2;
  for (std::size_t i = 0; i < (*body)[1]; ++i) {
    if (at + kChannelBytes > body->size()) return std::nullopt;
    const auto b = body->subspan(at, kChannelBytes);
    VirtualChannel channel;
    channel.short_name = short_name_at(b, 0);
    const std::uint32_t numbers = read32_at(b, 14) >> 8;  // 4 reserved, major 10, minor 10
    channel.major = static_cast<std::uint16_t>(numbers >> 10 & 0x3FF);
    channel.minor = static_cast<std::uint16_t>(numbers & 0x3FF);
    channel.transport_stream_id = detail::read16(b, 22);
    channel.program_number = detail::read16(b, 24);
    channel.access_controlled = (b[26] & 0x20) != 0;
    channel.hidden = (b[26] & 0x10) != 0;
    channel.service_type = b[27] & 0x3F;
    channel.source_id = detail::read16(b, 28);
    vct.channels.push_back(std::move(channel));
    at += kChannelBytes + (detail::read16(b, 30) & 0x03FFU);
  }
  if (at > body->size()) return std::nullopt;
  return vct;
}

std::optional<Stt> Stt::parse(std::span<const std::uint8_t> section) noexcept {
  const auto body = detail::long_section_body(section, kSttTableId);
  if (!body || body->size() < 8) return std::nullopt;
  return Stt{kGpsEpochUnix + std::int64_t{read32_at(*body, 1)} - (*body)[5], (*body)[5]};
}

}  // namespace headgate::mpegts
