// What playing a file in real time needs, without a clock or a file of its own: when each packet leaves
// (Pacer), and the rewriting that lets the stream go on across the loop as if it were endless (LoopRewriter).
// References: ISO/IEC 13818-1:2022 2.4.2.2 (arrival time of a byte between two PCRs), 2.4.3.5 (PCR), 2.4.3.7
// (PTS, DTS), 2.4.3.3 (continuity_counter). Threading: owned by one thread.
//
// How to use them:
//   for each packet of the file:  pacer.push(packet);  while (pacer.pop(paced)) {
//   rewriter.rewrite(paced.bytes);
//                                 send paced.bytes at start + paced.departure; }
//   at the end of the file:       const auto shift = pacer.end_of_loop();  pop and send as above until pop()
//   is false;
//                                 rewriter.next_loop(shift);  and read the file again from its start.
// With `--raw`, leave the rewriter out. Departures go on across loops; sleep until them, never for their
// difference. Where timed() is false at the end of the first loop the file had no usable PCR, and the
// fallback bitrate was used.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>

#include "mpegts/packet/ts_packet.h"

namespace headgate::mpegts {

struct PacedPacket {
  std::array<std::uint8_t, kPacketSize> bytes{};
  std::chrono::nanoseconds departure{0};  // since the first packet
};

// Spaces packets by the first PCR PID that shows itself; between two PCRs by position. Where the PCR jumps
// (signalled, or by more than a second, or backwards) the average rate so far goes on. Another PID takes over
// when it has carried a second of PCRs while the first was silent.
class Pacer {
 public:
  explicit Pacer(std::uint64_t fallback_bitrate = 5'000'000) noexcept;

  void push(const TsPacket& packet);
  // Packets whose departure is known, in order. Most come out when the next PCR has been pushed.
  bool pop(PacedPacket& out);
  // No more packets in this loop: the rest leaves at the average rate. Gives the 27 MHz ticks (a multiple of
  // 300, modulo the PCR's wrap) by which the timestamps of the next loop must be shifted so that the PCR goes
  // on at the seam.
  std::uint64_t end_of_loop();

  bool timed() const noexcept { return rate_packets_ > 0; }
  std::optional<Pid> pcr_pid() const noexcept { return pcr_pid_; }
  // Mean bitrate of what has been timed, 0 without PCR.
  double bitrate() const noexcept;
  std::uint64_t pcr_jumps() const noexcept { return jumps_; }

 private:
  struct Waiting {
    std::array<std::uint8_t, kPacketSize> bytes;
    double ticks;
  };
  void on_pcr(Pid pid, std::uint64_t pcr, bool discontinuity);
  bool takes_over(Pid pid, std::uint64_t pcr) noexcept;
  void knot(double ticks_since_last);
  double ticks_per_packet() const noexcept;

  double fallback_ticks_;
  std::deque<Waiting> waiting_;
  std::size_t timed_waiting_ = 0;  // of waiting_, those whose departure is known
  double knot_ticks_ = 0;          // departure of the last packet timed, and
  bool any_timed_ = false;
  std::uint64_t rate_packets_ = 0;  // what the average comes from
  std::uint64_t rate_ticks_ = 0;
  std::uint64_t jumps_ = 0;

  std::optional<Pid> pcr_pid_;
  bool pcr_in_loop_ = false;
  bool switched_ = false;            // to another PCR PID, in this loop
  std::size_t first_pcr_index_ = 0;  // of the first loop's first PCR, in waiting_
  std::uint64_t first_pcr_ = 0;      // of this loop
  std::uint64_t last_pcr_ = 0;
  double first_pcr_ticks_ = 0;  // its departure
  double last_pcr_ticks_ = 0;
  double loop_start_ = 0;        // departure of the loop's first packet
  std::uint64_t since_pcr_ = 0;  // packets pushed after the last PCR
  std::optional<Pid> other_pid_;
  std::uint64_t other_first_ = 0;
};

// Makes the second and later loops go on where the one before ended: continuity counters per PID, PCR, and
// PTS and DTS of every PES header. Errors inside the file stay as they are. Scrambled PES headers and damaged
// packets are left alone.
class LoopRewriter {
 public:
  // shift: what Pacer::end_of_loop() gave.
  void next_loop(std::uint64_t shift_ticks) noexcept;
  void rewrite(std::span<std::uint8_t, kPacketSize> packet) noexcept;
  // PES headers whose timestamps lie across two packets: not shifted.
  std::uint64_t split_headers() const noexcept { return split_headers_; }

 private:
  struct PidState {
    std::uint8_t last = 0;  // as sent
    std::uint8_t delta = 0;
    bool seen = false;
    bool delta_known = true;  // for this loop
  };
  void rewrite_pcr(std::span<std::uint8_t, kPacketSize> packet) const noexcept;
  void rewrite_pes(std::span<std::uint8_t> payload) noexcept;

  std::array<PidState, kPidCount> pids_{};
  std::uint64_t shift_ = 0;
  std::uint64_t split_headers_ = 0;
};

}  // namespace headgate::mpegts
