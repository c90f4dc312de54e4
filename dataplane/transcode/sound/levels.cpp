#include "dataplane/transcode/sound/levels.h"

#include <ebur128.h>

#include <algorithm>
#include <cmath>

namespace headgate::transcode::sound {
namespace {

constexpr std::size_t kMomentaryBlocks = 4, kShortTermBlocks = 30;
constexpr double kSilenceLufs = -70;
constexpr double kSilencePower = 1e-6;  // -60 dBFS: below it two channels need not be alike
constexpr float kFullScale = 0.99996F;  // 32767 of 32768
constexpr std::uint32_t kClipRun = 3;

int weight_of(AVChannel channel) {
  switch (channel) {
    case AV_CHAN_FRONT_LEFT:
    case AV_CHAN_STEREO_LEFT:
      return EBUR128_LEFT;
    case AV_CHAN_FRONT_RIGHT:
    case AV_CHAN_STEREO_RIGHT:
      return EBUR128_RIGHT;
    case AV_CHAN_FRONT_CENTER:
      return EBUR128_CENTER;
    case AV_CHAN_SIDE_LEFT:
      return EBUR128_LEFT_SURROUND;
    case AV_CHAN_SIDE_RIGHT:
      return EBUR128_RIGHT_SURROUND;
    case AV_CHAN_BACK_LEFT:
      return EBUR128_Mp135;
    case AV_CHAN_BACK_RIGHT:
      return EBUR128_Mm135;
    case AV_CHAN_BACK_CENTER:
      return EBUR128_Mp180;
    case AV_CHAN_LOW_FREQUENCY:
    case AV_CHAN_LOW_FREQUENCY_2:
      return EBUR128_UNUSED;
    default:
      return EBUR128_Up045;
  }
}

float decibels(double power) {
  return power <= 1e-12 ? -120.0F : static_cast<float>(std::max(-120.0, 10 * std::log10(power)));
}

}  // namespace

struct LevelMeter::Loudness {
  ebur128_state* state = nullptr;
  Loudness(unsigned channels, int rate)
      : state(ebur128_init(channels, static_cast<unsigned long>(rate), EBUR128_MODE_M)) {}
  Loudness(const Loudness&) = delete;
  Loudness& operator=(const Loudness&) = delete;
  ~Loudness() {
    if (state != nullptr) ebur128_destroy(&state);
  }
};

LevelMeter::LevelMeter() = default;
LevelMeter::~LevelMeter() = default;

bool LevelMeter::prepare(const Sound& sound) {
  if (loudness_ && rate_ == sound.rate && channels_ == sound.channels) return true;
  const auto count = static_cast<unsigned>(sound.channels.size());
  loudness_ = std::make_unique<Loudness>(count, sound.rate);
  rate_ = sound.rate;
  channels_ = sound.channels;
  in_block_ = 0;
  run_.fill(0);
  if (loudness_->state == nullptr) {
    loudness_.reset();
    return false;
  }
  for (unsigned i = 0; i < count; ++i) {
    // 5.1 is coded with surrounds that are called back or side; with three fronts both stand at 110 degrees.
    int weight = weight_of(sound.channels[i]);
    if (count <= 6 && weight == EBUR128_Mp135) weight = EBUR128_LEFT_SURROUND;
    if (count <= 6 && weight == EBUR128_Mm135) weight = EBUR128_RIGHT_SURROUND;
    if (count == 1) weight = EBUR128_LEFT;
    if (count == 2) weight = i == 0 ? EBUR128_LEFT : EBUR128_RIGHT;
    ebur128_set_channel(loudness_->state, i, weight);
  }
  return true;
}

void LevelMeter::add(const Sound& sound) {
  if (!prepare(sound)) return;
  add_loudness(sound);
  add_plain(sound);
}

void LevelMeter::add_loudness(const Sound& sound) {
  const std::size_t block = static_cast<std::size_t>(rate_) / 10, count = sound.planes.size();
  std::size_t at = 0;
  const auto all = static_cast<std::size_t>(sound.samples);
  while (at < all) {
    const std::size_t n = std::min(all - at, block - in_block_);
    packed_.resize(n * count);
    for (std::size_t c = 0; c < count; ++c) {
      const float* from = sound.planes[c] + at;
      for (std::size_t i = 0; i < n; ++i) packed_[i * count + c] = from[i];
    }
    ebur128_add_frames_float(loudness_->state, packed_.data(), n);
    at += n;
    in_block_ += n;
    if (in_block_ < block) continue;
    in_block_ = 0;
    double lufs = kSilenceLufs;
    if (ebur128_loudness_window(loudness_->state, 100, &lufs) != EBUR128_SUCCESS) lufs = -HUGE_VAL;
    blocks_.push_back(std::isfinite(lufs) ? std::pow(10.0, lufs / 10) : 0.0);
    if (blocks_.size() > kShortTermBlocks) blocks_.pop_front();
  }
}

void LevelMeter::add_plain(const Sound& sound) {
  const auto all = static_cast<std::size_t>(sound.samples);
  const std::size_t count = sound.planes.size();
  for (std::size_t c = 0; c < count; ++c) {
    const float* x = sound.planes[c];
    float peak = 0, power = 0;
    for (std::size_t i = 0; i < all; ++i) {
      peak = std::max(peak, std::abs(x[i]));
      power += x[i] * x[i];
    }
    power_ += static_cast<double>(power) / static_cast<double>(count);
    peak_ = std::max(peak_, peak);
    std::uint32_t& run = run_[c];
    if (peak < kFullScale) {
      run = 0;
      continue;
    }
    for (std::size_t i = 0; i < all; ++i) {
      run = std::abs(x[i]) >= kFullScale ? run + 1 : 0;
      if (run == kClipRun) clipped_ += kClipRun;
      if (run > kClipRun) ++clipped_;
    }
  }
  if (count >= 2 && weight_of(channels_[0]) == EBUR128_LEFT && weight_of(channels_[1]) == EBUR128_RIGHT) {
    const float *l = sound.planes[0], *r = sound.planes[1];
    float left = 0, right = 0, both = 0;
    for (std::size_t i = 0; i < all; ++i) {
      left += l[i] * l[i];
      right += r[i] * r[i];
      both += l[i] * r[i];
    }
    left_ += left;
    right_ += right;
    both_ += both;
  }
  samples_ += static_cast<std::uint32_t>(all);
}

double LevelMeter::loudness_of(std::size_t blocks) const {
  const std::size_t n = std::min(blocks, blocks_.size());
  double sum = 0;
  for (std::size_t i = blocks_.size() - n; i < blocks_.size(); ++i) sum += blocks_[i];
  // Before the window is full, what is missing of it was not measured: the mean is of what was.
  const double power = n == 0 ? 0 : sum / static_cast<double>(n);
  return power <= 1e-7 ? kSilenceLufs : 10 * std::log10(power);
}

job::SoundLevels LevelMeter::take() {
  job::SoundLevels levels;
  levels.momentary_lufs = static_cast<float>(loudness_of(kMomentaryBlocks));
  levels.short_term_lufs = static_cast<float>(loudness_of(kShortTermBlocks));
  levels.samples = samples_;
  levels.channels = static_cast<std::uint32_t>(channels_.size());
  levels.sample_rate = static_cast<std::uint32_t>(rate_);
  levels.peak_dbfs = decibels(static_cast<double>(peak_) * static_cast<double>(peak_));
  levels.clipped = clipped_;
  if (samples_ > 0) {
    levels.rms_dbfs = decibels(power_ / samples_);
    const double l = left_ / samples_, r = right_ / samples_;
    if (std::max(l, r) > kSilencePower)
      levels.correlation = l > 0 && r > 0 ? static_cast<float>(both_ / std::sqrt(left_ * right_)) : 0.0F;
    levels.correlation = std::clamp(levels.correlation, -1.0F, 1.0F);
  }
  samples_ = clipped_ = 0;
  peak_ = 0;
  power_ = left_ = right_ = both_ = 0;
  return levels;
}

}  // namespace headgate::transcode::sound
