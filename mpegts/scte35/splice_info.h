// Splice information sections (ANSI/SCTE 35 2023 9.6 to 10.3): decoded to values, and their times moved.
// parse() takes one whole section, checks its CRC itself (its section_syntax_indicator is 0, so that a
// SectionAssembler does not) and never trusts a length. What is encrypted (11) stays unread but for the
// header. Threading: pure functions and values.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "mpegts/packet/types.h"

namespace headgate::mpegts {

inline constexpr std::uint8_t kSpliceInfoTableId = 0xFC;     // 9.6.1
inline constexpr std::uint32_t kCueIdentifier = 0x43554549;  // "CUEI", 10.2

// splice_command_type (9.6.1).
enum class SpliceCommand : std::uint8_t {
  splice_null = 0x00,
  splice_schedule = 0x04,
  splice_insert = 0x05,
  time_signal = 0x06,
  bandwidth_reservation = 0x07,
  private_command = 0xFF
};
// The command's name in the standard, "reserved" for values it gives none.
const char* to_string(SpliceCommand command) noexcept;

// 9.8.1; pts_adjustment is not added.
struct SpliceTime {
  bool specified = false;
  Pts90kHz pts;
  bool operator==(const SpliceTime&) const = default;
};

struct SpliceComponent {
  std::uint8_t tag = 0;
  SpliceTime time;
  bool operator==(const SpliceComponent&) const = default;
};

// 9.7.3. Where `cancel` is set nothing but event_id holds.
struct SpliceInsert {
  std::uint32_t event_id = 0;
  bool cancel = false;
  bool out_of_network = false;
  bool program_splice = false;
  bool immediate = false;
  SpliceTime time;                          // of a program splice
  std::vector<SpliceComponent> components;  // else
  std::optional<std::uint64_t> duration;    // 90 kHz (9.8.2)
  bool auto_return = false;
  std::uint16_t unique_program_id = 0;
  std::uint8_t avail_num = 0;
  std::uint8_t avails_expected = 0;
  bool operator==(const SpliceInsert&) const = default;
};

// 9.7.4
struct TimeSignal {
  SpliceTime time;
  bool operator==(const TimeSignal&) const = default;
};

// 9.7.6
struct PrivateCommand {
  std::uint32_t identifier = 0;
  std::vector<std::uint8_t> bytes;
  bool operator==(const PrivateCommand&) const = default;
};

// 10.3.1
struct AvailDescriptor {
  std::uint32_t provider_avail_id = 0;
  bool operator==(const AvailDescriptor&) const = default;
};

// 10.3.2
struct DtmfDescriptor {
  std::uint8_t preroll = 0;  // tenths of a second
  std::string characters;
  bool operator==(const DtmfDescriptor&) const = default;
};

// 10.3.3. Where `cancel` is set nothing but event_id holds.
struct SegmentationDescriptor {
  std::uint32_t event_id = 0;
  bool cancel = false;
  bool program_segmentation = true;
  bool delivery_not_restricted = true;
  bool web_delivery_allowed = true;  // this and the next three: where delivery is restricted
  bool no_regional_blackout = true;
  bool archive_allowed = true;
  std::uint8_t device_restrictions = 3;
  std::optional<std::uint64_t> duration;  // 90 kHz, 40 bits
  std::uint8_t upid_type = 0;
  std::vector<std::uint8_t> upid;
  std::uint8_t type_id = 0;
  std::uint8_t segment_num = 0;
  std::uint8_t segments_expected = 0;
  std::optional<std::pair<std::uint8_t, std::uint8_t>> sub_segment;  // number and how many are expected
  bool operator==(const SegmentationDescriptor&) const = default;
};
// The name of a segmentation_type_id (10.3.3.1), "" for one that is not known here.
const char* segmentation_type_name(std::uint8_t type_id) noexcept;

// 10.3.4
struct TimeDescriptor {
  std::uint64_t tai_seconds = 0;
  std::uint32_t tai_ns = 0;
  std::uint16_t utc_offset = 0;
  bool operator==(const TimeDescriptor&) const = default;
};

// Of another identifier, another tag, or a form that could not be read.
struct OtherSpliceDescriptor {
  std::uint8_t tag = 0;
  std::vector<std::uint8_t> body;  // identifier and what follows
  bool operator==(const OtherSpliceDescriptor&) const = default;
};

using SpliceDescriptor = std::variant<AvailDescriptor, DtmfDescriptor, SegmentationDescriptor, TimeDescriptor,
                                      OtherSpliceDescriptor>;

struct SpliceInfo {
  std::uint8_t protocol_version = 0;
  bool encrypted = false;  // then command and descriptors are not known
  std::uint8_t encryption_algorithm = 0;
  Pts90kHz pts_adjustment;
  std::uint8_t cw_index = 0;
  std::uint16_t tier = 0xFFF;
  SpliceCommand command_type = SpliceCommand::splice_null;
  // monostate: a command without content, or one whose content is not decoded (splice_schedule).
  std::variant<std::monostate, SpliceInsert, TimeSignal, PrivateCommand> command;
  std::vector<SpliceDescriptor> descriptors;
  bool operator==(const SpliceInfo&) const = default;

  static std::optional<SpliceInfo> parse(std::span<const std::uint8_t> section);
  // When it happens: pts_time + pts_adjustment, modulo 2^33 (9.6.1); of a splice by components, the first's.
  // Nothing where it is immediate, cancelled, encrypted, or says no time.
  std::optional<Pts90kHz> at() const noexcept;
};

// Adds to pts_adjustment, modulo 2^33, in place, and seals the section: so a multiplexer that shifts PTS
// brings a cue's times in line (9.6.1), which also holds where the rest is encrypted. False, and the bytes
// untouched: no whole splice information section. Does not allocate.
bool retime_splice(std::span<std::uint8_t> section, std::uint64_t offset_90khz) noexcept;

}  // namespace headgate::mpegts
