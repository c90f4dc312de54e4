// What events say of cues (ANSI/SCTE 35). Threading: pure functions.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "control/daemon/snapshot.h"

namespace headgate::control {

// "input 1, PID 0x01f4: splice_insert event 42 out for 30.0 s, auto return at PTS 81000 (0.900 s), 0.4 s
// ahead"
std::string cue_text(const CueSnapshot& cue);

// How many cues of a channel become events: kMost in kWindow, so that a source that never stops fills no log.
// Threading: one owner.
class CueLimit {
 public:
  static constexpr unsigned kMost = 20;
  static constexpr std::int64_t kWindowNs = 60'000'000'000;
  // Whether this one does; `left_out`: how many before it did not, told once.
  bool takes(const std::string& channel, std::int64_t now_ns, std::uint64_t& left_out);

 private:
  struct Told {
    std::int64_t since_ns = 0;
    unsigned told = 0;
    std::uint64_t left_out = 0;
  };
  std::map<std::string, Told> channels_;  // that had cues in the latest window
};

}  // namespace headgate::control
