// Sends the packets of a service under the PIDs that a PidMap gave them. Where another source goes on under a
// PID, its continuity_counter follows on (ISO/IEC 13818-1:2022 2.4.3.3); else the counters are the source's,
// shifted: its duplicates stay duplicates, its gaps gaps, and a jump that discontinuity_indicator announces
// stays one. Threading: owned by one thread; set() allocates, the rest doesn't.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "mpegts/packet/ts_packet.h"
#include "mpegts/remux/packet_edit.h"
#include "mpegts/remux/pid_map.h"

namespace headgate::mpegts::remux {

class PacketRouter {
 public:
  // `tables`: the PID on which the PMT leaves. At most kMostRoutes count.
  static constexpr std::size_t kMostRoutes = 255;
  void set(std::span<const PidMap::Route> routes, Pid tables);

  enum class Step : std::uint8_t { drop, pass, write };
  // Of every packet, once: what becomes of it.
  Step take(const TsPacket& packet) noexcept {
    const std::uint8_t index = index_[packet.pid().value];
    if (index == 0) return Step::drop;
    Slot& slot = slots_[index - 1U];
    if (slot.pcr_alone) [[unlikely]]
      return packet.has_pcr() && packet.valid() ? Step::write : Step::drop;
    Lane& lane = lanes_[slot.lane];
    if (!slot.joined) [[unlikely]]
      join(slot, lane, packet);
    lane.last = (packet.continuity_counter() + slot.offset) & 0x0F;
    return slot.from == slot.to && slot.offset == 0 ? Step::pass : Step::write;
  }
  // The packet as it leaves, after take() said so. `tables_next`: the counter of the PMT's next packet.
  void write(const TsPacket& packet, PacketBytes out, std::uint8_t tables_next) const noexcept;

 private:
  // What left under a PID.
  struct Lane {
    Pid to;
    std::uint8_t last = 0;  // continuity_counter
    bool started = false;
  };
  struct Slot {
    Pid from;
    Pid to;
    std::uint16_t lane = 0;
    std::uint8_t offset = 0;
    bool joined = false;  // the offset is known
    bool pcr_alone = false;
    bool with_tables = false;
  };

  static void join(Slot& slot, Lane& lane, const TsPacket& packet) noexcept;
  std::uint16_t lane_for(Pid to);

  std::array<std::uint8_t, kPidCount> index_{};  // into slots_, from 1
  std::vector<Slot> slots_;
  std::vector<Lane> lanes_;
};

}  // namespace headgate::mpegts::remux
