// The packets that leave because of one call, and the continuity counters of all PIDs that ever left (ISO/IEC
// 13818-1:2022 2.4.3.3). Threading: owned by one thread; allocates in the constructor only.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "mpegts/packet/ts_packet.h"
#include "mpegts/remux/packet_edit.h"

namespace headgate::mpegts::remux {

class SpliceOutput {
 public:
  explicit SpliceOutput(std::size_t packets);

  void clear() noexcept { used_ = 0; }
  std::span<const std::uint8_t> bytes() const noexcept { return {buffer_.get(), used_}; }
  std::size_t packets() const noexcept { return used_ / kPacketSize; }

  // A copy to edit; nothing where there is no room.
  std::optional<PacketBytes> add(const TsPacket& packet) noexcept;
  // Goes on with the PID's counter: a constant is added to the source's, so that what the source lost or
  // repeated still shows.
  void count_on(PacketBytes packet) noexcept;
  // A packet that left as it was.
  void note(const TsPacket& packet) noexcept;
  void add_section(Pid pid, std::span<const std::uint8_t> section) noexcept;
  void add_pcr(Pid pid, std::uint64_t ticks, bool discontinuity) noexcept;

  // The PID's next packet follows the last one, whatever its source says.
  void rejoin(Pid pid) noexcept { joined_.reset(pid.value); }
  void rejoin_all() noexcept { joined_.reset(); }
  // From here on the counters go on as their source has them.
  void follow_source() noexcept;
  bool joined(Pid pid) const noexcept { return joined_[pid.value]; }

 private:
  static constexpr std::uint8_t kNone = 0xFF;

  std::size_t capacity_;
  std::unique_ptr<std::uint8_t[]> buffer_;
  std::size_t used_ = 0;
  std::array<std::uint8_t, kPidCount> last_;
  std::array<std::uint8_t, kPidCount> added_{};
  std::bitset<kPidCount> joined_;
};

}  // namespace headgate::mpegts::remux
