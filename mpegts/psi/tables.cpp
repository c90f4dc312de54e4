#include "mpegts/psi/tables.h"

#include <algorithm>
#include <string_view>

#include "mpegts/psi/bytes.h"
#include "mpegts/psi/descriptors.h"
#include "mpegts/psi/section.h"

namespace headgate::mpegts {
namespace {

constexpr std::uint8_t kPatTableId = 0x00;  // table 2-31
constexpr std::uint8_t kPmtTableId = 0x02;

// format_identifier as it is written (2.6.8); 0 without.
constexpr std::uint32_t format(const char (&text)[5]) noexcept {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(text[i]);
  return value;
}
std::uint32_t registration(const PmtStream& stream) noexcept {
  for (const Descriptor& d : DescriptorLoop(stream.descriptors)) {
    if (const auto identifier = as_registration(d)) return *identifier;
  }
  return 0;
}

// PES_private_data, stream_type 0x06: only the descriptors tell (EN 300 468 Annex D and 6.1; Opus in TS
// draft).
StreamKind private_pes_kind(const PmtStream& stream) noexcept {
  const auto has = [&](std::uint8_t tag) { return stream.descriptors.find(tag).has_value(); };
  if (has(0x6A)) return StreamKind::ac3;
  if (has(0x7A)) return StreamKind::eac3;
  if (has(0x7B)) return StreamKind::dts;
  if (has(0x56)) return StreamKind::teletext;
  if (has(0x59)) return StreamKind::dvb_subtitles;
  const std::uint32_t identifier = registration(stream);
  if (identifier == format("AC-3")) return StreamKind::ac3;
  if (identifier == format("EAC3")) return StreamKind::eac3;
  if (identifier == format("Opus")) return StreamKind::opus;
  if (identifier == format("HEVC")) return StreamKind::hevc;
  if (identifier == format("ID3 ")) return StreamKind::id3;
  for (const std::uint32_t dts : {format("DTS1"), format("DTS2"), format("DTS3")}) {
    if (identifier == dts) return StreamKind::dts;
  }
  return StreamKind::other;
}

// Metadata in PES, stream_type 0x15: timed ID3 where metadata_descriptor says so (2.6.60), as HLS streams do.
StreamKind metadata_kind(const PmtStream& stream) noexcept {
  const auto body = stream.descriptors.find(0x26);
  if (!body) return registration(stream) == format("ID3 ") ? StreamKind::id3 : StreamKind::other;
  constexpr std::string_view kId3 = "ID3 ";
  return std::search(body->begin(), body->end(), kId3.begin(), kId3.end()) != body->end() ? StreamKind::id3
                                                                                          : StreamKind::other;
}

}  // namespace

std::optional<std::span<const std::uint8_t>> Descriptors::find(std::uint8_t tag,
                                                               std::size_t index) const noexcept {
  for (const Descriptor& d : DescriptorLoop(*this)) {
    if (d.tag == tag && index-- == 0) return d.body;
  }
  return std::nullopt;
}

std::optional<Pat> Pat::parse(std::span<const std::uint8_t> section) {
  const auto body = detail::long_section_body(section, kPatTableId);
  if (!body) return std::nullopt;
  Pat pat;
  pat.transport_stream_id = detail::read16(section, 3);
  pat.version = section[5] >> 1 & 0x1F;
  pat.current = (section[5] & 1) != 0;
  pat.section_number = section[6];
  pat.last_section_number = section[7];
  if (pat.section_number > pat.last_section_number) return std::nullopt;
  for (std::size_t at = 0; at + 4 <= body->size(); at += 4) {
    pat.entries.push_back({detail::read16(*body, at), detail::read_pid(*body, at + 2)});
  }
  return pat;
}

std::vector<std::uint8_t> Pat::to_section() const {
  auto out = detail::begin_section(kPatTableId, transport_stream_id, version, current, section_number,
                                   last_section_number, 0x30);
  for (const auto& entry : entries) {
    detail::append16(out, entry.program_number);
    detail::append16(out, static_cast<std::uint16_t>(0xE000 | entry.pid.value));
  }
  return detail::finish_section(std::move(out));
}

std::optional<Pmt> Pmt::parse(std::span<const std::uint8_t> section) {
  auto body = detail::long_section_body(section, kPmtTableId);
  if (!body || body->size() < 4) return std::nullopt;
  Pmt pmt;
  pmt.program_number = detail::read16(section, 3);
  pmt.version = section[5] >> 1 & 0x1F;
  pmt.current = (section[5] & 1) != 0;
  pmt.pcr_pid = detail::read_pid(*body, 0);
  std::size_t at = 4 + detail::read12(*body, 2);
  if (at > body->size()) return std::nullopt;
  pmt.descriptors = detail::read_descriptors(body->subspan(4, at - 4));
  while (at + 5 <= body->size()) {
    PmtStream stream;
    stream.stream_type = (*body)[at];
    stream.pid = detail::read_pid(*body, at + 1);
    const std::size_t length = detail::read12(*body, at + 3);
    at += 5;
    if (length > body->size() - at) return std::nullopt;
    stream.descriptors = detail::read_descriptors(body->subspan(at, length));
    at += length;
    pmt.streams.push_back(std::move(stream));
  }
  return pmt;
}

std::vector<std::uint8_t> Pmt::to_section() const {
  auto out = detail::begin_section(kPmtTableId, program_number, version, current, 0, 0, 0x30);
  detail::append16(out, static_cast<std::uint16_t>(0xE000 | pcr_pid.value));
  detail::append_descriptors(out, descriptors, 0xF0);
  for (const auto& stream : streams) {
    out.push_back(stream.stream_type);
    detail::append16(out, static_cast<std::uint16_t>(0xE000 | stream.pid.value));
    detail::append_descriptors(out, stream.descriptors, 0xF0);
  }
  return detail::finish_section(std::move(out));
}

StreamKind stream_kind(const PmtStream& stream) noexcept {
  switch (stream.stream_type) {  // table 2-34; 0x80 and up as ATSC A/52, A/53, SCTE 35 and Blu-ray use them
    case 0x00:
      return StreamKind::unknown;
    case 0x02:
    case 0x80:
      return StreamKind::mpeg2_video;
    case 0x03:
    case 0x04:
      return StreamKind::mpeg_audio;
    case 0x05:
    case 0x0A:
    case 0x0B:
    case 0x0C:
    case 0x0D:
      return StreamKind::private_sections;
    case 0x06:
      return private_pes_kind(stream);
    case 0x0F:
      return StreamKind::aac_adts;
    case 0x11:
      return StreamKind::aac_latm;
    case 0x15:
      return metadata_kind(stream);
    case 0x1B:
      return StreamKind::h264;
    case 0x24:
      return StreamKind::hevc;
    case 0x81:
      return StreamKind::ac3;
    case 0x82:
    case 0x8A:
      return StreamKind::dts;
    case 0x86:
      return StreamKind::scte35;
    case 0x84:
    case 0x87:
      return StreamKind::eac3;
    default:
      return StreamKind::other;
  }
}

const char* to_string(StreamKind kind) noexcept {
  switch (kind) {
    case StreamKind::unknown:
      return "unknown";
    case StreamKind::mpeg2_video:
      return "mpeg2_video";
    case StreamKind::h264:
      return "h264";
    case StreamKind::hevc:
      return "hevc";
    case StreamKind::mpeg_audio:
      return "mpeg_audio";
    case StreamKind::aac_adts:
      return "aac_adts";
    case StreamKind::aac_latm:
      return "aac_latm";
    case StreamKind::ac3:
      return "ac3";
    case StreamKind::eac3:
      return "eac3";
    case StreamKind::dts:
      return "dts";
    case StreamKind::opus:
      return "opus";
    case StreamKind::teletext:
      return "teletext";
    case StreamKind::dvb_subtitles:
      return "dvb_subtitles";
    case StreamKind::scte35:
      return "scte35";
    case StreamKind::private_sections:
      return "private_sections";
    case StreamKind::id3:
      return "id3";
    case StreamKind::other:
      return "other";
  }
  return "unknown";
}

std::string language(const PmtStream& stream) {
  for (const Descriptor& d : DescriptorLoop(stream.descriptors)) {
    const auto languages = as_languages(d);
    if (languages.empty()) continue;
    std::string code;
    for (const char c : languages.front().code) {
      const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      if (!letter) return {};
      code.push_back(static_cast<char>(c | 0x20));
    }
    return code;
  }
  return {};
}

}  // namespace headgate::mpegts
