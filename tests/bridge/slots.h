// Turns transport packets into the slots that the fast path would hand over, timeline included.
// Threading: owned by one thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/ring/ring.h"
#include "mpegts/clock/timeline.h"
#include "mpegts/packet/ts_packet.h"

namespace headgate::bridge::test {

class Slots {
 public:
  using Sink = std::function<void(const ring::Slot&)>;
  explicit Slots(Sink sink, std::uint32_t channel = 1) : sink_(std::move(sink)) { slot_.channel = channel; }

  // Arrival time follows the PCR, from `start_ns` on.
  void set_arrival(std::int64_t unix_ns) { arrival_ns_ = unix_ns; }
  std::int64_t arrival() const { return arrival_ns_; }

  void packets(std::span<const std::uint8_t> bytes) {
    for (std::size_t at = 0; at + mpegts::kPacketSize <= bytes.size(); at += mpegts::kPacketSize) {
      packet(bytes.subspan(at).first<mpegts::kPacketSize>());
    }
  }

  void packet(std::span<const std::uint8_t, mpegts::kPacketSize> bytes) {
    const mpegts::TsPacket view(bytes);
    if (const auto pcr = view.pcr(); pcr && (!pcr_pid_ || *pcr_pid_ == view.pid())) {
      flush();
      pcr_pid_ = view.pid();
      if (last_pcr_) {
        const std::uint64_t step = (pcr->ticks + mpegts::kPcrModulus - *last_pcr_) % mpegts::kPcrModulus;
        arrival_ns_ += static_cast<std::int64_t>(step < 27'000'000 ? step * 1000 / 27 : 40'000'000);
      }
      last_pcr_ = pcr->ticks;
      const auto result = timeline_.on_pcr(*pcr, view.discontinuity(), arrival_ns_);
      if (result.discontinuity) slot_.flags |= ring::kSlotDiscontinuity;
    }
    std::copy(bytes.begin(), bytes.end(), slot_.packets.begin() + slot_.packet_count * mpegts::kPacketSize);
    if (++slot_.packet_count == ring::kMaxPacketsPerSlot) flush();
  }

  void flush() {
    if (slot_.packet_count == 0) return;
    slot_.arrival_ns = arrival_ns_;
    if (timeline_.state().valid) {
      slot_.flags |= ring::kSlotTimeline;
      slot_.timeline = timeline_.state().timeline;
      slot_.offset = timeline_.state().offset;
    }
    if (lost_) slot_.flags |= ring::kSlotGap;
    lost_ = false;
    sink_(slot_);
    ++slot_.sequence;
    slot_.flags = 0;
    slot_.packet_count = 0;
  }

  // The slots until now were lost on the way.
  void lose(std::uint32_t count) {
    flush();
    slot_.sequence += count;
    lost_ = true;
  }

 private:
  Sink sink_;
  ring::Slot slot_{};
  mpegts::Timeline timeline_;
  std::optional<mpegts::Pid> pcr_pid_;
  std::optional<std::uint64_t> last_pcr_;
  std::int64_t arrival_ns_ = 1'700'000'000'000'000'000;
  bool lost_ = false;
};

}  // namespace headgate::bridge::test
