// A live stream's time by its own clock, for what comes in lumps (HLS, HTTP, a publisher behind a TCP
// connection): there the arrival says nothing of when a table was due. Between two PCRs the pace of the
// interval before goes on, for at most kMostAhead; a jump of the clock is bridged that way, too. Reference:
// ISO/IEC 13818-1:2022 2.4.3.5. Threading: owned by one thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "mpegts/packet/types.h"

namespace headgate::mpegts {

class StreamTime {
 public:
  static constexpr std::int64_t kMostAhead = std::chrono::nanoseconds(std::chrono::milliseconds(100)).count();

  // packets: of the stream so far, as in now_ns().
  void on_pcr(Pcr27MHz pcr, bool signalled, std::uint64_t packets) noexcept {
    const std::uint64_t step = (pcr.ticks + kPcrModulus - last_) % kPcrModulus;
    last_ = pcr.ticks % kPcrModulus;
    const bool usable = started_ && !signalled && step <= static_cast<std::uint64_t>(kTicksPerSecond);
    const auto came = static_cast<std::int64_t>(packets - mark_);
    if (usable) {
      const auto length = static_cast<std::int64_t>(step) * 1000 / 27;
      at_ns_ += length;
      if (came > 0) pace_ns_ = length / came;
    } else if (started_) {
      at_ns_ += ahead(packets);
    }
    started_ = true;
    mark_ = packets;
  }
  // Never goes back.
  std::int64_t now_ns(std::uint64_t packets) noexcept {
    return latest_ns_ = std::max(latest_ns_, at_ns_ + ahead(packets));
  }

 private:
  std::int64_t ahead(std::uint64_t packets) const noexcept {
    return std::min(static_cast<std::int64_t>(packets - mark_) * pace_ns_, kMostAhead);
  }

  std::uint64_t last_ = 0;
  std::uint64_t mark_ = 0;  // packets at the last PCR
  std::int64_t at_ns_ = 0;  // at the last PCR
  std::int64_t pace_ns_ = 0;
  std::int64_t latest_ns_ = 0;
  bool started_ = false;
};

}  // namespace headgate::mpegts
