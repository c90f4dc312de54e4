#include "mpegts/monitor/cue_list.h"

#include <algorithm>

namespace headgate::mpegts {

void CueList::on_section(Pid pid, std::span<const std::uint8_t> section, double time_s,
                         std::optional<Pts90kHz> clock) {
  for (std::size_t i = 0; i < cues_.size(); ++i) {
    if (cues_[i].pid == pid &&
        std::equal(section.begin(), section.end(), sections_[i].begin(), sections_[i].end())) {
      ++cues_[i].count;
      return;
    }
  }
  auto info = SpliceInfo::parse(section);
  if (!info) {
    ++damaged_;
    return;
  }
  if (cues_.size() == kMaxCues) {
    ++beyond_;
    return;
  }
  CueInfo& cue = cues_.emplace_back();
  cue.pid = pid;
  cue.count = 1;
  cue.time_s = time_s;
  cue.clock = clock;
  cue.info = std::move(*info);
  sections_.emplace_back(section.begin(), section.end());
}

std::optional<double> CueInfo::ahead_s() const noexcept {
  const auto at = info.at();
  if (!at || !clock) return std::nullopt;
  const std::uint64_t ahead = (at->ticks + kPtsModulus - clock->ticks) % kPtsModulus;
  const double ticks =
      static_cast<double>(ahead) - (ahead >= kPtsModulus / 2 ? static_cast<double>(kPtsModulus) : 0.0);
  return ticks / 90'000;
}

}  // namespace headgate::mpegts
