#include "dataplane/transcode/sound/downmix.h"

#include <algorithm>
#include <cmath>

namespace headgate::transcode::sound {
namespace {

constexpr double kHalfPower = 0.70710678118654752;
constexpr std::size_t kLimitBlock = 64;
constexpr float kRelease = 1.01F;  // a block of 1.3 ms: all of 6 dB in 90 ms

}  // namespace

std::array<double, 2> Downmix::weight(AVChannel channel, const MixLevels& levels) {
  switch (channel) {
    case AV_CHAN_FRONT_LEFT:
    case AV_CHAN_STEREO_LEFT:
      return {1, 0};
    case AV_CHAN_FRONT_RIGHT:
    case AV_CHAN_STEREO_RIGHT:
      return {0, 1};
    case AV_CHAN_FRONT_CENTER:
      return {levels.center, levels.center};
    case AV_CHAN_BACK_LEFT:
    case AV_CHAN_SIDE_LEFT:
    case AV_CHAN_SURROUND_DIRECT_LEFT:
      return {levels.surround, 0};
    case AV_CHAN_BACK_RIGHT:
    case AV_CHAN_SIDE_RIGHT:
    case AV_CHAN_SURROUND_DIRECT_RIGHT:
      return {0, levels.surround};
    case AV_CHAN_BACK_CENTER: {
      // The only surround goes to both sides with half its power each. Beside left and right surrounds alike.
      const double w = levels.surround * kHalfPower;
      return {w, w};
    }
    case AV_CHAN_FRONT_LEFT_OF_CENTER:
    case AV_CHAN_WIDE_LEFT:
    case AV_CHAN_TOP_FRONT_LEFT:
    case AV_CHAN_TOP_BACK_LEFT:
    case AV_CHAN_TOP_SIDE_LEFT:
    case AV_CHAN_BOTTOM_FRONT_LEFT:
      return {kHalfPower, 0};
    case AV_CHAN_FRONT_RIGHT_OF_CENTER:
    case AV_CHAN_WIDE_RIGHT:
    case AV_CHAN_TOP_FRONT_RIGHT:
    case AV_CHAN_TOP_BACK_RIGHT:
    case AV_CHAN_TOP_SIDE_RIGHT:
    case AV_CHAN_BOTTOM_FRONT_RIGHT:
      return {0, kHalfPower};
    case AV_CHAN_LOW_FREQUENCY:
    case AV_CHAN_LOW_FREQUENCY_2:
      return {0, 0};
    default:
      return {0.5, 0.5};
  }
}

const Downmix::Planes& Downmix::mix(const Sound& sound, int channels) {
  const auto samples = static_cast<std::size_t>(sound.samples);
  for (std::size_t side = 0; side < static_cast<std::size_t>(channels); ++side)
    out_[side].assign(samples, 0.0F);
  if (sound.planes.size() == 1) {
    for (std::size_t side = 0; side < static_cast<std::size_t>(channels); ++side)
      std::copy_n(sound.planes[0], samples, out_[side].begin());
    return out_;
  }
  for (std::size_t i = 0; i < sound.planes.size(); ++i) {
    // Two channels are left and right, whatever they are called.
    const auto w = sound.planes.size() == 2 ? std::array<double, 2>{i == 0 ? 1.0 : 0.0, i == 0 ? 0.0 : 1.0}
                                            : weight(sound.channels[i], sound.mix);
    for (std::size_t side = 0; side < 2; ++side) {
      const auto factor = static_cast<float>(w[side]);
      if (factor == 0) continue;
      float* to = out_[side].data();
      const float* from = sound.planes[i];
      for (std::size_t n = 0; n < samples; ++n) to[n] += factor * from[n];
    }
  }
  if (sound.planes.size() > 2) limit(samples);
  return out_;
}

// A gain for each 1.3 ms, no more than keeps its peak and that of the next at full scale, with straight lines
// between; it comes back slowly. What a peak at the very beginning of a frame leaves over is cut.
void Downmix::limit(std::size_t samples) {
  const std::size_t blocks = (samples + kLimitBlock - 1) / kLimitBlock;
  gains_.assign(blocks + 1, 1.0F);
  bool needed = gain_ < 1;
  for (std::size_t b = 0; b < blocks; ++b) {
    float peak = 0;
    const std::size_t end = std::min(samples, (b + 1) * kLimitBlock);
    for (std::size_t n = b * kLimitBlock; n < end; ++n)
      peak = std::max({peak, std::abs(out_[0][n]), std::abs(out_[1][n])});
    if (peak <= 1) continue;
    needed = true;
    // The lines on both sides of this block's edges.
    gains_[b] = std::min(gains_[b], 1 / peak);
    gains_[b + 1] = std::min(gains_[b + 1], 1 / peak);
  }
  if (!needed) return;
  float before = std::min(gain_, gains_[0]);
  gains_[0] = before;
  for (std::size_t b = 1; b <= blocks; ++b) before = gains_[b] = std::min(gains_[b], before * kRelease);
  // From gain_ the first line begins: no step.
  gains_[0] = gain_;
  for (std::size_t n = 0; n < samples; ++n) {
    const std::size_t b = n / kLimitBlock;
    const float part = static_cast<float>(n % kLimitBlock) / static_cast<float>(kLimitBlock);
    const float gain = gains_[b] + (gains_[b + 1] - gains_[b]) * part;
    for (auto& side : out_) side[n] = std::clamp(side[n] * gain, -1.0F, 1.0F);
  }
  gain_ = std::min(gains_[blocks], 1.0F);
}

}  // namespace headgate::transcode::sound
