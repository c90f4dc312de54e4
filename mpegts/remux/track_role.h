// The roles that the tracks of a service play, by which a channel map names them whatever their PIDs are:
// what a track is by its stream_type and descriptors (ISO/IEC 13818-1:2022 2.4.4.8, EN 300 468 Annex D), its
// language, and which of its kind it is. Written video, audio, audio.eng, audio.2, audio.eng.2.
// Threading: values and pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mpegts/psi/tables.h"

namespace headgate::mpegts {

enum class RoleKind : std::uint8_t {
  video,
  audio,
  subtitles,  // of DVB, EN 300 743
  teletext,
  scte35,
  data,  // every other track
  pcr,   // the PCR_PID where it is no track's
  pmt,
};

struct TrackRole {
  RoleKind kind = RoleKind::data;
  std::string language;      // three small letters, ISO 639-2; "": any
  std::uint8_t ordinal = 0;  // from 1, in the order of the PMT; 0: not told
  bool operator==(const TrackRole&) const = default;
};

std::optional<TrackRole> parse_role(std::string_view text);

// Never pcr or pmt.
RoleKind role_kind(const PmtStream& stream) noexcept;
// All that its descriptors name: ISO_639_language, teletext, subtitling. In small letters.
std::vector<std::string> role_languages(const PmtStream& stream);

}  // namespace headgate::mpegts
