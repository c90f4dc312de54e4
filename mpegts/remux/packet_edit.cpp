#include "mpegts/remux/packet_edit.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>

#include "mpegts/packet/clock_fields.h"
#include "mpegts/pes/pes_packet.h"

namespace headgate::mpegts::remux {
namespace {

constexpr std::uint8_t kDiscontinuityFlag = 0x80;  // 2.4.3.4
constexpr std::uint8_t kPcrFlag = 0x10;
constexpr std::size_t kPcrAt = 6;
constexpr std::size_t kPcrSize = 6;
constexpr std::size_t kTimesAt = 9;  // in a PES packet, 2.4.3.6
constexpr std::size_t kTimeSize = 5;

}  // namespace

void set_pid(PacketBytes packet, Pid pid) noexcept {
  packet[1] = static_cast<std::uint8_t>((packet[1] & 0xE0) | (pid.value >> 8 & 0x1F));
  packet[2] = static_cast<std::uint8_t>(pid.value & 0xFF);
}

void set_counter(PacketBytes packet, std::uint8_t continuity_counter) noexcept {
  packet[3] = static_cast<std::uint8_t>((packet[3] & 0xF0) | (continuity_counter & 0x0F));
}

void write_pcr(PacketBytes packet, std::uint64_t ticks) noexcept {
  if (!view(packet).has_pcr()) return;
  put_pcr(packet.subspan<kPcrAt, kPcrSize>(), ticks);
}

void mark_discontinuity(PacketBytes packet) noexcept {
  if (view(packet).adaptation_length() > 0) packet[5] |= kDiscontinuityFlag;
}

void strip_pcr(PacketBytes packet) noexcept {
  const TsPacket seen = view(packet);
  if (!seen.has_pcr() || !seen.valid()) return;
  const std::size_t end = 5U + seen.adaptation_length();
  std::uint8_t* const field = packet.data();
  std::memmove(field + kPcrAt, field + kPcrAt + kPcrSize, end - kPcrAt - kPcrSize);
  std::memset(field + end - kPcrSize, 0xFF, kPcrSize);
  packet[5] = static_cast<std::uint8_t>(packet[5] & ~kPcrFlag);
}

void make_pcr_packet(PacketBytes packet, Pid pid, std::uint8_t continuity_counter, std::uint64_t ticks,
                     bool discontinuity) noexcept {
  std::fill(packet.begin(), packet.end(), std::uint8_t{0xFF});
  packet[0] = kSyncByte;
  packet[1] = static_cast<std::uint8_t>(pid.value >> 8 & 0x1F);
  packet[2] = static_cast<std::uint8_t>(pid.value & 0xFF);
  packet[3] = static_cast<std::uint8_t>(0x20 | (continuity_counter & 0x0F));
  packet[4] = 183;
  packet[5] = static_cast<std::uint8_t>(kPcrFlag | (discontinuity ? kDiscontinuityFlag : 0));
  write_pcr(packet, ticks);
}

std::optional<PesTimes> pes_times(const TsPacket& packet) noexcept {
  if (!packet.payload_unit_start() || packet.scrambling_control() != 0) return std::nullopt;
  const auto payload = packet.payload();
  PesTimes times;
  const auto header = PesHeader::parse(payload);
  if (!header) {
    constexpr std::array<std::uint8_t, 3> kPrefix{0, 0, 1};
    times.cut =
        payload.size() < kTimesAt + 2 * kTimeSize &&
        std::equal(payload.begin(), payload.begin() + std::min<std::ptrdiff_t>(3, std::ssize(payload)),
                   kPrefix.begin());
    return times.cut ? std::optional{times} : std::nullopt;
  }
  times.packet_length = header->packet_length;
  times.pts = header->pts;
  times.dts = header->dts;
  if (!times.pts) return times;
  times.pts_at = static_cast<std::size_t>(payload.data() - packet.bytes().data()) + kTimesAt;
  if ((payload[7] & 0xC0) == 0xC0 && payload[8] >= 2 * kTimeSize) times.dts_at = times.pts_at + kTimeSize;
  return times;
}

void write_time(PacketBytes packet, std::size_t at, Pts90kHz time) noexcept {
  if (at == 0 || at + kTimeSize > kPacketSize) return;
  put_stamp(packet.subspan(at).first<kTimeSize>(), time);
}

}  // namespace headgate::mpegts::remux
