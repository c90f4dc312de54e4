#include "dataplane/transcode/ladder/encoder.h"

extern "C" {
#include <libavutil/mathematics.h>
#include <libavutil/opt.h>
}

#include <algorithm>
#include <string>
#include <utility>

namespace headgate::transcode::ladder {
namespace {

constexpr std::int64_t kClock = 27'000'000;
// More than x264 can hold back or reorder by.
constexpr std::size_t kRemembered = 64;

bool same(AVRational a, AVRational b) { return av_cmp_q(a, b) == 0; }

// keyint=infinite, scenecut=0: no IDR or I picture but those asked for. aud: a transport stream wants them.
// threads=1: a worker can't start any.
std::string x264_options(const EncoderFormat& format) {
  const std::uint32_t kbit = std::max(1U, format.bitrate / 1000);
  const int rate = static_cast<int>(av_q2d(format.frame_rate));
  const int lookahead = std::clamp(rate / 5, 1, Encoder::kLookahead);
  const int b_frames = std::clamp(rate / 10, 0, Encoder::kBFrames);
  return "keyint=infinite:min-keyint=1:scenecut=0:open-gop=0:intra-refresh=0:threads=1:lookahead-threads=1:"
         "sync-lookahead=0:force-cfr=1:aud=1:repeat-headers=1:rc-lookahead=" +
         std::to_string(lookahead) + ":bframes=" + std::to_string(b_frames) +
         ":vbv-maxrate=" + std::to_string(kbit + kbit / 10) + ":vbv-bufsize=" + std::to_string(2 * kbit);
}

}  // namespace

bool EncoderFormat::operator==(const EncoderFormat& o) const noexcept {
  return width == o.width && height == o.height && bitrate == o.bitrate && same(frame_rate, o.frame_rate) &&
         same(sample_aspect_ratio, o.sample_aspect_ratio) && matrix == o.matrix && primaries == o.primaries &&
         transfer == o.transfer && full_range == o.full_range;
}

std::unique_ptr<Encoder> Encoder::make(const EncoderFormat& format, Take take) {
  const AVCodec* codec = avcodec_find_encoder_by_name("libx264");
  std::unique_ptr<Encoder> made(new Encoder);
  made->format_ = format;
  made->take_ = std::move(take);
  made->packet_.reset(av_packet_alloc());
  made->context_.reset(codec != nullptr ? avcodec_alloc_context3(codec) : nullptr);
  if (!made->context_ || !made->packet_) return nullptr;
  AVCodecContext& context = *made->context_;
  context.width = format.width;
  context.height = format.height;
  context.pix_fmt = AV_PIX_FMT_YUV420P;
  context.framerate = format.frame_rate;
  context.time_base = av_inv_q(format.frame_rate);
  context.sample_aspect_ratio = format.sample_aspect_ratio;
  context.bit_rate = format.bitrate;
  context.thread_count = 1;
  context.colorspace = format.matrix;
  context.color_primaries = format.primaries;
  context.color_trc = format.transfer;
  context.color_range = format.full_range ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
  av_opt_set(context.priv_data, "preset", "veryfast", 0);
  av_opt_set(context.priv_data, "profile", "high", 0);
  av_opt_set(context.priv_data, "forced-idr", "1", 0);
  av_opt_set(context.priv_data, "x264-params", x264_options(format).c_str(), 0);
  if (avcodec_open2(&context, codec, nullptr) < 0) return nullptr;
  return made;
}

// Before the first frame: at the frame rate.
std::int64_t Encoder::time_of(std::int64_t number) const {
  const auto after = std::lower_bound(came_.begin(), came_.end(), number,
                                      [](const Came& came, std::int64_t n) { return came.number < n; });
  if (after != came_.end() && after->number == number) return after->pts;
  const Came& oldest = came_.front();
  return oldest.pts -
         av_rescale(oldest.number - number, kClock * format_.frame_rate.den, format_.frame_rate.num);
}

void Encoder::take_all() {
  while (avcodec_receive_packet(context_.get(), packet_.get()) == 0) {
    const std::int64_t number = packet_->pts;
    const auto came =
        std::find_if(came_.begin(), came_.end(), [&](const Came& c) { return c.number == number; });
    if (came != came_.end()) {
      Encoded encoded;
      encoded.unit = {packet_->data, static_cast<std::size_t>(packet_->size)};
      encoded.pts = came->pts;
      encoded.dts = std::min(time_of(packet_->dts), encoded.pts);
      encoded.idr = (packet_->flags & AV_PKT_FLAG_KEY) != 0;
      encoded.flags = came->flags;
      take_(encoded);
    }
    av_packet_unref(packet_.get());
  }
}

void Encoder::feed(AVFrame& frame, std::int64_t pts, bool idr, std::uint32_t flags) {
  came_.push_back({next_, pts, flags});
  if (came_.size() > kRemembered) came_.pop_front();
  frame.pts = next_++;
  frame.pict_type = idr ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
  frame.key_frame = 0;
  frame.interlaced_frame = 0;
  if (avcodec_send_frame(context_.get(), &frame) >= 0) take_all();
}

void Encoder::drain() {
  if (avcodec_send_frame(context_.get(), nullptr) >= 0) take_all();
}

}  // namespace headgate::transcode::ladder
