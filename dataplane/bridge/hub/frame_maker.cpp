#include "dataplane/bridge/hub/frame_maker.h"

namespace headgate::bridge::hub {

const char* why_no_frames(mpegts::StreamKind kind) {
  switch (kind) {
    case mpegts::StreamKind::h264:
    case mpegts::StreamKind::hevc:
    case mpegts::StreamKind::mpeg_audio:
    case mpegts::StreamKind::aac_adts:
    case mpegts::StreamKind::aac_latm:
    case mpegts::StreamKind::ac3:
    case mpegts::StreamKind::eac3:
      return nullptr;
    case mpegts::StreamKind::mpeg2_video:
      return "MPEG-2 video: outputs of frames (RTMP) have no place for it";
    default:
      return "outputs of frames (RTMP) have no place for this kind of stream";
  }
}

std::unique_ptr<FrameMaker> make_frame_maker(const Track& track) {
  if (why_no_frames(track.kind) != nullptr) return nullptr;
  return mpegts::is_video(track.kind) ? make_video_frame_maker(track) : make_audio_frame_maker(track);
}

}  // namespace headgate::bridge::hub
