// The indicators that a model of the decoder judges (ETSI TR 101 290 V1.4.1 5.2.3 3.3, 3.9, 3.10), by what it
// found of each PID. Threading: pure.
#pragma once

#include "mpegts/monitor/stream_report.h"

namespace headgate::mpegts {

inline void judge_buffers(StreamReport& report) {
  const auto judged = [&](Indicator indicator, std::uint64_t errors) {
    report.unmeasured[static_cast<std::size_t>(indicator)] = false;
    report.tr101290[indicator] += errors;
  };
  for (const PidInfo& pid : report.pids) {
    if (!pid.tstd || pid.tstd->transport_bps == 0) continue;
    judged(Indicator::buffer_error, pid.tstd->buffer_errors());
    judged(Indicator::empty_buffer_error, pid.tstd->not_emptied);
    if (pid.tstd->delay_max_ms) judged(Indicator::data_delay_error, pid.tstd->delayed);
  }
}

}  // namespace headgate::mpegts
