#include "mpegts/remux/packet_router.h"

#include <algorithm>

namespace headgate::mpegts::remux {
namespace {

constexpr std::size_t kMostLanes = 1024;

}  // namespace

std::uint16_t PacketRouter::lane_for(Pid to) {
  const auto known = std::find_if(lanes_.begin(), lanes_.end(), [&](const Lane& l) { return l.to == to; });
  if (known != lanes_.end()) return static_cast<std::uint16_t>(known - lanes_.begin());
  lanes_.push_back({to, 0, false});
  return static_cast<std::uint16_t>(lanes_.size() - 1);
}

void PacketRouter::set(std::span<const PidMap::Route> routes, Pid tables) {
  const std::vector<Slot> former = std::move(slots_);
  index_.fill(0);
  slots_.clear();
  const bool anew = lanes_.size() > kMostLanes;
  if (anew) lanes_.clear();
  for (const PidMap::Route& route : routes.first(std::min(routes.size(), kMostRoutes))) {
    const auto same = std::find_if(former.begin(), former.end(), [&](const Slot& s) {
      return s.from == route.from && s.to == route.to && s.pcr_alone == route.pcr_alone;
    });
    Slot slot{route.from, route.to};
    if (same != former.end() && !anew) slot = *same;
    slot.pcr_alone = route.pcr_alone;
    slot.with_tables = route.to == tables;
    slot.lane = lane_for(route.to);
    slots_.push_back(slot);
    index_[route.from.value] = static_cast<std::uint8_t>(slots_.size());
  }
}

// A packet without payload has the counter of the one before.
void PacketRouter::join(Slot& slot, Lane& lane, const TsPacket& packet) noexcept {
  slot.joined = true;
  const int next = lane.last + (packet.has_payload() ? 1 : 0);
  slot.offset =
      lane.started ? static_cast<std::uint8_t>((next - packet.continuity_counter()) & 0x0F) : std::uint8_t{0};
  lane.started = true;
}

void PacketRouter::write(const TsPacket& packet, PacketBytes out, std::uint8_t tables_next) const noexcept {
  const Slot& slot = slots_[index_[packet.pid().value] - 1U];
  if (slot.pcr_alone) {
    const auto before = static_cast<std::uint8_t>(tables_next - 1);
    make_pcr_packet(out, slot.to, slot.with_tables ? before : lanes_[slot.lane].last, packet.pcr()->ticks,
                    packet.discontinuity());
    return;
  }
  std::copy(packet.bytes().begin(), packet.bytes().end(), out.begin());
  set_pid(out, slot.to);
  set_counter(out, static_cast<std::uint8_t>(packet.continuity_counter() + slot.offset));
}

}  // namespace headgate::mpegts::remux
