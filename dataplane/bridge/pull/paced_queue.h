// Transport packets that came at any pace, let go at that of their PCR: what is due by a clock that its owner
// moves. Where nothing waits the clock stands still, so a stream that came late goes on later instead of in a
// burst. Reference: ISO/IEC 13818-1:2022 2.4.2.2. Threading: owned by one thread. Memory: bytes().
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "mpegts/clock/pacer.h"
#include "mpegts/packet/ts_packet.h"

namespace headgate::bridge::pull {

class PacedQueue {
 public:
  // `looped`: end_of_loop() is followed by the same stream from its start, which is rewritten to go on.
  explicit PacedQueue(bool looped = false);

  void push(const mpegts::TsPacket& packet);
  // Before the next packet: `pause` goes by without one; `gap`: and what comes does not continue what was.
  void mark(std::chrono::nanoseconds pause, bool gap);
  // Nothing follows for now: what waits for its next PCR leaves at the average rate.
  void flush();
  void end_of_loop();

  // Moves the clock on and hands out what is due by then, in runs of whole packets; `gap`: one is before it.
  using Give = std::function<void(std::span<const std::uint8_t> packets, bool gap)>;
  void advance(std::chrono::nanoseconds elapsed, const Give& give);

  // From the clock to the last packet whose time is known.
  std::chrono::nanoseconds level() const;
  // The time of that packet.
  std::chrono::nanoseconds tail() const { return tail_; }
  // Nothing to hand out, whatever the clock.
  bool dry() const { return due_.empty(); }
  bool empty() const { return due_.empty() && pushed_ == settled_; }
  std::size_t bytes() const { return (due_.size() + (pushed_ - settled_)) * sizeof(Due); }
  bool timed() const { return pacer_.timed(); }
  double bitrate() const { return pacer_.bitrate(); }
  std::uint64_t pcr_jumps() const { return pacer_.pcr_jumps(); }

 private:
  struct Due {
    std::array<std::uint8_t, mpegts::kPacketSize> bytes;
    std::chrono::nanoseconds departure;
    bool gap;
  };
  struct Mark {
    std::uint64_t index;  // of the packet behind it
    std::chrono::nanoseconds pause;
    bool gap;
  };
  void settle();

  mpegts::Pacer pacer_;
  std::unique_ptr<mpegts::LoopRewriter> rewriter_;  // null: not looped
  std::deque<Due> due_;
  std::deque<Mark> marks_;
  std::uint64_t pushed_ = 0;
  std::uint64_t settled_ = 0;           // of them, those whose time is known
  std::chrono::nanoseconds offset_{0};  // of all pauses so far
  std::chrono::nanoseconds tail_{0};
  std::chrono::nanoseconds now_{0};
  std::vector<std::uint8_t> run_;
};

}  // namespace headgate::bridge::pull
