#include "dataplane/bridge/hub/payload.h"

#include <algorithm>

#include "mpegts/packet/ts_packet.h"

namespace headgate::bridge::hub {

using mpegts::TsPacket;

void gather(std::span<const std::uint8_t> packets, std::size_t limit, std::vector<std::uint8_t>& out) {
  out.clear();
  int last = -1;
  for (std::size_t at = 0; at + mpegts::kPacketSize <= packets.size() && out.size() < limit;
       at += mpegts::kPacketSize) {
    const TsPacket packet(packets.subspan(at).first<mpegts::kPacketSize>());
    if (!packet.has_payload() || packet.continuity_counter() == last) continue;
    last = packet.continuity_counter();
    const auto payload = packet.payload();
    out.insert(out.end(), payload.begin(), payload.end());
  }
}

std::optional<PesView> view_pes(std::span<const std::uint8_t> pes) {
  const auto header = mpegts::PesHeader::parse(pes);
  if (!header) return std::nullopt;
  const std::size_t size =
      header->packet_length == 0 ? pes.size() : std::min(pes.size(), header->packet_length + 6);
  if (header->payload_offset > size) return std::nullopt;
  return PesView{*header, size, pes.first(size).subspan(header->payload_offset)};
}

}  // namespace headgate::bridge::hub
