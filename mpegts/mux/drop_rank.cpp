#include "mpegts/mux/drop_rank.h"

namespace headgate::mpegts {

std::optional<DropRank> rank_of_start(const TsPacket& packet) noexcept {
  const auto payload = packet.payload();
  if (!packet.payload_unit_start() || payload.size() < 16) return std::nullopt;
  if (payload[0] == 0 && payload[1] == 0 && payload[2] == 1) {  // a PES packet: 2.4.3.7, table 2-22
    const std::uint8_t id = payload[3];
    if (id >= 0xC0 && id <= 0xEF) return DropRank::media;
    if (id == 0xFD) return DropRank::media;    // extended: VC-1, AC-3 and others
    if (id == 0xBE) return DropRank::padding;  // padding_stream
    if (id != 0xBD) return DropRank::data;
    // Private stream 1 carries AC-3 and DTS beside teletext and subtitles.
    const std::size_t at = std::size_t{9} + payload[8];
    if (at + 2 > payload.size()) return DropRank::data;
    const bool ac3 = payload[at] == 0x0B && payload[at + 1] == 0x77;
    const bool dts = payload[at] == 0x7F && payload[at + 1] == 0xFE;
    return ac3 || dts ? DropRank::media : DropRank::data;
  }
  const std::size_t table = std::size_t{1} + payload[0];
  if (table >= payload.size()) return DropRank::data;
  // A PMT, or a cue: a few packets an hour that a break depends on.
  return payload[table] == 0x02 || payload[table] == 0xFC ? DropRank::tables : DropRank::data;
}

bool is_stuffing(const TsPacket& packet) noexcept {
  return packet.valid() && !packet.has_payload() && packet.adaptation_flags() == 0;
}

}  // namespace headgate::mpegts
