// What goes first where a stream has more than may leave, told from its packets alone. References: ISO/IEC
// 13818-1:2022 2.4.3.4, 2.4.3.7 (table 2-22), 2.4.4.9; ANSI/SCTE 35 (splice_info_section). Threading: pure
// functions.
#pragma once

#include <cstdint>
#include <optional>

#include "mpegts/packet/ts_packet.h"

namespace headgate::mpegts {

// In the order in which they go; null packets go before all. Tables, among them packets with a PCR, stay.
enum class DropRank : std::uint8_t { padding, data, media, tables };
inline constexpr std::size_t kDropRanks = 4;

// What a packet that begins something tells of its PID; nothing where it tells nothing.
std::optional<DropRank> rank_of_start(const TsPacket& packet) noexcept;
// No payload, and an adaptation field that says nothing.
bool is_stuffing(const TsPacket& packet) noexcept;

}  // namespace headgate::mpegts
