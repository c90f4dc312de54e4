#include "mpegts/mux/departure_queue.h"

#include <algorithm>
#include <optional>

#include "mpegts/tstd/video_leak.h"

namespace headgate::mpegts {
namespace {

enum class Carries : std::uint8_t { system, audio, video, other };

// ISO/IEC 13818-1 table 2-22: ITU-T H.262, H.264, H.265, ISO/IEC 11172-2.
bool is_video_stream_id(std::uint8_t id) noexcept { return (id & 0xF0) == 0xE0; }

// What the unit that begins in a packet is; nothing where none begins or the packet doesn't tell.
std::optional<Carries> carried(const TsPacket& packet) noexcept {
  if (!packet.payload_unit_start() || !packet.valid() || packet.scrambling_control() != 0)
    return std::nullopt;
  const auto payload = packet.payload();
  if (payload.size() < 9) return std::nullopt;
  if (payload[0] == 0 && payload[1] == 0 && payload[2] == 1) {  // 2.4.3.7, table 2-22
    const std::uint8_t id = payload[3];
    if (id >= 0xC0 && id <= 0xDF) return Carries::audio;
    if (is_video_stream_id(id)) return Carries::video;
    if (id != 0xBD) return Carries::other;
    const std::size_t at = std::size_t{9} + payload[8];
    const bool ac3 = at + 2 <= payload.size() && payload[at] == 0x0B && payload[at + 1] == 0x77;
    return ac3 ? Carries::audio : Carries::other;
  }
  const std::size_t table = std::size_t{1} + payload[0];
  if (table >= payload.size()) return std::nullopt;
  return payload[table] <= 0x02 ? Carries::system : Carries::other;  // table 2-31
}

// Rx_n by the parameter sets behind the PES header that begins this packet.
std::optional<std::uint32_t> leak_of_video(const TsPacket& packet) noexcept {
  const auto payload = packet.payload();
  const std::size_t at = std::size_t{9} + payload[8];
  return at < payload.size() ? video_leak(payload.subspan(at)) : std::nullopt;
}

}  // namespace

DepartureQueue::DepartureQueue(std::size_t room, std::int64_t duration)
    : room_(room), duration_(duration), ring_(std::make_unique_for_overwrite<WaitingPacket[]>(room)) {
  buffer_of_.fill(kNone);
}

WaitingPacket& DepartureQueue::push() noexcept {
  std::size_t place = first_ + count_++;
  if (place >= room_) place -= room_;
  return ring_[place];
}

void DepartureQueue::learn(const TsPacket& packet) noexcept {
  const auto what = carried(packet);
  if (!what) return;
  std::uint8_t& number = buffer_of_[packet.pid().value];
  if (*what == Carries::other) {
    number = kNone;
  } else if (*what == Carries::system) {
    number = kSystem;
  } else {
    const std::optional<std::uint32_t> leak =
        *what == Carries::audio ? TransportBuffer::kAudioLeak : leak_of_video(packet);
    if (!leak) return;
    if (number == kNone || number == kSystem) {
      if (buffer_count_ == kBuffers) return;
      number = static_cast<std::uint8_t>(buffer_count_++);
      buffers_[number] = TransportBuffer(*leak);
    } else if (buffers_[number].leak() != *leak) {
      buffers_[number] = TransportBuffer(*leak);
    }
  }
}

// Where one packet doesn't fit, none of its buffer does: so the order within a PID stays.
const WaitingPacket* DepartureQueue::choose(std::int64_t tick) noexcept {
  forced_ = false;
  for (chosen_ = 0; chosen_ < held_count_; ++chosen_) {
    if (fits(held_[chosen_], tick)) return &held_[chosen_];
  }
  while (count_ > 0 && ring_[first_].due <= tick) {
    const WaitingPacket& next = ring_[first_];
    // A PID may change its buffer only while none of its packets is held.
    if (held_count_ == 0) learn(next.packet());
    chosen_ = kMostHeld;
    if (fits(next, tick)) return &next;
    if (held_count_ == kMostHeld) {
      chosen_ = 0;
      forced_ = true;
      return held_.data();
    }
    held_[held_count_++] = next;
    if (++first_ == room_) first_ = 0;
    --count_;
  }
  return nullptr;
}

void DepartureQueue::remove() noexcept {
  if (forced_) ++crowded_;
  if (chosen_ < kMostHeld) {
    std::move(held_.begin() + static_cast<std::ptrdiff_t>(chosen_) + 1,
              held_.begin() + static_cast<std::ptrdiff_t>(held_count_),
              held_.begin() + static_cast<std::ptrdiff_t>(chosen_));
    --held_count_;
    return;
  }
  if (++first_ == room_) first_ = 0;
  if (--count_ == 0) first_ = 0;
}

}  // namespace headgate::mpegts
