// Waits for the moment at which another input can go on air: a random access point of its key track (video,
// else sound), and where none comes in time the next PES start. Holds its packets back from there on.
// Threading: owned by one thread; allocates when the plan is set. Memory: kHold packets, touched while a
// switch is under way.
#pragma once

#include <bitset>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "mpegts/packet/ts_packet.h"
#include "mpegts/remux/random_access.h"
#include "mpegts/remux/track_plan.h"

namespace headgate::mpegts::remux {

class NextInput {
 public:
  static constexpr std::size_t kHold = 1024;

  explicit NextInput(std::int64_t patience_ns);

  void begin(std::int64_t now_ns) noexcept;
  void stop() noexcept;
  bool active() const noexcept { return active_; }
  std::int64_t since_ns() const noexcept { return since_ns_; }
  bool impatient(std::int64_t now_ns) const noexcept { return now_ns - since_ns_ >= patience_ns_; }

  // Its tracks, once its tables and the layout are known, and again where they change.
  void set_plan(TrackPlan plan);
  void drop_plan() noexcept;
  bool planned() const noexcept { return planned_; }
  const TrackPlan& plan() const noexcept { return plan_; }

  // `silent`: it had sent nothing for a while before. `clock`: its PCR is known.
  void on_packet(const TsPacket& packet, bool silent, bool clock, std::int64_t now_ns) noexcept;

  // The held packets may leave, the first of them first.
  bool ready() const noexcept { return ready_; }
  std::int64_t ready_ns() const noexcept { return ready_ns_; }
  bool full() const noexcept { return held_ == kHold; }
  std::span<const std::uint8_t> held() const noexcept { return {hold_.get(), held_ * kPacketSize}; }
  // Not a random access point.
  bool hard() const noexcept { return hard_; }
  bool scrambled() const noexcept { return scrambled_; }
  bool open_group() const noexcept { return finder_ && finder_->open_group(); }
  std::optional<Pts90kHz> pts() const noexcept { return finder_ ? finder_->pts() : std::nullopt; }
  StreamKind key_kind() const noexcept { return key_kind_; }

 private:
  void on_start(const TsPacket& packet, bool clock, std::int64_t now_ns) noexcept;
  void take(RandomAccessFinder::Verdict verdict, std::int64_t now_ns) noexcept;
  void hold(const TsPacket& packet) noexcept;

  std::int64_t patience_ns_;
  bool active_ = false;
  std::int64_t since_ns_ = 0;
  bool planned_ = false;
  TrackPlan plan_;
  std::bitset<kPidCount> mapped_;
  Pid key_pid_ = kNullPid;
  StreamKind key_kind_ = StreamKind::unknown;
  std::unique_ptr<RandomAccessFinder> finder_;
  bool holding_ = false;
  bool ready_ = false;
  bool hard_ = false;
  bool scrambled_ = false;
  std::int64_t ready_ns_ = 0;
  std::unique_ptr<std::uint8_t[]> hold_;
  std::size_t held_ = 0;
};

}  // namespace headgate::mpegts::remux
