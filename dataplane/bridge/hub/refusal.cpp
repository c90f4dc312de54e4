#include "dataplane/bridge/hub/refusal.h"

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

}  // namespace headgate::bridge::hub
