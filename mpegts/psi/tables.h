// PAT and PMT as values (ISO/IEC 13818-1:2022 2.4.4.3, 2.4.4.8), parsed from and written to sections.
// Parsing never trusts a length; unknown descriptors are kept byte for byte. parse() takes one whole section
// whose CRC the SectionAssembler has checked; to_section() is empty where the table exceeds one PSI section
// (1024 bytes). Threading: values.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mpegts/packet/types.h"

namespace headgate::mpegts {

// A descriptor loop, raw and validated: each descriptor's length stays inside it.
struct Descriptors {
  std::vector<std::uint8_t> bytes;
  // The body of the first descriptor with this tag (index-th one), or nothing.
  std::optional<std::span<const std::uint8_t>> find(std::uint8_t tag, std::size_t index = 0) const noexcept;
  bool operator==(const Descriptors&) const = default;
};

struct PatEntry {
  std::uint16_t program_number = 0;  // 0: the PID is the network PID
  Pid pid;
  bool operator==(const PatEntry&) const = default;
};

struct Pat {
  std::uint16_t transport_stream_id = 0;
  std::uint8_t version = 0;
  bool current = true;
  std::uint8_t section_number = 0;
  std::uint8_t last_section_number = 0;
  std::vector<PatEntry> entries;
  bool operator==(const Pat&) const = default;

  static std::optional<Pat> parse(std::span<const std::uint8_t> section);
  std::vector<std::uint8_t> to_section() const;
};

struct PmtStream {
  std::uint8_t stream_type = 0;  // table 2-34
  Pid pid;
  Descriptors descriptors;
  bool operator==(const PmtStream&) const = default;
};

struct Pmt {
  std::uint16_t program_number = 0;
  std::uint8_t version = 0;
  bool current = true;
  Pid pcr_pid = kNullPid;
  Descriptors descriptors;
  std::vector<PmtStream> streams;
  bool operator==(const Pmt&) const = default;

  static std::optional<Pmt> parse(std::span<const std::uint8_t> section);
  std::vector<std::uint8_t> to_section() const;
};

// What a stream is, from stream_type and descriptors (EN 300 468 Annex D, ATSC A/52, SCTE 35).
enum class StreamKind : std::uint8_t {
  unknown,
  mpeg2_video,
  h264,
  hevc,
  mpeg_audio /* layer I, II, III */,
  aac_adts,
  aac_latm,
  ac3,
  eac3,
  dts,
  opus,
  teletext,
  dvb_subtitles,
  scte35,
  private_sections,
  id3,
  other
};
StreamKind stream_kind(const PmtStream& stream) noexcept;
const char* to_string(StreamKind kind) noexcept;
constexpr bool is_video(StreamKind k) noexcept {
  return k == StreamKind::mpeg2_video || k == StreamKind::h264 || k == StreamKind::hevc;
}
constexpr bool is_audio(StreamKind k) noexcept {
  return k == StreamKind::mpeg_audio || k == StreamKind::aac_adts || k == StreamKind::aac_latm ||
         k == StreamKind::ac3 || k == StreamKind::eac3 || k == StreamKind::dts || k == StreamKind::opus;
}
// ISO_639_language_descriptor (2.6.18), "" without.
std::string language(const PmtStream& stream);

}  // namespace headgate::mpegts
