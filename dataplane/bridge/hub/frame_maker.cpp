#include "dataplane/bridge/hub/frame_maker.h"

#include "dataplane/bridge/hub/selection.h"

namespace headgate::bridge::hub {

const char* why_no_frames(mpegts::StreamKind kind) {
  if (kind == mpegts::StreamKind::mpeg2_video)
    return "MPEG-2 video: outputs of frames (RTMP) have no place for it";
  return refusal(kind);  // what no output gets
}

std::unique_ptr<FrameMaker> make_frame_maker(const Track& track) {
  if (why_no_frames(track.kind) != nullptr) return nullptr;
  return mpegts::is_video(track.kind) ? make_video_frame_maker(track) : make_audio_frame_maker(track);
}

}  // namespace headgate::bridge::hub
