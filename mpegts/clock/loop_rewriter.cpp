#include "mpegts/clock/pacer.h"
#include "mpegts/packet/clock_fields.h"
#include "mpegts/pes/stream_id.h"

namespace headgate::mpegts {
namespace {

constexpr std::size_t kTimes = 9;  // where they lie in a PES packet, 2.4.3.6
constexpr std::size_t kTime = 5;

void shift_stamp(std::span<std::uint8_t, kTime> stamp, std::uint64_t shift_90khz) noexcept {
  put_stamp(stamp, {stamp_at(stamp).ticks + shift_90khz});
}

}  // namespace

void LoopRewriter::next_loop(std::uint64_t shift_ticks) noexcept {
  shift_ = (shift_ + shift_ticks) % kPcrModulus;
  for (auto& pid : pids_) pid.delta_known = !pid.seen;
}

void LoopRewriter::rewrite(std::span<std::uint8_t, kPacketSize> packet) noexcept {
  const TsPacket view{packet};
  if (!view.has_sync() || view.transport_error() || !view.valid() || view.pid() == kNullPid) return;
  PidState& state = pids_[view.pid().value];
  if (!state.delta_known) {
    // One number added for the whole loop: gaps and duplicates that the file has are neither hidden nor added
    // to.
    const int expected = state.last + (view.has_payload() ? 1 : 0);
    state.delta = static_cast<std::uint8_t>((expected - view.continuity_counter()) & 0x0F);
    state.delta_known = true;
  }
  state.seen = true;
  state.last = static_cast<std::uint8_t>((view.continuity_counter() + state.delta) & 0x0F);
  packet[3] = static_cast<std::uint8_t>((packet[3] & 0xF0) | state.last);
  if (shift_ == 0) return;
  if (view.has_pcr()) rewrite_pcr(packet);
  if (view.payload_unit_start() && view.scrambling_control() == 0) {
    const std::size_t size = view.payload().size();
    rewrite_pes(packet.last(size));
  }
}

void LoopRewriter::rewrite_pcr(std::span<std::uint8_t, kPacketSize> packet) const noexcept {
  put_pcr(packet.subspan<6, 6>(), TsPacket{packet}.pcr()->ticks + shift_);
}

void LoopRewriter::rewrite_pes(std::span<std::uint8_t> payload) noexcept {
  if (payload.size() < 4 || payload[0] != 0 || payload[1] != 0 || payload[2] != 1) return;
  if (!has_optional_header(payload[3])) return;
  if (payload.size() < kTimes) {
    ++split_headers_;  // whether it has timestamps is in the next packet
    return;
  }
  if ((payload[6] & 0xC0) != 0x80) return;
  const bool pts = (payload[7] & 0x80) != 0;
  const bool dts = (payload[7] & 0xC0) == 0xC0;
  const std::size_t needed = (pts ? kTime : 0) + (dts ? kTime : 0);
  if (!pts || payload[8] < needed) return;
  if (payload.size() < kTimes + needed) {
    ++split_headers_;
    return;
  }
  shift_stamp(payload.subspan(kTimes).first<kTime>(), shift_ / 300);
  if (dts) shift_stamp(payload.subspan(kTimes + kTime).first<kTime>(), shift_ / 300);
}

}  // namespace headgate::mpegts
