#include "dataplane/transcode/picture/decode.h"

extern "C" {
#include <libavutil/imgutils.h>
}

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

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

// MPEG-2: whether the picture is one field, by picture_structure of its coding extension (13818-2 6.2.3.1).
bool is_mpeg2_field(std::span<const std::uint8_t> unit) {
  for (std::size_t i = 0; i + 7 <= unit.size(); ++i) {
    if (unit[i] == 0 && unit[i + 1] == 0 && unit[i + 2] == 1 && unit[i + 3] == 0xB5 &&
        unit[i + 4] >> 4 == 8) {
      return (unit[i + 6] & 3) != 3;
    }
  }
  return false;
}

// H.264: whether the access unit is one field, which its parser tells without decoding.
bool is_h264_field(AVCodecID id, const AVPacket& packet) {
  const AvParser parser(av_parser_init(id));
  const AvCodec context(avcodec_alloc_context3(avcodec_find_decoder(id)));
  if (!parser || !context) return false;
  parser->flags |= PARSER_FLAG_COMPLETE_FRAMES;
  std::uint8_t* out = nullptr;
  int size = 0;
  av_parser_parse2(parser.get(), context.get(), &out, &size, packet.data, packet.size, 0, 0, 0);
  return parser->picture_structure == AV_PICTURE_STRUCTURE_TOP_FIELD ||
         parser->picture_structure == AV_PICTURE_STRUCTURE_BOTTOM_FIELD;
}

// The rest, cut into access units: libavcodec takes one a packet.
void feed_rest(Attempt& attempt, AVCodecID id, std::span<const std::uint8_t> rest) {
  const AvPacket all = make_packet(rest, kWanted + 1);
  const AvParser parser(av_parser_init(id));
  const AvCodec context(avcodec_alloc_context3(avcodec_find_decoder(id)));
  if (!all || !parser || !context) return;
  const std::uint8_t* at = all->data;
  int left = all->size;
  for (std::int64_t pts = kWanted + 1;; ++pts) {
    std::uint8_t* unit = nullptr;
    int size = 0;
    const int used = av_parser_parse2(parser.get(), context.get(), &unit, &size, at, left, 0, 0, 0);
    if (size > 0) {
      const AvPacket packet = make_packet({unit, static_cast<std::size_t>(size)}, pts);
      if (packet) attempt.feed(packet.get());
    }
    if (left == 0 && size == 0) break;
    at += std::clamp(used, 0, left);
    left -= std::clamp(used, 0, left);
  }
}

AvFrame try_decode(Attempt& attempt, AVCodecID id, std::span<const std::uint8_t> first,
                   std::span<const std::uint8_t> rest) {
  std::vector<std::uint8_t> joined;
  if (id == AV_CODEC_ID_MPEG2VIDEO && !rest.empty() && is_mpeg2_field(first)) {
    // Its decoder takes both fields in one packet; but what follows a whole frame would be drawn over it.
    joined.assign(first.begin(), first.end());
    joined.insert(joined.end(), rest.begin(), rest.end());
    first = joined;
  }
  const AvPacket packet = make_packet(first, kWanted);
  if (!packet) return nullptr;
  attempt.feed(packet.get());
  if (id == AV_CODEC_ID_H264 && !rest.empty() && is_h264_field(id, *packet)) feed_rest(attempt, id, rest);
  attempt.drain();
  return attempt.take();
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

Decoded decode_random_access(mpegts::StreamKind kind, std::span<const std::uint8_t> first,
                             std::span<const std::uint8_t> rest, bool cheap) {
  Decoded decoded;
  const AVCodecID id = codec_id(kind);
  if (id == AV_CODEC_ID_NONE) return decoded;
  Attempt attempt(id, cheap);
  AvFrame frame = try_decode(attempt, id, first, rest);
  if (!frame || frame->width <= 0 || frame->height <= 0) return decoded;
  if (frame->width > kMaxWidth || frame->height > kMaxHeight) return decoded;
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
