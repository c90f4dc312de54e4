#include "mpegts/scte35/splice_info.h"

#include "mpegts/psi/section.h"

namespace headgate::mpegts {
namespace {

constexpr std::size_t kHeader = 14;  // table_id to splice_command_type
constexpr std::size_t kCrc = 4;
constexpr std::size_t kShortest = kHeader + 2 + kCrc;  // with descriptor_loop_length: a splice_null
constexpr std::size_t kUnknownLength = 0xFFF;          // splice_command_length of old senders (9.6.1)
// Past this the adjustment's five bytes, of which the first holds the encryption's bits too.
constexpr std::size_t kAdjustmentAt = 4;

// Takes fields from the front; past the end it gives zeros and ok() turns false.
class Fields {
 public:
  explicit Fields(std::span<const std::uint8_t> bytes) noexcept : bytes_(bytes) {}
  bool ok() const noexcept { return ok_; }
  std::size_t left() const noexcept { return bytes_.size(); }
  std::uint64_t number(std::size_t size) noexcept {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : bytes(size)) value = value << 8 | byte;
    return value;
  }
  std::uint8_t byte() noexcept { return static_cast<std::uint8_t>(number(1)); }
  std::uint16_t u16() noexcept { return static_cast<std::uint16_t>(number(2)); }
  std::uint32_t u32() noexcept { return static_cast<std::uint32_t>(number(4)); }
  std::span<const std::uint8_t> bytes(std::size_t size) noexcept {
    if (size > bytes_.size()) {
      ok_ = false;
      bytes_ = {};
      return {};
    }
    const auto taken = bytes_.first(size);
    bytes_ = bytes_.subspan(size);
    return taken;
  }

 private:
  std::span<const std::uint8_t> bytes_;
  bool ok_ = true;
};

constexpr std::uint64_t k33Bits = kPtsModulus - 1;

SpliceTime read_time(Fields& in) noexcept {
  const std::uint8_t first = in.byte();
  if ((first & 0x80) == 0) return {};
  return {true, Pts90kHz{(std::uint64_t{first} << 32 | in.number(4)) & k33Bits}};
}

SpliceInsert read_insert(Fields& in) {
  SpliceInsert out;
  out.event_id = in.u32();
  out.cancel = (in.byte() & 0x80) != 0;
  if (out.cancel) return out;
  const std::uint8_t flags = in.byte();
  out.out_of_network = (flags & 0x80) != 0;
  out.program_splice = (flags & 0x40) != 0;
  out.immediate = (flags & 0x10) != 0;
  if (out.program_splice) {
    if (!out.immediate) out.time = read_time(in);
  } else {
    for (std::size_t count = in.byte(); count > 0 && in.ok(); --count) {
      SpliceComponent component;
      component.tag = in.byte();
      if (!out.immediate) component.time = read_time(in);
      out.components.push_back(component);
    }
  }
  if ((flags & 0x20) != 0) {
    const std::uint64_t value = in.number(5);
    out.auto_return = (value >> 39) != 0;
    out.duration = value & k33Bits;
  }
  out.unique_program_id = in.u16();
  out.avail_num = in.byte();
  out.avails_expected = in.byte();
  return out;
}

SegmentationDescriptor read_segmentation(Fields& in) {
  SegmentationDescriptor out;
  out.event_id = in.u32();
  out.cancel = (in.byte() & 0x80) != 0;
  if (out.cancel) return out;
  const std::uint8_t flags = in.byte();
  out.program_segmentation = (flags & 0x80) != 0;
  out.delivery_not_restricted = (flags & 0x20) != 0;
  if (!out.delivery_not_restricted) {
    out.web_delivery_allowed = (flags & 0x10) != 0;
    out.no_regional_blackout = (flags & 0x08) != 0;
    out.archive_allowed = (flags & 0x04) != 0;
    out.device_restrictions = flags & 0x03;
  }
  if (!out.program_segmentation) in.bytes(std::size_t{in.byte()} * 6);  // component_tag and pts_offset
  if ((flags & 0x40) != 0) out.duration = in.number(5);
  out.upid_type = in.byte();
  const auto upid = in.bytes(in.byte());
  out.upid.assign(upid.begin(), upid.end());
  out.type_id = in.byte();
  out.segment_num = in.byte();
  out.segments_expected = in.byte();
  if (in.left() >= 2) {  // of some types only, and senders of old leave them out: the length tells
    const std::uint8_t number = in.byte();
    out.sub_segment = {number, in.byte()};
  }
  return out;
}

DtmfDescriptor read_dtmf(Fields& in) {
  DtmfDescriptor out;
  out.preroll = in.byte();
  const auto characters = in.bytes(in.byte() >> 5);
  out.characters.assign(characters.begin(), characters.end());
  return out;
}

TimeDescriptor read_time_descriptor(Fields& in) noexcept {
  TimeDescriptor out;
  out.tai_seconds = in.number(6);
  out.tai_ns = in.u32();
  out.utc_offset = in.u16();
  return out;
}

SpliceDescriptor read_descriptor(std::uint8_t tag, std::span<const std::uint8_t> body) {
  Fields in(body);
  if (in.u32() == kCueIdentifier && in.ok()) {
    SpliceDescriptor made;
    bool known = true;
    switch (tag) {
      case 0x00:
        made = AvailDescriptor{in.u32()};
        break;
      case 0x01:
        made = read_dtmf(in);
        break;
      case 0x02:
        made = read_segmentation(in);
        break;
      case 0x03:
        made = read_time_descriptor(in);
        break;
      default:
        known = false;
    }
    if (known && in.ok()) return made;
  }
  return OtherSpliceDescriptor{tag, {body.begin(), body.end()}};
}

bool is_whole(std::span<const std::uint8_t> section) noexcept {
  return section.size() >= kShortest && section.size() <= kMaxSectionSize &&
         section[0] == kSpliceInfoTableId &&
         section.size() == std::size_t{3} + ((section[1] & 0x0FU) << 8 | section[2]);
}

}  // namespace

std::optional<SpliceInfo> SpliceInfo::parse(std::span<const std::uint8_t> section) {
  if (!is_whole(section) || crc32_mpeg(section) != 0) return std::nullopt;
  Fields in(section.subspan(3, section.size() - 3 - kCrc));
  SpliceInfo out;
  out.protocol_version = in.byte();
  const std::uint64_t adjustment = in.number(5);
  out.encrypted = (adjustment >> 39) != 0;
  out.encryption_algorithm = static_cast<std::uint8_t>(adjustment >> 33 & 0x3F);
  out.pts_adjustment = {adjustment & k33Bits};
  out.cw_index = in.byte();
  const auto tier_and_length = static_cast<std::uint32_t>(in.number(3));
  out.tier = static_cast<std::uint16_t>(tier_and_length >> 12);
  if (out.encrypted) return out;
  const std::size_t length = tier_and_length & 0xFFF;
  out.command_type = SpliceCommand{in.byte()};
  const bool bounded = length != kUnknownLength;
  // Without a length the content itself says where it ends.
  Fields inside(bounded ? in.bytes(length) : std::span<const std::uint8_t>{});
  Fields& from = bounded ? inside : in;
  if (out.command_type == SpliceCommand::splice_insert) {
    out.command = read_insert(from);
  } else if (out.command_type == SpliceCommand::time_signal) {
    out.command = TimeSignal{read_time(from)};
  } else if (out.command_type == SpliceCommand::private_command && bounded) {
    PrivateCommand command;
    command.identifier = from.u32();
    const auto bytes = from.bytes(from.left());
    command.bytes.assign(bytes.begin(), bytes.end());
    out.command = std::move(command);
  } else if (!bounded && out.command_type != SpliceCommand::splice_null &&
             out.command_type != SpliceCommand::bandwidth_reservation) {
    return std::nullopt;
  }
  if (!in.ok() || !from.ok()) return std::nullopt;
  Fields loop(in.bytes(in.u16()));
  if (!in.ok()) return std::nullopt;
  while (loop.left() > 0) {
    const std::uint8_t tag = loop.byte();
    const auto body = loop.bytes(loop.byte());
    if (!loop.ok()) return std::nullopt;
    out.descriptors.push_back(read_descriptor(tag, body));
  }
  return out;
}

std::optional<Pts90kHz> SpliceInfo::at() const noexcept {
  SpliceTime time;
  if (const auto* insert = std::get_if<SpliceInsert>(&command))
    time = insert->components.empty() ? insert->time : insert->components.front().time;
  else if (const auto* signal = std::get_if<TimeSignal>(&command))
    time = signal->time;
  if (!time.specified) return std::nullopt;
  return Pts90kHz{(time.pts.ticks + pts_adjustment.ticks) & k33Bits};
}

bool retime_splice(std::span<std::uint8_t> section, std::uint64_t offset_90khz) noexcept {
  if (!is_whole(section) || crc32_mpeg(section) != 0) return false;  // a damaged one stays damaged
  std::uint64_t adjustment = section[kAdjustmentAt] & 1U;
  for (std::size_t i = 1; i < 5; ++i) adjustment = adjustment << 8 | section[kAdjustmentAt + i];
  adjustment = (adjustment + offset_90khz) & k33Bits;
  section[kAdjustmentAt] = static_cast<std::uint8_t>((section[kAdjustmentAt] & 0xFE) |
                                                     static_cast<std::uint8_t>(adjustment >> 32));
  for (std::size_t i = 1; i < 5; ++i)
    section[kAdjustmentAt + i] = static_cast<std::uint8_t>(adjustment >> (8 * (4 - i)));
  const std::uint32_t crc = crc32_mpeg(section.first(section.size() - kCrc));
  for (std::size_t i = 0; i < kCrc; ++i)
    section[section.size() - kCrc + i] = static_cast<std::uint8_t>(crc >> (24 - 8 * i));
  return true;
}

}  // namespace headgate::mpegts
