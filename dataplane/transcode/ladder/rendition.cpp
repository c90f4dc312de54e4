#include "dataplane/transcode/ladder/rendition.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "dataplane/transcode/picture/decode.h"

namespace headgate::transcode::ladder {
namespace {

constexpr std::int64_t kClock = 27'000'000;
// Packets without a picture after which the bridge is told: some seconds of video.
constexpr std::uint64_t kSilentPackets = 150;
constexpr std::size_t kMaxIdrs = 256;
constexpr int kLeastHeight = 64, kMostHeight = 2160;
constexpr std::uint32_t kLeastBitrate = 50'000, kMostBitrate = 100'000'000;

bool plausible(AVRational rate) {
  return rate.num > 0 && rate.den > 0 && av_q2d(rate) >= 4 && av_q2d(rate) <= 121;
}

// A code point as it stands in the stream, where FFmpeg's enumeration has it.
template <typename Enumeration>
Enumeration known(const Enumeration& value, Enumeration otherwise, Enumeration end) {
  static_assert(sizeof value == sizeof(int));
  int number = 0;
  std::memcpy(&number, &value, sizeof number);
  return number >= 0 && number < end ? static_cast<Enumeration>(number) : otherwise;
}

int even(double value) { return std::max(16, static_cast<int>(value / 2 + 0.5) * 2); }

}  // namespace

Rendition::Rendition(Output& output, std::uint16_t stream, const job::StreamBegin& wanted)
    : output_(output), stream_(stream), wanted_(wanted) {
  decoder_ = std::make_unique<Decoder>(static_cast<mpegts::StreamKind>(wanted.codec),
                                       [this](const AVFrame& frame) { on_frame(frame); });
  if (!decoder_->works()) say("there is no decoder for this video");
}
Rendition::~Rendition() = default;

void Rendition::on_packet(const ring::MessageHeader& header, std::span<const std::uint8_t> payload) {
  if (!decoder_->works()) return;
  if ((header.flags & job::kDiscontinuity) != 0) {
    drain();
    flags_ |= job::kDiscontinuity;
  }
  if ((header.flags & (job::kLoss | ring::kMessageLoss)) != 0) {
    decoder_->lose();
    flags_ |= job::kLoss;
  }
  const bool random_access = (header.flags & job::kRandomAccess) != 0;
  const bool timed = (header.flags & job::kUntimed) == 0;
  if (!begin_) {
    if (!random_access || !timed) return;
    begin_ = header.pts;
  }
  if (random_access && timed && idrs_.size() < kMaxIdrs) {
    idrs_.insert(std::upper_bound(idrs_.begin(), idrs_.end(), header.pts), header.pts);
  }
  if (++silent_ == kSilentPackets) say("the decoder makes no pictures of it");
  decoder_->feed(payload, timed ? std::optional(UnitTimes{header.pts, header.dts}) : std::nullopt);
}

void Rendition::on_frame(const AVFrame& frame) {
  silent_ = 0;
  say("");
  if (frame.pts == AV_NOPTS_VALUE) return;
  const std::int64_t pts = frame.pts;
  if (!begin_ || pts < *begin_) return;
  AVRational rate = decoder_->frame_rate();
  if (!plausible(rate) && measured_rate_) rate = *measured_rate_;
  if (plausible(rate)) {
    encode(frame, pts, rate);
    return;
  }
  // The stream doesn't say how often pictures come: two of them do.
  if (!held_) {
    held_ = Held{AvFrame(av_frame_clone(&frame)), pts};
    return;
  }
  AVRational between{25, 1};
  av_reduce(&between.num, &between.den, kClock, std::max<std::int64_t>(1, pts - held_->pts), 1'000'000);
  measured_rate_ = plausible(between) ? between : AVRational{25, 1};
  const Held first = std::move(*held_);
  held_.reset();
  if (first.frame) encode(*first.frame, first.pts, *measured_rate_);
  encode(frame, pts, *measured_rate_);
}

EncoderFormat Rendition::format_for(const AVFrame& frame, AVRational rate) const {
  EncoderFormat format;
  const AVRational shape = picture::shape_of(frame.width, frame.height, frame.sample_aspect_ratio);
  const int height = std::clamp<int>(static_cast<int>(std::min<std::uint32_t>(wanted_.height, 16384)),
                                     kLeastHeight, kMostHeight);
  format.height = even(height);
  format.width = wanted_.width != 0 ? even(std::min<std::uint32_t>(wanted_.width, picture::kMaxWidth))
                                    : std::min(even(format.height * av_q2d(shape)), picture::kMaxWidth);
  if (wanted_.width != 0) {  // samples are as broad as the source's shape needs
    av_reduce(&format.sample_aspect_ratio.num, &format.sample_aspect_ratio.den,
              std::int64_t{shape.num} * format.height, std::int64_t{shape.den} * format.width, 255);
  }
  format.bitrate = std::clamp(wanted_.bitrate, kLeastBitrate, kMostBitrate);
  format.frame_rate = rate;
  const picture::Colour colour = picture::colour_of(frame, frame.height);
  if (colour.through_light()) {
    format.matrix = AVCOL_SPC_BT709;
    format.primaries = AVCOL_PRI_BT709;
    format.transfer = AVCOL_TRC_BT709;
  } else {  // coefficients stay; a player that guesses by the height would guess wrong
    const bool standard = colour.matrix == picture::Colour::Matrix::bt601;
    const bool wide = colour.matrix == picture::Colour::Matrix::bt2020;
    format.matrix = standard ? AVCOL_SPC_SMPTE170M : wide ? AVCOL_SPC_BT2020_NCL : AVCOL_SPC_BT709;
    format.primaries = known(frame.color_primaries, AVCOL_PRI_UNSPECIFIED, AVCOL_PRI_NB);
    format.transfer = known(frame.color_trc, AVCOL_TRC_UNSPECIFIED, AVCOL_TRC_NB);
    format.full_range = colour.full_range;
  }
  return format;
}

AvFrame Rendition::scaled(const AVFrame& frame, const EncoderFormat& format) {
  const picture::Colour colour = picture::colour_of(frame, frame.height);
  AvFrame small =
      scaler_.scale(frame, format.width, format.height, picture::format_before(colour), SWS_BICUBIC);
  return small && colour.through_light() ? picture::to_bt709(*small, colour) : std::move(small);
}

void Rendition::close_encoder() {
  if (encoder_) encoder_->drain();
  encoder_.reset();
}

bool Rendition::open_encoder(const EncoderFormat& format) {
  if (encoder_ && encoder_->format() == format) return true;
  close_encoder();
  encoder_ = Encoder::make(format, [this](const Encoded& encoded) { on_encoded(encoded); });
  if (!encoder_) say("libx264 refuses " + std::to_string(format.width) + "x" + std::to_string(format.height));
  return encoder_ != nullptr;
}

void Rendition::encode(const AVFrame& frame, std::int64_t pts, AVRational rate) {
  if (last_pts_ && pts <= *last_pts_) return;  // a source whose times go back has no picture to show here
  const EncoderFormat format = format_for(frame, rate);
  const AvFrame small = scaled(frame, format);
  if (!small || !open_encoder(format)) return;
  bool idr = false;
  while (!idrs_.empty() && idrs_.front() <= pts) {
    idr = true;
    idrs_.pop_front();
  }
  last_pts_ = pts;
  encoder_->feed(*small, pts, idr, std::exchange(flags_, 0));
}

void Rendition::on_encoded(const Encoded& encoded) {
  ring::MessageHeader header;
  header.stream = stream_;
  header.pts = encoded.pts;
  header.dts = encoded.dts;
  // A new encoder's first times lie before its first frame, where the last one's may be.
  if ((encoded.flags & job::kDiscontinuity) != 0) last_dts_.reset();
  if (last_dts_ && header.dts <= *last_dts_) header.dts = std::min(*last_dts_ + 1, header.pts);
  last_dts_ = header.dts;
  header.flags = encoded.flags | (encoded.idr ? job::kRandomAccess : 0);
  output_.send(job::Message::frame, header, encoded.unit);
}

void Rendition::drain() {
  decoder_->drain();
  if (held_ && held_->frame) encode(*held_->frame, held_->pts, {25, 1});
  held_.reset();
  close_encoder();
  idrs_.clear();
  begin_.reset();
  last_pts_.reset();
}

void Rendition::say(const std::string& trouble) {
  if (trouble == trouble_) return;
  trouble_ = trouble;
  ring::MessageHeader header;
  header.stream = stream_;
  output_.send(job::Message::trouble, header,
               {reinterpret_cast<const std::uint8_t*>(trouble.data()), trouble.size()});
}

}  // namespace headgate::transcode::ladder
