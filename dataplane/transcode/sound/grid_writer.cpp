#include "dataplane/transcode/sound/grid_writer.h"

#include <algorithm>
#include <cstring>

namespace headgate::transcode::sound {
namespace {

constexpr int kFade = 128;  // samples, 2.7 ms
constexpr auto kFrameSize = static_cast<std::int64_t>(kFrameSamples);

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

}  // namespace

std::int64_t sample_at(std::int64_t time_27mhz) noexcept {
  // (2 t + 562.5) / 1125, rounded down; times are bounded by whoever takes them in.
  return floor_div(time_27mhz * 4 + 1125, 2250);
}

bool GridWriter::make_encoder() {
  encoder_ =
      AacEncoder::open(channels_, [this](const AacEncoder::Tag& tag, std::span<const std::uint8_t> adts) {
        ring::MessageHeader header;
        header.stream = stream_;
        header.flags = tag.flags;
        header.pts = header.dts = tag.frame * kFrameTicks;
        output_.send(job::Message::frame, header, adts);
      });
  return encoder_ != nullptr;
}

bool GridWriter::set_channels(int channels) {
  if (channels == channels_) return encoder_ != nullptr;
  if (encoder_) encoder_->drain();
  if (channels_ == 1) {
    samples_[1] = samples_[0];
    last_[1] = last_[0];
  }
  channels_ = channels;
  if (!make_encoder()) return false;
  if (begun_) prime(false);
  return true;
}

// A frame of silence before the first: a decoder needs it to give the first one whole.
void GridWriter::prime(bool wanted) {
  static constexpr std::array<float, kFrameSamples> kSilence{};
  AacEncoder::Tag tag;
  tag.frame = frame_ - 1;
  tag.wanted = wanted;
  if (wanted) {
    tag.flags = flags_;
    flags_ = 0;
  }
  if (encoder_) encoder_->encode({kSilence.data(), kSilence.data()}, tag);
}

void GridWriter::begin(std::int64_t sample, std::uint32_t flags) {
  const std::int64_t frame = floor_div(sample, kFrameSize);
  const auto inside = static_cast<std::size_t>(sample - frame * kFrameSize);
  pass_over_ = 0;
  const bool had = begun_;
  if (had && filled_ > 0 && frame == frame_ && inside >= filled_) {
    fade_out_ = kFade;
    put(nullptr, 0, inside - filled_, flags | job::kFilled);
    flags_ |= flags;
    fade_in_ = kFade;
    return;
  }
  if (had && filled_ > 0) end_frame();
  const bool forward_by_none = had && frame == frame_;
  begun_ = true;
  frame_ = frame;
  filled_ = 0;
  flags_ = flags;
  // The frame before this one may be there already: then it is the old one's last.
  prime(!forward_by_none);
  fade_in_ = 0;
  last_ = {};
  put(nullptr, 0, inside, 0);
  fade_in_ = kFade;
}

std::int64_t GridWriter::position() const {
  return frame_ * kFrameSize + static_cast<std::int64_t>(filled_) - pass_over_;
}

void GridWriter::append(const Planes& planes, std::size_t samples) {
  const std::size_t skipped = std::min(samples, static_cast<std::size_t>(pass_over_));
  pass_over_ -= static_cast<std::int64_t>(skipped);
  if (skipped > 0) fade_in_ = kFade;
  put(&planes, skipped, samples - skipped, 0);
}

void GridWriter::silence(std::int64_t samples) {
  fade_out_ = kFade;
  put(nullptr, 0, static_cast<std::size_t>(std::max<std::int64_t>(samples, 0)), job::kFilled);
  fade_in_ = kFade;
}

void GridWriter::put(const Planes* planes, std::size_t first, std::size_t samples, std::uint32_t flags) {
  while (samples > 0) {
    const std::size_t n = std::min(samples, kFrameSamples - filled_);
    flags_ |= flags;
    for (std::size_t c = 0; c < static_cast<std::size_t>(channels_); ++c) {
      float* to = samples_[c].data() + filled_;
      if (planes != nullptr) {
        std::memcpy(to, (*planes)[c].data() + first, n * sizeof(float));
        for (int i = 0; i < std::min(fade_in_, static_cast<int>(n)); ++i)
          to[i] *= static_cast<float>(kFade - fade_in_ + i) / kFade;
        last_[c] = to[n - 1];
      } else {
        std::fill_n(to, n, 0.0F);
        for (int i = 0; i < std::min(fade_out_, static_cast<int>(n)); ++i)
          to[i] = last_[c] * static_cast<float>(fade_out_ - i) / kFade;
      }
    }
    int& fade = planes != nullptr ? fade_in_ : fade_out_;
    fade -= std::min(fade, static_cast<int>(n));
    filled_ += n;
    first += n;
    samples -= n;
    if (filled_ == kFrameSamples) frame_done();
  }
}

void GridWriter::frame_done() {
  if (encoder_) encoder_->encode({samples_[0].data(), samples_[1].data()}, {frame_, flags_, true});
  ++frame_;
  filled_ = 0;
  flags_ = 0;
}

void GridWriter::end_frame() {
  fade_out_ = kFade;
  put(nullptr, 0, kFrameSamples - filled_, job::kFilled);
}

void GridWriter::finish() {
  if (!begun_) return;
  if (filled_ > 0) end_frame();
  if (encoder_) encoder_->drain();
  encoder_.reset();
  channels_ = 0;
  begun_ = false;
}

}  // namespace headgate::transcode::sound
