#include "mpegts/psi/section.h"

#include <algorithm>
#include <cstring>

namespace headgate::mpegts {
namespace {

constexpr std::size_t kHeaderSize = 3;    // table_id to section_length (2.4.4.1)
constexpr std::size_t kLongMinimum = 12;  // the long header and CRC_32, with nothing between them

}  // namespace

void SectionAssembler::reset() noexcept {
  filled_ = 0;
  in_section_ = false;
  last_continuity_ = -1;
  repeated_ = false;
  stands_ = false;
}

void SectionAssembler::on_packet(const TsPacket& packet, SectionSink& sink) noexcept {
  // A damaged packet can't be placed; the next good one then shows the gap in its continuity_counter.
  if (packet.pid() != pid_ || packet.transport_error() || packet.scrambling_control() != 0) return;
  const auto payload = packet.payload();
  if (payload.empty()) return;

  const int continuity = packet.continuity_counter();
  if (last_continuity_ >= 0 && !packet.discontinuity()) {
    if (continuity == last_continuity_) {
      // 2.4.3.3: a duplicate is sent once and is equal. A third equal packet, or another content under the
      // same counter, tells that the counter stands.
      const bool equal = std::equal(last_packet_.begin(), last_packet_.end(), packet.bytes().begin());
      if (equal && !repeated_ && !stands_) {
        repeated_ = true;
        return;
      }
      stands_ = true;
    } else {
      stands_ = false;
    }
    if (continuity != ((last_continuity_ + 1) & 0x0F)) in_section_ = false;
  } else if (packet.discontinuity()) {
    in_section_ = false;
    stands_ = false;
  }
  repeated_ = false;
  last_continuity_ = continuity;
  std::memcpy(last_packet_.data(), packet.bytes().data(), kPacketSize);

  if (!packet.payload_unit_start()) {
    if (in_section_) on_bytes(payload, false, sink);
    return;
  }
  const std::size_t start = std::size_t{1} + payload[0];
  if (start > payload.size()) {
    in_section_ = false;
    return;
  }
  if (in_section_) on_bytes(payload.subspan(1, start - 1), false, sink);
  in_section_ = false;
  on_bytes(payload.subspan(start), true, sink);
}

// may_start: whether a section may begin in these bytes after the one under way ended; without a
// payload_unit_start what follows is stuffing (2.4.4.1).
void SectionAssembler::on_bytes(std::span<const std::uint8_t> bytes, bool may_start,
                                SectionSink& sink) noexcept {
  while (!bytes.empty()) {
    if (!in_section_) {
      if (!may_start || bytes[0] == 0xFF) return;  // 0xFF: no table_id, stuffing to the packet's end
      in_section_ = true;
      filled_ = 0;
    }
    std::size_t wanted = kHeaderSize;
    if (filled_ >= kHeaderSize) {
      wanted = kHeaderSize + static_cast<std::size_t>((buffer_[1] & 0x0F) << 8 | buffer_[2]);
      if (wanted > kMaxSectionSize) {
        in_section_ = false;
        return;
      }
    }
    const std::size_t count = std::min(wanted - filled_, bytes.size());
    std::memcpy(buffer_.data() + filled_, bytes.data(), count);
    filled_ += count;
    bytes = bytes.subspan(count);
    if (filled_ < wanted || wanted == kHeaderSize) {
      // A header with section_length 0 would be a section of 3 bytes: no table has one.
      if (filled_ == kHeaderSize && (buffer_[1] & 0x0F) == 0 && buffer_[2] == 0) in_section_ = false;
      continue;
    }
    in_section_ = false;
    deliver(sink);
  }
}

void SectionAssembler::deliver(SectionSink& sink) noexcept {
  const std::span<const std::uint8_t> section{buffer_.data(), filled_};
  const bool long_form = (section[1] & 0x80) != 0;
  if (long_form && (section.size() < kLongMinimum || crc32_mpeg(section) != 0)) {
    sink.on_crc_error(pid_);
    return;
  }
  sink.on_section(pid_, section);
}

std::size_t pack_section_into(Pid pid, std::span<const std::uint8_t> section, std::uint8_t continuity_counter,
                              std::span<std::uint8_t> out) noexcept {
  const std::size_t packets = packed_packets(section.size());
  if (section.empty() || out.size() < packets * kPacketSize) return 0;
  std::uint8_t* to = out.data();
  for (std::size_t i = 0; i < packets; ++i, to += kPacketSize) {
    to[0] = kSyncByte;
    to[1] = static_cast<std::uint8_t>((i == 0 ? 0x40 : 0) | (pid.value >> 8 & 0x1F));
    to[2] = static_cast<std::uint8_t>(pid.value & 0xFF);
    to[3] = static_cast<std::uint8_t>(0x10 | ((continuity_counter + i) & 0x0F));
    std::size_t at = 4;
    if (i == 0) to[at++] = 0;  // pointer_field
    const std::size_t count = std::min(section.size(), kPacketSize - at);
    std::memcpy(to + at, section.data(), count);
    std::memset(to + at + count, 0xFF, kPacketSize - at - count);
    section = section.subspan(count);
  }
  return packets * kPacketSize;
}

std::vector<std::uint8_t> pack_section(Pid pid, std::span<const std::uint8_t> section,
                                       std::uint8_t continuity_counter) {
  std::vector<std::uint8_t> packets(section.empty() ? 0 : packed_packets(section.size()) * kPacketSize);
  pack_section_into(pid, section, continuity_counter, packets);
  return packets;
}

}  // namespace headgate::mpegts
