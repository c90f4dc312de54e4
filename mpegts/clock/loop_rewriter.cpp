#include "mpegts/clock/pacer.h"

namespace headgate::mpegts {
namespace {

// Stream ids whose PES packets have no optional header (2.4.3.7).
constexpr bool has_optional_header(std::uint8_t stream_id) noexcept {
  switch (stream_id) {
    case 0xBC:
    case 0xBE:
    case 0xBF:
    case 0xF0:
    case 0xF1:
    case 0xF2:
    case 0xF8:
    case 0xFF:
      return false;
    default:
      return stream_id >= 0xBC;
  }
}

// Shifts the 33 bits that lie between marker bits in five bytes; prefix and markers stay (2.4.3.6).
void shift_stamp(std::span<std::uint8_t> b, std::uint64_t shift_90khz) noexcept {
  std::uint64_t v = std::uint64_t{b[0] >> 1 & 7U} << 30 | std::uint64_t{b[1]} << 22 |
                    std::uint64_t{b[2] >> 1 & 0x7FU} << 15 | std::uint64_t{b[3]} << 7 |
                    std::uint64_t{b[4] >> 1 & 0x7FU};
  v = (v + shift_90khz) % kPtsModulus;
  b[0] = static_cast<std::uint8_t>((b[0] & 0xF1U) | (v >> 29 & 0x0EU));
  b[1] = static_cast<std::uint8_t>(v >> 22 & 0xFF);
  b[2] = static_cast<std::uint8_t>((b[2] & 1U) | (v >> 14 & 0xFEU));
  b[3] = static_cast<std::uint8_t>(v >> 7 & 0xFF);
  b[4] = static_cast<std::uint8_t>((b[4] & 1U) | (v << 1 & 0xFEU));
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
  const std::uint64_t pcr = (TsPacket{packet}.pcr()->ticks + shift_) % kPcrModulus;
  const std::uint64_t base = pcr / 300;
  const std::uint64_t extension = pcr % 300;
  packet[6] = static_cast<std::uint8_t>(base >> 25 & 0xFF);
  packet[7] = static_cast<std::uint8_t>(base >> 17 & 0xFF);
  packet[8] = static_cast<std::uint8_t>(base >> 9 & 0xFF);
  packet[9] = static_cast<std::uint8_t>(base >> 1 & 0xFF);
  packet[10] = static_cast<std::uint8_t>((base & 1) << 7 | (packet[10] & 0x7EU) | extension >> 8);
  packet[11] = static_cast<std::uint8_t>(extension & 0xFF);
}

void LoopRewriter::rewrite_pes(std::span<std::uint8_t> payload) noexcept {
  if (payload.size() < 4 || payload[0] != 0 || payload[1] != 0 || payload[2] != 1) return;
  if (!has_optional_header(payload[3])) return;
  if (payload.size() < 9) {
    ++split_headers_;  // whether it has timestamps is in the next packet
    return;
  }
  if ((payload[6] & 0xC0) != 0x80) return;
  const bool pts = (payload[7] & 0x80) != 0;
  const bool dts = (payload[7] & 0xC0) == 0xC0;
  const std::size_t needed = (pts ? 5U : 0U) + (dts ? 5U : 0U);
  if (!pts || payload[8] < needed) return;
  if (payload.size() < 9 + needed) {
    ++split_headers_;
    return;
  }
  shift_stamp(payload.subspan(9, 5), shift_ / 300);
  if (dts) shift_stamp(payload.subspan(14, 5), shift_ / 300);
}

}  // namespace headgate::mpegts
