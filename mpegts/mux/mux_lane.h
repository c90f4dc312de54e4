// One track inside a ProgramMuxer: its PES packets in order, and when each transport packet of them is to
// leave. A PES packet leaves from `lead` before its DTS on, spread over `window`: the track's rate at a
// moment is the mean of what came in a window, so that a large picture makes no burst. Sound keeps to the
// buffer of its decoder besides. References: ISO/IEC 13818-1:2022 2.4.2 (T-STD). Threading: owned by one
// thread; pure.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "mpegts/packet/types.h"

namespace headgate::mpegts {

class MuxLane {
 public:
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::min();

  struct Shape {
    std::int64_t lead = 0;    // 27 MHz
    std::int64_t window = 0;  // 27 MHz, less than lead
    std::size_t buffer = 0;   // of the decoder, bytes; 0: not looked at
    bool operator==(const Shape&) const = default;
  };
  // A PES packet is whole at the decoder so long before its DTS, where it was pushed in time.
  static constexpr std::int64_t kMargin = kTicksPerSecond / 50;

  explicit MuxLane(const Shape& shape) : shape_(shape) {}

  // `dts` rises from one to the next. Nothing leaves before `clock`.
  void push(std::vector<std::uint8_t> pes, std::int64_t dts, bool random_access, std::int64_t clock);
  bool empty() const { return queue_.empty(); }
  std::size_t waiting() const { return queue_.size(); }

  // When the next packet is to leave; the lane isn't empty.
  std::int64_t next() const;
  // The PES packet under way.
  std::span<const std::uint8_t> rest() const;
  bool at_start() const { return sent_ == 0; }
  bool random_access() const { return queue_.front().random_access; }
  // `bytes` of rest() left at `time`, which doesn't fall. True: the PES packet is whole.
  bool take(std::size_t bytes, std::int64_t time);

  // All that leaves up to here is known. kNever: nothing came yet.
  std::int64_t last_start() const { return last_start_; }
  std::int64_t last_dts() const { return last_dts_; }
  // Of the first PES packet that waits.
  std::int64_t first_start() const { return queue_.front().start; }
  // Of an empty lane: what comes next may start any time, or have any DTS.
  void forget_starts();
  void forget_dts() { last_dts_ = kNever; }
  const Shape& shape() const { return shape_; }

 private:
  struct Pes {
    std::vector<std::uint8_t> bytes;
    std::int64_t start = 0;
    bool random_access = false;
  };
  // What one PES packet adds to the lane's rate, in 2^-32 bytes a tick.
  struct Share {
    std::int64_t start = 0;
    std::int64_t end = 0;
    std::uint64_t rate = 0;
  };
  struct Held {
    std::int64_t dts = 0;
    std::size_t size = 0;
  };
  std::int64_t start_of(std::size_t size, std::int64_t dts, std::int64_t clock);

  Shape shape_;
  std::deque<Pes> queue_;
  std::size_t sent_ = 0;  // of the first
  std::deque<Share> shares_;
  std::deque<Held> held_;  // in the decoder's buffer at last_start_
  std::size_t held_bytes_ = 0;
  std::int64_t time_ = kNever;  // rates are summed up to here,
  std::uint64_t credit_ = 0;    // which left so much to send, in 2^-32 bytes
  std::int64_t last_start_ = kNever;
  std::int64_t last_dts_ = kNever;
};

}  // namespace headgate::mpegts
