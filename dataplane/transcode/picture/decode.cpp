#include "dataplane/transcode/picture/decode.h"

extern "C" {
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
}

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "mpegts/es/start_code.h"
#include "mpegts/es/video.h"

namespace headgate::transcode {

AvFrame make_frame(AVPixelFormat format, int width, int height) {
  AvFrame frame(av_frame_alloc());
  if (!frame) return nullptr;
  frame->format = format;
  frame->width = width;
  frame->height = height;
  if (av_frame_get_buffer(frame.get(), 0) < 0) return nullptr;
  return frame;
}

namespace picture {
namespace {

// The packet at the random access point has this time, by which its frame is known among others.
constexpr std::int64_t kWanted = 1;

AvPacket make_packet(std::span<const std::uint8_t> bytes, std::int64_t pts) {
  AvPacket packet(av_packet_alloc());
  if (!packet || bytes.empty() || bytes.size() > 64u * 1024 * 1024) return nullptr;
  // Padded with zeros behind, which the bit readers rely on.
  if (av_new_packet(packet.get(), static_cast<int>(bytes.size())) < 0) return nullptr;
  std::memcpy(packet->data, bytes.data(), bytes.size());
  packet->pts = packet->dts = pts;
  return packet;
}

// A decoder and the frame it made of the random access point.
class Attempt {
 public:
  Attempt(AVCodecID id, bool cheap) {
    const AVCodec* codec = avcodec_find_decoder(id);
    context_.reset(codec != nullptr ? avcodec_alloc_context3(codec) : nullptr);
    if (!context_) return;
    context_->thread_count = 1;
    context_->max_pixels = std::int64_t{kMaxWidth} * kMaxHeight;
    // A recovery point is decoded where it stands, whatever came before it is missing.
    context_->flags |= AV_CODEC_FLAG_OUTPUT_CORRUPT;
    context_->flags2 |= AV_CODEC_FLAG2_SHOW_ALL;
    context_->pkt_timebase = {1, 25};
    if (cheap) context_->skip_loop_filter = AVDISCARD_ALL;
    if (avcodec_open2(context_.get(), codec, nullptr) < 0) context_.reset();
  }

  void feed(const AVPacket* packet) {
    if (!context_) return;
    const int sent = avcodec_send_packet(context_.get(), packet);
    if (sent < 0 && sent != AVERROR_EOF && packet != nullptr && packet->pts == kWanted) damaged_ = true;
    for (AvFrame frame(av_frame_alloc()); frame && avcodec_receive_frame(context_.get(), frame.get()) == 0;) {
      if (frame->pts == kWanted && !frame_) {
        frame_ = std::move(frame);
        frame.reset(av_frame_alloc());
      } else {
        av_frame_unref(frame.get());
      }
    }
  }
  void drain() { feed(nullptr); }

  // What is half made up by the decoder says nothing about the channel.
  AvFrame take() {
    if (!frame_ || damaged_ || frame_->decode_error_flags != 0) return nullptr;
    return std::move(frame_);
  }
  const AVCodecContext* context() const { return context_.get(); }

 private:
  AvCodec context_;
  AvFrame frame_;
  bool damaged_ = false;
};

// The access units of a picture: of the frame, or of its two fields.
struct Found {
  std::span<const std::uint8_t> first, second;
};

Found find_picture(mpegts::StreamKind kind, std::span<const std::uint8_t> payloads) {
  mpegts::es::VideoParser parser(kind);
  const auto split = parser.split(payloads);
  const std::size_t at = split.continues ? 1 : 0;
  Found found;
  if (split.units.size() <= at) return found;
  const auto of = [&](const auto& unit) { return payloads.subspan(unit.offset, unit.size); };
  found.first = of(split.units[at]);
  if (split.units.size() > at + 1 && split.units[at + 1].second_field) found.second = of(split.units[at + 1]);
  return found;
}

// H.265 7.3.1.2: whether the last NAL unit is of a picture.
bool ends_in_hevc_slice(std::span<const std::uint8_t> unit) {
  constexpr int kFirstOther = 32;
  bool slice = false;
  for (std::size_t at = mpegts::es::find_start_code(unit, 0); at + 3 < unit.size();
       at = mpegts::es::find_start_code(unit, at + 3)) {
    slice = (unit[at + 3] >> 1 & 0x3F) < kFirstOther;
  }
  return slice;
}

AvFrame try_decode(Attempt& attempt, AVCodecID id, const Found& found) {
  std::vector<std::uint8_t> joined(found.first.begin(), found.first.end());
  // MPEG-2's decoder takes both fields in one packet, that of H.264 one in each.
  const bool together = id == AV_CODEC_ID_MPEG2VIDEO;
  if (together) joined.insert(joined.end(), found.second.begin(), found.second.end());
  const AvPacket packet = make_packet(joined, kWanted);
  if (!packet) return nullptr;
  attempt.feed(packet.get());
  if (!together && !found.second.empty()) {
    if (const AvPacket other = make_packet(found.second, kWanted + 1)) attempt.feed(other.get());
  }
  attempt.drain();
  return attempt.take();
}

bool same_samples(const AVFrame& a, const AVFrame& b) {
  const auto format = static_cast<AVPixelFormat>(a.format);
  const AVPixFmtDescriptor* description = av_pix_fmt_desc_get(format);
  if (a.width != b.width || a.height != b.height || a.format != b.format || description == nullptr)
    return false;
  for (int i = 0; i < av_pix_fmt_count_planes(format); ++i) {
    const int bytes = av_image_get_linesize(format, a.width, i);
    const int lines = i == 1 || i == 2 ? AV_CEIL_RSHIFT(a.height, description->log2_chroma_h) : a.height;
    for (int y = 0; y < lines; ++y) {
      if (std::memcmp(a.data[i] + y * a.linesize[i], b.data[i] + y * b.linesize[i],
                      static_cast<std::size_t>(std::max(bytes, 0))) != 0)
        return false;
    }
  }
  return true;
}

// libavcodec draws an HEVC slice to its end whatever is missing of it, and says nothing. What it reads behind
// a slice that is whole changes nothing; where it does, the slice was cut off. (9.3.2.5: nothing is decoded
// after end_of_slice_segment_flag.)
bool is_cut_off(AVCodecID id, bool cheap, std::span<const std::uint8_t> unit, const AVFrame& frame) {
  if (id != AV_CODEC_ID_HEVC || !ends_in_hevc_slice(unit)) return false;
  constexpr std::size_t kBehind = 256;
  std::vector<std::uint8_t> longer(unit.begin(), unit.end());
  for (std::size_t i = 0; i < kBehind; ++i) longer.push_back(static_cast<std::uint8_t>(0x5B + 89 * i) | 1);
  Attempt attempt(id, cheap);
  const AvFrame other = try_decode(attempt, id, {longer, {}});
  return !other || !same_samples(frame, *other);
}

}  // namespace

AVCodecID codec_id(mpegts::StreamKind kind) noexcept {
  switch (kind) {
    case mpegts::StreamKind::mpeg2_video:
      return AV_CODEC_ID_MPEG2VIDEO;
    case mpegts::StreamKind::h264:
      return AV_CODEC_ID_H264;
    case mpegts::StreamKind::hevc:
      return AV_CODEC_ID_HEVC;
    default:
      return AV_CODEC_ID_NONE;
  }
}

Decoded decode_random_access(mpegts::StreamKind kind, std::span<const std::uint8_t> payloads, bool cheap) {
  Decoded decoded;
  const AVCodecID id = codec_id(kind);
  if (id == AV_CODEC_ID_NONE) return decoded;
  const Found found = find_picture(kind, payloads);
  Attempt attempt(id, cheap);
  AvFrame frame = try_decode(attempt, id, found);
  if (!frame || frame->width <= 0 || frame->height <= 0) return decoded;
  if (frame->width > kMaxWidth || frame->height > kMaxHeight) return decoded;
  if (is_cut_off(id, cheap, found.first, *frame)) return decoded;
  const AVCodecContext& context = *attempt.context();
  const int width = frame->width;
  int height = frame->height;
  // libavcodec marks a field of an HEVC field sequence so, for it makes a frame of each.
  decoded.single_field = id == AV_CODEC_ID_HEVC && frame->interlaced_frame != 0;
  decoded.interlaced = frame->interlaced_frame != 0;
  if (decoded.single_field) height *= 2;
  decoded.width = static_cast<std::uint16_t>(std::clamp(width, 0, 0xFFFF));
  decoded.height = static_cast<std::uint16_t>(std::clamp(height, 0, 0xFFFF));
  AVRational sar =
      frame->sample_aspect_ratio.num > 0 ? frame->sample_aspect_ratio : context.sample_aspect_ratio;
  if (decoded.single_field) sar = frame_samples(width, frame->height, sar);
  decoded.shape = shape_of(width, height, sar);
  decoded.frame = std::move(frame);
  return decoded;
}

AVRational shape_of(int width, int height, AVRational sar) noexcept {
  if (sar.num <= 0 || sar.den <= 0 || sar.num > 8 * std::int64_t{sar.den} ||
      sar.den > 8 * std::int64_t{sar.num}) {
    sar = {1, 1};
  }
  AVRational shape{16, 9};
  av_reduce(&shape.num, &shape.den, std::int64_t{width} * sar.num, std::int64_t{height} * sar.den,
            1024 * 1024);
  return shape;
}

AVRational frame_samples(int width, int field_height, AVRational samples) noexcept {
  // No interlaced picture is higher than broad.
  if (av_q2d(shape_of(width, 2 * field_height, samples)) >= 1) return samples;
  return {2 * samples.num, samples.den};
}

Size shown_size(AVRational shape, int source_height, int wanted_height) noexcept {
  constexpr int kLeast = 16;     // what encoders and scalers take
  constexpr int kWidest = 1920;  // of a strip
  int height = std::clamp(std::min(source_height, wanted_height), kLeast, kMaxHeight);
  const double ratio = shape.num > 0 && shape.den > 0 ? av_q2d(shape) : 16.0 / 9;
  double width = height * ratio;
  if (width > std::max(kWidest, wanted_height * 2)) {
    width = std::max(kWidest, wanted_height * 2);
    height = std::max(kLeast, static_cast<int>(std::lround(width / ratio)));
  }
  const auto even = [&](double value) {
    return std::max(kLeast, static_cast<int>(std::lround(value / 2)) * 2);
  };
  return {even(width), even(height)};
}

}  // namespace picture
}  // namespace headgate::transcode
