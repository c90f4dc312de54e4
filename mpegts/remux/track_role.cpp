#include "mpegts/remux/track_role.h"

#include <algorithm>
#include <array>
#include <utility>

#include "mpegts/psi/descriptors.h"

namespace headgate::mpegts {
namespace {

constexpr std::array<std::pair<std::string_view, RoleKind>, 8> kNames{{{"video", RoleKind::video},
                                                                       {"audio", RoleKind::audio},
                                                                       {"subtitles", RoleKind::subtitles},
                                                                       {"teletext", RoleKind::teletext},
                                                                       {"scte35", RoleKind::scte35},
                                                                       {"data", RoleKind::data},
                                                                       {"pcr", RoleKind::pcr},
                                                                       {"pmt", RoleKind::pmt}}};

bool is_language(std::string_view text) noexcept {
  return text.size() == 3 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

// 1 to 99, without a leading zero.
std::optional<std::uint8_t> ordinal_of(std::string_view text) noexcept {
  if (text.empty() || text.size() > 2 || text[0] == '0') return std::nullopt;
  std::uint8_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = static_cast<std::uint8_t>(value * 10 + (c - '0'));
  }
  return value;
}

std::string_view take_part(std::string_view& text) noexcept {
  const std::size_t dot = text.find('.');
  const std::string_view part = text.substr(0, dot);
  text = dot == std::string_view::npos ? std::string_view{} : text.substr(dot + 1);
  return part;
}

void add_code(const std::array<char, 3>& code, std::vector<std::string>& to) {
  std::string text;
  for (const char c : code) text.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c);
  if (is_language(text) && std::find(to.begin(), to.end(), text) == to.end()) to.push_back(std::move(text));
}

}  // namespace

std::optional<TrackRole> parse_role(std::string_view text) {
  if (!text.empty() && text.back() == '.') return std::nullopt;
  const std::string_view name = take_part(text);
  const auto known =
      std::find_if(kNames.begin(), kNames.end(), [&](const auto& n) { return n.first == name; });
  if (known == kNames.end()) return std::nullopt;
  TrackRole role{known->second, {}, 0};
  if (text.empty()) return role;
  const bool spoken =
      role.kind == RoleKind::audio || role.kind == RoleKind::subtitles || role.kind == RoleKind::teletext;
  if (role.kind == RoleKind::pcr || role.kind == RoleKind::pmt) return std::nullopt;
  std::string_view part = take_part(text);
  if (spoken && is_language(part)) {
    role.language = part;
    if (text.empty()) return role;
    part = take_part(text);
  }
  const auto ordinal = ordinal_of(part);
  if (!ordinal || !text.empty()) return std::nullopt;
  role.ordinal = *ordinal;
  return role;
}

RoleKind role_kind(const PmtStream& stream) noexcept {
  const StreamKind kind = stream_kind(stream);
  // Table 2-34: MPEG-1, MPEG-4 part 2 and VVC video, which nothing else here knows.
  const std::uint8_t type = stream.stream_type;
  if (is_video(kind) || type == 0x01 || type == 0x10 || type == 0x33) return RoleKind::video;
  if (is_audio(kind)) return RoleKind::audio;
  if (kind == StreamKind::dvb_subtitles) return RoleKind::subtitles;
  if (kind == StreamKind::teletext) return RoleKind::teletext;
  if (kind == StreamKind::scte35) return RoleKind::scte35;
  return RoleKind::data;
}

std::vector<std::string> role_languages(const PmtStream& stream) {
  std::vector<std::string> codes;
  for (const Descriptor& d : DescriptorLoop(stream.descriptors)) {
    for (const auto& entry : as_languages(d)) add_code(entry.code, codes);
    for (const auto& entry : as_teletext(d)) add_code(entry.code, codes);
    for (const auto& entry : as_subtitling(d)) add_code(entry.code, codes);
  }
  return codes;
}

}  // namespace headgate::mpegts
