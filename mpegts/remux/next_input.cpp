#include "mpegts/remux/next_input.h"

#include <cstring>

namespace headgate::mpegts::remux {

NextInput::NextInput(std::int64_t patience_ns)
    : patience_ns_(patience_ns), hold_(std::make_unique_for_overwrite<std::uint8_t[]>(kHold * kPacketSize)) {}

void NextInput::begin(std::int64_t now_ns) noexcept {
  stop();
  active_ = true;
  since_ns_ = now_ns;
}

void NextInput::stop() noexcept {
  active_ = false;
  drop_plan();
}

void NextInput::drop_plan() noexcept {
  planned_ = false;
  holding_ = ready_ = hard_ = scrambled_ = false;
  held_ = 0;
}

void NextInput::set_plan(TrackPlan plan) {
  drop_plan();
  plan_ = std::move(plan);
  const TrackPlan::Track* key = key_track(plan_);
  if (key == nullptr) return;
  planned_ = true;
  mapped_.reset();
  for (const auto& track : plan_.tracks) mapped_.set(track.from.value);
  key_pid_ = key->from;
  key_kind_ = key->kind;
  finder_ = std::make_unique<RandomAccessFinder>(key_kind_);
}

void NextInput::hold(const TsPacket& packet) noexcept {
  if (full()) {
    // So much without a verdict is no random access point; what is ready is fetched before it comes to this.
    if (!ready_) holding_ = false;
    held_ = ready_ ? held_ : 0;
    return;
  }
  std::memcpy(hold_.get() + held_ * kPacketSize, packet.bytes().data(), kPacketSize);
  ++held_;
}

void NextInput::on_packet(const TsPacket& packet, bool silent, bool clock, std::int64_t now_ns) noexcept {
  if (silent && !ready_) since_ns_ = now_ns;
  if (!planned_) return;
  if (ready_) {
    hold(packet);
    return;
  }
  if (packet.payload_unit_start() && packet.has_payload()) {
    const bool any_track = now_ns - since_ns_ >= 2 * patience_ns_ && mapped_[packet.pid().value];
    if (packet.pid() == key_pid_ || any_track) {
      on_start(packet, clock, now_ns);
      return;
    }
  }
  if (!holding_) return;
  hold(packet);
  if (holding_ && packet.pid() == key_pid_ && packet.has_payload()) take(finder_->more(packet), now_ns);
}

void NextInput::on_start(const TsPacket& packet, bool clock, std::int64_t now_ns) noexcept {
  held_ = 0;
  holding_ = true;
  hold(packet);
  const bool key = packet.pid() == key_pid_;
  auto verdict = key ? finder_->begin(packet) : RandomAccessFinder::Verdict::no;
  scrambled_ = packet.scrambling_control() != 0;
  if (verdict != RandomAccessFinder::Verdict::yes && impatient(now_ns)) {
    verdict = RandomAccessFinder::Verdict::yes;
    hard_ = true;
  }
  // Without its clock its times can't be brought in line: its first PCR comes soon.
  if (!clock && now_ns - since_ns_ < 2 * patience_ns_) {
    verdict = RandomAccessFinder::Verdict::no;
    hard_ = false;
  }
  take(verdict, now_ns);
}

void NextInput::take(RandomAccessFinder::Verdict verdict, std::int64_t now_ns) noexcept {
  if (verdict == RandomAccessFinder::Verdict::undecided) return;
  holding_ = false;
  if (verdict == RandomAccessFinder::Verdict::no) {
    held_ = 0;
    return;
  }
  ready_ = true;
  ready_ns_ = now_ns;
}

}  // namespace headgate::mpegts::remux
