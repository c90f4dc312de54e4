#include "dataplane/transcode/ladder/decoder.h"

extern "C" {
#include <libavutil/mathematics.h>
}

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "dataplane/transcode/ladder/access_units.h"
#include "dataplane/transcode/ladder/deinterlacer.h"
#include "dataplane/transcode/ladder/field_pairs.h"
#include "dataplane/transcode/picture/decode.h"

namespace headgate::transcode::ladder {
namespace {

constexpr std::int64_t kClock = 27'000'000;

}  // namespace

struct Decoder::Impl {
  Impl(mpegts::StreamKind k, Take t)
      : kind(k), take(std::move(t)), units(k, [this](auto unit, auto times) { decode(unit, times); }) {
    open();
  }

  mpegts::StreamKind kind;
  Take take;
  AccessUnits units;
  AvCodec context;
  AvPacket packet{av_packet_alloc()};
  AvFrame frame{av_frame_alloc()};
  std::unique_ptr<Deinterlacer> deinterlacer;
  FieldPairs fields;
  bool in_fields = false;
  std::optional<std::int64_t> next_pts;  // of a picture that comes without a time
  std::int64_t last_pts = AV_NOPTS_VALUE;
  std::int64_t interval = kClock / 25;  // between pictures, where the stream doesn't say
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

  AVRational picture_rate() const {
    const AVRational rate = context ? context->framerate : AVRational{0, 1};
    return rate.num > 0 && rate.den > 0 ? rate : AVRational{0, 1};
  }

  // Pictures come in the order in which they are shown: one without a time follows the one before it, after
  // as many fields as that is shown for (13818-2 6.3.10, H.264 D.2.3).
  bool stamp() {
    if (frame->pts == AV_NOPTS_VALUE && next_pts) frame->pts = *next_pts;
    if (frame->pts == AV_NOPTS_VALUE) return false;
    if (last_pts != AV_NOPTS_VALUE && frame->pts > last_pts && frame->pts - last_pts < kClock)
      interval = frame->pts - last_pts;
    const AVRational rate = picture_rate();
    const std::int64_t shown = rate.num > 0 ? av_rescale(kClock, rate.den, rate.num) : interval;
    next_pts = frame->pts + shown + shown * std::clamp(frame->repeat_pict, 0, 4) / 2;
    last_pts = frame->pts;
    return true;
  }

  void on_frame() {
    if (frame->width > picture::kMaxWidth || frame->height > picture::kMaxHeight) return;
    if (!stamp()) return;
    in_fields = kind == mpegts::StreamKind::hevc && frame->interlaced_frame != 0;
    if (in_fields) {
      fields.feed(*frame, [this](AVFrame& whole) { show(whole); });
    } else {
      fields.drain([this](AVFrame& whole) { show(whole); });
      show(*frame);
    }
  }

  void show(AVFrame& shown) {
    if (deinterlacer && !deinterlacer->fits(shown)) drain_deinterlacer();
    if (!deinterlacer && shown.interlaced_frame != 0) deinterlacer = Deinterlacer::make(shown);
    if (deinterlacer) {
      deinterlacer->feed(shown, take);
    } else {
      take(shown);
    }
  }

  void drain_deinterlacer() {
    if (deinterlacer) deinterlacer->drain(take);
    deinterlacer.reset();
  }

  void decode(std::span<const std::uint8_t> unit, std::optional<UnitTimes> times) {
    // Padded with zeros behind, which the bit readers rely on.
    if (!packet || av_new_packet(packet.get(), static_cast<int>(unit.size())) < 0) return;
    std::memcpy(packet->data, unit.data(), unit.size());
    packet->pts = times ? times->pts : AV_NOPTS_VALUE;
    packet->dts = times ? times->dts : AV_NOPTS_VALUE;
    send(packet.get());
    av_packet_unref(packet.get());
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

Decoder::Decoder(mpegts::StreamKind kind, Take take) : impl_(std::make_unique<Impl>(kind, std::move(take))) {}
Decoder::~Decoder() = default;

bool Decoder::works() const { return impl_->context != nullptr; }

void Decoder::feed(std::span<const std::uint8_t> payload, std::optional<UnitTimes> times) {
  impl_->units.feed(payload, times);
}

void Decoder::lose() { impl_->units.flush(); }

void Decoder::drain() {
  impl_->units.flush();
  impl_->send(nullptr);
  impl_->fields.drain([this](AVFrame& whole) { impl_->show(whole); });
  impl_->drain_deinterlacer();
  impl_->next_pts.reset();
  impl_->last_pts = AV_NOPTS_VALUE;
  if (impl_->context) avcodec_flush_buffers(impl_->context.get());
}

AVRational Decoder::frame_rate() const {
  const AVRational rate = impl_->picture_rate();
  return impl_->in_fields ? av_div_q(rate, {2, 1}) : rate;
}

std::uint64_t Decoder::errors() const { return impl_->errors; }

}  // namespace headgate::transcode::ladder
