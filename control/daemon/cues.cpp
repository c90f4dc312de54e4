#include "control/daemon/cues.h"

#include <fmt/core.h>

#include <utility>

#include "control/words/cue_text.h"
#include "mpegts/monitor/stream_report.h"
#include "mpegts/scte35/splice_info.h"

namespace headgate::control {

std::string cue_text(const CueSnapshot& cue) {
  const std::string begin = fmt::format("input {}, PID 0x{:04x}: ", cue.input, cue.pid);
  if (cue.size > cue.section.size())
    return begin + fmt::format("a cue of {} bytes, too long to show", cue.size);
  auto info = mpegts::SpliceInfo::parse(cue.section);
  if (!info) return begin + fmt::format("a cue of {} bytes whose form is wrong", cue.size);
  mpegts::CueInfo timed;
  if (cue.clock_27mhz) timed.clock = mpegts::Pts90kHz{*cue.clock_27mhz / 300};
  timed.info = std::move(*info);
  std::string text = begin + words::command_text(timed.info);
  if (const auto at = timed.info.at())
    text += fmt::format(" at PTS {} ({:.3f} s)", at->ticks, words::seconds(at->ticks));
  if (const auto ahead = timed.ahead_s())
    text += *ahead < 0 ? fmt::format(", {:.1f} s ago", -*ahead) : fmt::format(", {:.1f} s ahead", *ahead);
  for (const auto& descriptor : timed.info.descriptors) {
    if (const auto* segment = std::get_if<mpegts::SegmentationDescriptor>(&descriptor))
      text += "; " + words::segment_text(*segment);
  }
  return text;
}

bool CueLimit::takes(const std::string& channel, std::int64_t now_ns, std::uint64_t& left_out) {
  const auto [it, fresh] = channels_.try_emplace(channel);
  Told& entry = it->second;
  if (fresh || now_ns - entry.since_ns >= kWindowNs || now_ns < entry.since_ns) {
    entry.since_ns = now_ns;
    entry.told = 0;
  }
  if (entry.told == kMost) {
    ++entry.left_out;
    return false;
  }
  ++entry.told;
  left_out = std::exchange(entry.left_out, 0);
  return true;
}

}  // namespace headgate::control
