// The splice information sections of a stream (ANSI/SCTE 35 2023 9.6), each once with how often it came: a
// cue is sent several times before its time. Threading: owned by one thread. Memory: kMaxCues sections.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "mpegts/monitor/stream_report.h"

namespace headgate::mpegts {

class CueList {
 public:
  // time_s: since the beginning; clock: the program's latest PCR.
  void on_section(Pid pid, std::span<const std::uint8_t> section, double time_s,
                  std::optional<Pts90kHz> clock);

  const std::vector<CueInfo>& cues() const noexcept { return cues_; }
  std::uint64_t beyond() const noexcept { return beyond_; }
  std::uint64_t damaged() const noexcept { return damaged_; }

 private:
  std::vector<CueInfo> cues_;
  std::vector<std::vector<std::uint8_t>> sections_;  // of cues_
  std::uint64_t beyond_ = 0;
  std::uint64_t damaged_ = 0;
};

}  // namespace headgate::mpegts
