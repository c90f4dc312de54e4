#include "mpegts/si/si_descriptors.h"

#include "mpegts/psi/bytes.h"
#include "mpegts/si/si_time.h"

namespace headgate::mpegts {
namespace {

using Form = ListedChannel::Form;

constexpr std::uint8_t kServiceList = 0x41;
constexpr std::uint8_t kShortEventTag = 0x4D;
constexpr std::uint8_t kLocalTimeOffset = 0x58;
constexpr std::uint8_t kApplicationSignalling = 0x6F;
constexpr std::uint8_t kLogicalChannelTag = 0x83;
constexpr std::uint8_t kNordigLogicalChannel2 = 0x87;
constexpr std::uint8_t kHdSimulcastChannel = 0x88;
constexpr std::uint8_t kPrivateSectionsType = 0x05;

std::array<char, 3> code_at(std::span<const std::uint8_t> b, std::size_t at) noexcept {
  return {static_cast<char>(b[at]), static_cast<char>(b[at + 1]), static_cast<char>(b[at + 2])};
}

// service_id, visible_service_flag, then the number in the last bits.
void read_channels(std::vector<ListedChannel>& to, std::span<const std::uint8_t> b, Form form,
                   std::uint8_t channel_list = 0) {
  const std::uint16_t mask = form == Form::nordig1 ? 0x3FFF : 0x03FF;
  for (std::size_t at = 0; at + 4 <= b.size(); at += 4)
    to.push_back({form, channel_list, detail::read16(b, at),
                  static_cast<std::uint16_t>(detail::read16(b, at + 2) & mask), (b[at + 2] & 0x80) != 0});
}

// Channel lists one behind the other, each with its name and country.
void read_channel_lists(std::vector<ListedChannel>& to, std::span<const std::uint8_t> b) {
  while (b.size() >= 2) {
    const std::size_t length_at = std::size_t{2} + b[1] + 3;
    if (length_at >= b.size() || b[length_at] > b.size() - length_at - 1) return;
    read_channels(to, b.subspan(length_at + 1, b[length_at]), Form::nordig2, b[0]);
    b = b.subspan(length_at + 1 + b[length_at]);
  }
}

// Hours and minutes in BCD under local_time_offset_polarity.
std::optional<std::int32_t> offset_at(std::span<const std::uint8_t> b, std::size_t at,
                                      bool negative) noexcept {
  const auto seconds = bcd_duration(std::array<std::uint8_t, 3>{b[at], b[at + 1], 0});
  if (!seconds) return std::nullopt;
  const auto value = static_cast<std::int32_t>(*seconds);
  return negative ? -value : value;
}

}  // namespace

const char* to_string(ListedChannel::Form form) noexcept {
  switch (form) {
    case Form::eacem:
      return "eacem";
    case Form::eacem_hd:
      return "eacem_hd";
    case Form::dtg:
      return "dtg";
    case Form::nordig1:
      return "nordig1";
    case Form::nordig2:
      return "nordig2";
  }
  return "";
}

std::vector<ListedService> as_service_list(const Descriptor& d) {
  std::vector<ListedService> list;
  if (d.tag != kServiceList) return list;
  for (std::size_t at = 0; at + 3 <= d.body.size(); at += 3)
    list.push_back({detail::read16(d.body, at), d.body[at + 2]});
  return list;
}

std::vector<ListedChannel> as_listed_channels(const Descriptor& d) {
  std::vector<ListedChannel> list;
  const std::uint32_t whose = d.private_data_specifier;
  if (d.tag == kLogicalChannelTag) {
    if (whose == 0 || whose == kEacemSpecifier) read_channels(list, d.body, Form::eacem);
    if (whose == kDtgSpecifier) read_channels(list, d.body, Form::dtg);
    if (whose == kNordigSpecifier) read_channels(list, d.body, Form::nordig1);
  } else if (d.tag == kHdSimulcastChannel && whose == kEacemSpecifier) {
    read_channels(list, d.body, Form::eacem_hd);
  } else if (d.tag == kNordigLogicalChannel2 && whose == kNordigSpecifier) {
    read_channel_lists(list, d.body);
  }
  return list;
}

std::vector<LocalTimeOffset> as_local_time_offsets(const Descriptor& d) {
  std::vector<LocalTimeOffset> list;
  if (d.tag != kLocalTimeOffset) return list;
  for (std::size_t at = 0; at + 13 <= d.body.size(); at += 13) {
    const bool negative = (d.body[at + 3] & 1) != 0;
    const auto now = offset_at(d.body, at + 4, negative), next = offset_at(d.body, at + 11, negative);
    if (!now || !next) continue;
    list.push_back({code_at(d.body, at), static_cast<std::uint8_t>(d.body[at + 3] >> 2), *now,
                    si_time(d.body.subspan(at + 6).first<5>()), *next});
  }
  return list;
}

std::optional<std::array<char, 3>> as_short_event_language(const Descriptor& d) noexcept {
  if (d.tag != kShortEventTag || d.body.size() < 3) return std::nullopt;
  return code_at(d.body, 0);
}

bool is_ait(const PmtStream& stream) noexcept {
  return stream.stream_type == kPrivateSectionsType &&
         stream.descriptors.find(kApplicationSignalling).has_value();
}

}  // namespace headgate::mpegts
