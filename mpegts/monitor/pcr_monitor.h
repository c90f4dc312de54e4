// PCR statistics of one PID (ISO/IEC 13818-1:2022 2.4.3.5, 2.7.2; ETSI TR 101 290 5.2.2 2.3). Threading: one
// thread.
#pragma once

#include <cstdint>
#include <optional>

#include "mpegts/monitor/stream_report.h"

namespace headgate::mpegts {

class PcrMonitor {
 public:
  struct Step {
    bool usable = false;  // ticks is the time between this PCR and the one before
    std::uint64_t ticks = 0;
  };
  Step on_pcr(Pcr27MHz pcr, bool signalled, std::optional<std::int64_t> arrival_ns) noexcept;

  PcrInfo info() const noexcept;
  std::uint64_t count() const noexcept { return info_.count; }
  // The latest, once there is one.
  Pcr27MHz last() const noexcept { return {last_}; }
  // Consecutive values outside 0..100 ms, not signalled.
  std::uint64_t indicator_errors() const noexcept { return indicator_errors_; }
  // Over 100 ms apart: by arrival where there is one, else by value (jumps then left out).
  std::uint64_t repetition_errors() const noexcept { return repetition_errors_; }

 private:
  void track_jitter(std::int64_t ticks, std::int64_t arrival_ns, bool restart) noexcept;

  PcrInfo info_;
  bool any_ = false;
  std::uint64_t last_ = 0;
  std::int64_t last_arrival_ns_ = 0;
  std::uint64_t intervals_ = 0;
  std::uint64_t interval_sum_ = 0;
  std::uint64_t interval_max_ = 0;
  std::uint64_t indicator_errors_ = 0;
  std::uint64_t repetition_errors_ = 0;
  bool jitter_started_ = false;
  std::int64_t elapsed_ticks_ = 0;
  std::int64_t first_arrival_ns_ = 0;
  double deviation_min_ = 0;
  double deviation_max_ = 0;
  double jitter_ms_ = 0;
};

}  // namespace headgate::mpegts
