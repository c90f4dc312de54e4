// Edits of one transport packet that the splicer makes: PID, counter, PCR, PTS and DTS (ISO/IEC
// 13818-1:2022 2.4.3.2, 2.4.3.4, 2.4.3.7). Nothing here trusts a length of the packet. Threading: pure
// functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "mpegts/packet/ts_packet.h"

namespace headgate::mpegts::remux {

using PacketBytes = std::span<std::uint8_t, kPacketSize>;

// The way from b to a on a clock that wraps at `modulus`, the shorter one.
constexpr std::int64_t wrap_distance(std::uint64_t a, std::uint64_t b, std::uint64_t modulus) noexcept {
  const std::uint64_t ahead = (a % modulus + modulus - b % modulus) % modulus;
  return ahead > modulus / 2 ? static_cast<std::int64_t>(ahead) - static_cast<std::int64_t>(modulus)
                             : static_cast<std::int64_t>(ahead);
}

inline TsPacket view(PacketBytes packet) noexcept {
  return TsPacket{std::span<const std::uint8_t, kPacketSize>{packet.data(), kPacketSize}};
}

void set_pid(PacketBytes packet, Pid pid) noexcept;
void set_counter(PacketBytes packet, std::uint8_t continuity_counter) noexcept;

// Only where the packet has a PCR.
void write_pcr(PacketBytes packet, std::uint64_t ticks) noexcept;
void mark_discontinuity(PacketBytes packet) noexcept;
// Takes the PCR out; what followed it in the adaptation field moves up, stuffing takes the room.
void strip_pcr(PacketBytes packet) noexcept;
// A packet without payload, so that its continuity_counter is that of the packet before (2.4.3.3).
void make_pcr_packet(PacketBytes packet, Pid pid, std::uint8_t continuity_counter, std::uint64_t ticks,
                     bool discontinuity) noexcept;

// Time stamps of the PES header that begins in a packet.
struct PesTimes {
  std::optional<Pts90kHz> pts;
  std::optional<Pts90kHz> dts;  // = pts where only that is sent
  std::size_t pts_at = 0;       // offset in the packet
  std::size_t dts_at = 0;       // 0: not sent
  std::size_t packet_length = 0;
  bool cut = false;  // the packet ends inside the header: nothing of it is known
};
// Nothing where the packet begins no PES packet that can be read.
std::optional<PesTimes> pes_times(const TsPacket& packet) noexcept;
// The four bits before the time stamp stay.
void write_time(PacketBytes packet, std::size_t at, Pts90kHz time) noexcept;

}  // namespace headgate::mpegts::remux
