#include "mpegts/remux/splice_output.h"

#include <cstring>

#include "mpegts/psi/section.h"

namespace headgate::mpegts::remux {

// Not touched before it is used.
SpliceOutput::SpliceOutput(std::size_t packets)
    : capacity_(packets * kPacketSize), buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(capacity_)) {
  last_.fill(kNone);
}

std::optional<PacketBytes> SpliceOutput::add(const TsPacket& packet) noexcept {
  if (capacity_ - used_ < kPacketSize) return std::nullopt;
  std::uint8_t* const to = buffer_.get() + used_;
  std::memcpy(to, packet.bytes().data(), kPacketSize);
  used_ += kPacketSize;
  return PacketBytes{to, kPacketSize};
}

void SpliceOutput::count_on(PacketBytes packet) noexcept {
  const TsPacket seen = view(packet);
  const std::uint16_t pid = seen.pid().value;
  if (seen.pid() == kNullPid) return;
  const std::uint8_t counter = seen.continuity_counter();
  if (!joined_[pid]) {
    const int next = last_[pid] == kNone ? counter : last_[pid] + (seen.has_payload() ? 1 : 0);
    added_[pid] = static_cast<std::uint8_t>((next - counter) & 0x0F);
    joined_.set(pid);
  }
  last_[pid] = (counter + added_[pid]) & 0x0F;
  set_counter(packet, last_[pid]);
}

void SpliceOutput::note(const TsPacket& packet) noexcept {
  last_[packet.pid().value] = packet.continuity_counter();
}

void SpliceOutput::follow_source() noexcept {
  added_.fill(0);
  joined_.set();
}

void SpliceOutput::add_section(Pid pid, std::span<const std::uint8_t> section) noexcept {
  std::uint8_t& last = last_[pid.value];
  const auto next = static_cast<std::uint8_t>(last == kNone ? 0 : last + 1);
  const std::size_t written =
      pack_section_into(pid, section, next, std::span{buffer_.get() + used_, capacity_ - used_});
  if (written == 0) return;
  used_ += written;
  last = static_cast<std::uint8_t>((next + written / kPacketSize - 1) & 0x0F);
}

void SpliceOutput::add_pcr(Pid pid, std::uint64_t ticks, bool discontinuity) noexcept {
  if (capacity_ - used_ < kPacketSize) return;
  std::uint8_t& last = last_[pid.value];
  if (last == kNone) last = 0;
  make_pcr_packet(PacketBytes{buffer_.get() + used_, kPacketSize}, pid, last, ticks, discontinuity);
  used_ += kPacketSize;
}

}  // namespace headgate::mpegts::remux
