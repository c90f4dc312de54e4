#include "dataplane/transcode/picture/jpeg.h"

#include <cstring>

namespace headgate::transcode::picture {
namespace {

AvPacket encode(AVFrame& frame, int quantiser) {
  const AVCodec* codec = avcodec_find_encoder(AV_CODEC_ID_MJPEG);
  const AvCodec context(codec != nullptr ? avcodec_alloc_context3(codec) : nullptr);
  AvPacket packet(av_packet_alloc());
  if (!context || !packet) return nullptr;
  context->width = frame.width;
  context->height = frame.height;
  context->pix_fmt = AV_PIX_FMT_YUVJ420P;
  context->color_range = AVCOL_RANGE_JPEG;
  context->time_base = {1, 25};
  context->thread_count = 1;
  context->flags |= AV_CODEC_FLAG_QSCALE | AV_CODEC_FLAG_BITEXACT;  // no comment with FFmpeg's version
  context->global_quality = FF_QP2LAMBDA * quantiser;
  frame.quality = context->global_quality;
  frame.pts = 0;
  if (avcodec_open2(context.get(), codec, nullptr) < 0 || avcodec_send_frame(context.get(), &frame) < 0 ||
      avcodec_receive_packet(context.get(), packet.get()) < 0) {
    return nullptr;
  }
  return packet;
}

}  // namespace

std::size_t write_jpeg(AVFrame& frame, std::span<std::uint8_t> out) {
  for (const int quantiser : {3, 8, 24}) {
    const AvPacket packet = encode(frame, quantiser);
    if (!packet || packet->size <= 0) return 0;
    const auto size = static_cast<std::size_t>(packet->size);
    if (size > out.size()) continue;
    std::memcpy(out.data(), packet->data, size);
    return size;
  }
  return 0;
}

}  // namespace headgate::transcode::picture
