#include "dataplane/bridge/hub/selection.h"

#include <algorithm>

namespace headgate::bridge::hub {

const char* refusal(mpegts::StreamKind kind) {
  switch (kind) {
    case mpegts::StreamKind::h264:
    case mpegts::StreamKind::hevc:
    case mpegts::StreamKind::mpeg2_video:
    case mpegts::StreamKind::mpeg_audio:
    case mpegts::StreamKind::aac_adts:
    case mpegts::StreamKind::aac_latm:
    case mpegts::StreamKind::ac3:
    case mpegts::StreamKind::eac3:
      return nullptr;
    case mpegts::StreamKind::dts:
      return "DTS audio: no HLS player decodes it";
    case mpegts::StreamKind::opus:
      return "Opus audio: HLS carries it in fMP4 only";
    case mpegts::StreamKind::teletext:
      return "teletext: no HLS player shows it";
    case mpegts::StreamKind::dvb_subtitles:
      return "DVB subtitles: no HLS player shows them";
    case mpegts::StreamKind::scte35:
      return "SCTE-35 splice information: not part of the media";
    case mpegts::StreamKind::id3:
      return "timed ID3 metadata is not passed on";
    case mpegts::StreamKind::private_sections:
      return "private sections: no media";
    case mpegts::StreamKind::unknown:
    case mpegts::StreamKind::other:
      break;
  }
  return "stream type that HLS players don't know";
}

Selection select_streams(const mpegts::Pmt& pmt, bool without_video) {
  Selection out;
  out.configuration.pmt = pmt;
  out.configuration.pmt.streams.clear();
  std::vector<Track>& carried = out.configuration.carried;
  bool has_video = false;
  for (const mpegts::PmtStream& s : pmt.streams) {
    Track track{s.pid, s.stream_type, mpegts::stream_kind(s), mpegts::language(s), false, ""};
    const bool video = mpegts::is_video(track.kind);
    if (const char* reason = refusal(track.kind)) track.reason = reason;
    const bool repeated =
        std::any_of(out.tracks.begin(), out.tracks.end(), [&](const Track& t) { return t.pid == s.pid; });
    const bool own_pid = !repeated && s.pid != mpegts::kNullPid;
    if (!own_pid) track.reason = "its PID is not its own";
    if (track.reason.empty() && video) {
      if (has_video) {
        track.reason = "a further video: one is carried";
      } else if (without_video) {
        track.reason = "no usable video packet for 5 s (silent or scrambled)";
        out.watched.push_back(track);
      }
      has_video = true;
    }
    if (track.reason.empty() && carried.size() == kMaxStreams) track.reason = "one stream too many";
    track.carried = track.reason.empty();
    out.tracks.push_back(track);
    if (!track.carried && track.kind == mpegts::StreamKind::dts && own_pid &&
        carried.size() + out.configuration.heard.size() < kMaxStreams)
      out.configuration.heard.push_back(track);
    if (!track.carried) continue;
    out.configuration.pmt.streams.push_back(s);
    carried.insert(video ? carried.begin() : carried.end(), track);
  }
  return out;
}

}  // namespace headgate::bridge::hub
