#include "dataplane/transcode/ladder/decoder.h"

#include <cstring>
#include <optional>
#include <utility>

#include "dataplane/transcode/ladder/deinterlacer.h"
#include "dataplane/transcode/picture/decode.h"

namespace headgate::transcode::ladder {

struct Decoder::Impl {
  mpegts::StreamKind kind;
  Take take;
  AvCodec context;
  AvPacket packet{av_packet_alloc()};
  AvFrame frame{av_frame_alloc()};
  std::unique_ptr<Deinterlacer> deinterlacer;
  std::uint64_t errors = 0;

  void open() {
    const AVCodec* codec = avcodec_find_decoder(picture::codec_id(kind));
    context.reset(codec != nullptr ? avcodec_alloc_context3(codec) : nullptr);
    if (!context) return;
    context->thread_count = 1;
    context->max_pixels = std::int64_t{picture::kMaxWidth} * picture::kMaxHeight;
    // What a loss damaged is shown until the next random access point: sound and times go on.
    context->flags |= AV_CODEC_FLAG_OUTPUT_CORRUPT;
    context->pkt_timebase = {1, 27'000'000};
    if (avcodec_open2(context.get(), codec, nullptr) < 0) context.reset();
  }

  void on_frame() {
    if (frame->width > picture::kMaxWidth || frame->height > picture::kMaxHeight) return;
    // libavcodec makes a frame of each field of an HEVC field sequence: there is nothing to put together.
    if (kind == mpegts::StreamKind::hevc) frame->interlaced_frame = 0;
    if (frame->pts == AV_NOPTS_VALUE) frame->pts = frame->best_effort_timestamp;
    if (deinterlacer && !deinterlacer->fits(*frame)) drain_deinterlacer();
    if (!deinterlacer && frame->interlaced_frame != 0) deinterlacer = Deinterlacer::make(*frame);
    if (deinterlacer) {
      deinterlacer->feed(*frame, take);
    } else {
      take(*frame);
    }
  }

  void drain_deinterlacer() {
    if (deinterlacer) deinterlacer->drain(take);
    deinterlacer.reset();
  }

  void send(const AVPacket* what) {
    if (!context || !frame) return;
    const int sent = avcodec_send_packet(context.get(), what);
    if (sent < 0 && what != nullptr) ++errors;
    while (avcodec_receive_frame(context.get(), frame.get()) == 0) {
      if (frame->decode_error_flags != 0) ++errors;
      on_frame();
      av_frame_unref(frame.get());
    }
  }
};

Decoder::Decoder(mpegts::StreamKind kind, Take take) : impl_(std::make_unique<Impl>()) {
  impl_->kind = kind;
  impl_->take = std::move(take);
  impl_->open();
}
Decoder::~Decoder() = default;

bool Decoder::works() const { return impl_->context != nullptr; }

void Decoder::feed(std::span<const std::uint8_t> unit, std::optional<std::int64_t> pts,
                   std::optional<std::int64_t> dts) {
  if (unit.empty() || unit.size() > 64u * 1024 * 1024 || !impl_->packet) return;
  AVPacket& packet = *impl_->packet;
  // Padded with zeros behind, which the bit readers rely on.
  if (av_new_packet(&packet, static_cast<int>(unit.size())) < 0) return;
  std::memcpy(packet.data, unit.data(), unit.size());
  packet.pts = pts.value_or(AV_NOPTS_VALUE);
  packet.dts = dts.value_or(AV_NOPTS_VALUE);
  impl_->send(&packet);
  av_packet_unref(&packet);
}

void Decoder::drain() {
  impl_->send(nullptr);
  impl_->drain_deinterlacer();
  if (impl_->context) avcodec_flush_buffers(impl_->context.get());
}

AVRational Decoder::frame_rate() const {
  const AVRational rate = impl_->context ? impl_->context->framerate : AVRational{0, 1};
  return rate.num > 0 && rate.den > 0 ? rate : AVRational{0, 1};
}

std::uint64_t Decoder::errors() const { return impl_->errors; }

}  // namespace headgate::transcode::ladder
