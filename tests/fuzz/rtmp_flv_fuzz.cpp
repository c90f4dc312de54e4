// links: headgate::bridge
// What a publisher sends, as messages: kind, time and length, then the body. What comes out must be frames
// that fit their format: known tracks, times that don't fall, nothing shown before it is decoded, NAL units
// that fill their frame exactly.
#include <cstdlib>
#include <map>

#include "dataplane/bridge/rtmp/flv_reader.h"

namespace {

using namespace headgate;
using namespace headgate::bridge;

void demand(bool good) {
  if (!good) std::abort();
}

class Judge : public hub::FrameSink {
 public:
  void on_format(std::shared_ptr<const hub::FrameFormat> format) override {
    demand(!format->tracks.empty() && format->tracks.size() <= 2);
    for (const hub::FrameTrack& track : format->tracks)
      demand(track.video.has_value() != track.audio.has_value());
    format_ = std::move(format);
  }
  void on_frame(std::shared_ptr<const hub::Frame> frame) override {
    demand(format_ != nullptr && frame->track < format_->tracks.size());
    const bool video = format_->tracks[frame->track].is_video();
    demand(!frame->data.empty() && frame->pts >= frame->dts);
    const auto last = last_.find(video);
    demand(last == last_.end() || frame->dts >= last->second);
    last_[video] = frame->dts;
    if (video) check_nals(frame->data);
  }
  void on_discontinuity() override { last_.clear(); }

 private:
  static void check_nals(std::span<const std::uint8_t> data) {
    while (!data.empty()) {
      demand(data.size() > 4);
      const std::size_t size =
          std::size_t{data[0]} << 24 | std::size_t{data[1]} << 16 | std::size_t{data[2]} << 8 | data[3];
      demand(size > 0 && size <= data.size() - 4);
      data = data.subspan(4 + size);
    }
  }
  std::shared_ptr<const hub::FrameFormat> format_;
  std::map<bool, std::int64_t> last_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Judge judge;
  rtmp::FlvReader reader(judge);
  std::span<const std::uint8_t> rest(data, size);
  constexpr std::uint8_t kTypes[] = {8, 9, 18, 22, 15, 9, 8, 9};
  while (rest.size() >= 7) {
    const std::size_t length = std::min<std::size_t>(std::size_t{rest[5]} << 8 | rest[6], rest.size() - 7);
    rtmp::Message message;
    message.type = kTypes[rest[0] % 8];
    message.timestamp =
        std::uint32_t{rest[1]} << 24 | std::uint32_t{rest[2]} << 16 | std::uint32_t{rest[3]} << 8 | rest[4];
    const auto body = rest.subspan(7, length);
    message.body.assign(body.begin(), body.end());
    reader.on_message(message);
    rest = rest.subspan(7 + length);
  }
  reader.finish();
  demand(reader.left_out().size() <= rtmp::FlvReader::kMaxLeftOut);
  return 0;
}
