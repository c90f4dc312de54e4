#include "dataplane/transcode/sound/resampler.h"

#include <algorithm>

extern "C" {
#include <libavutil/opt.h>
}

namespace headgate::transcode::sound {
namespace {

constexpr std::size_t kHistory = 256;

}  // namespace

bool Resampler::begin(int rate, int channels) {
  rate_ = rate;
  channels_ = channels;
  swr_.reset();
  drop_ = 0;
  for (auto& h : history_) h.clear();
  return rate == kRate || make();
}

bool Resampler::make() {
  SwrContext* raw = nullptr;
  AVChannelLayout layout;
  av_channel_layout_default(&layout, channels_);
  if (swr_alloc_set_opts2(&raw, &layout, AV_SAMPLE_FMT_FLTP, kRate, &layout, AV_SAMPLE_FMT_FLTP, rate_, 0,
                          nullptr) < 0) {
    return false;
  }
  swr_.reset(raw);
  // Also where both rates are alike, for set_speed().
  if (rate_ == kRate) av_opt_set_int(raw, "flags", SWR_FLAG_RESAMPLE, 0);
  if (swr_init(raw) < 0) {
    swr_.reset();
    return false;
  }
  return true;
}

void Resampler::set_speed(int delta) {
  if (!swr_) {
    if (delta == 0 || !make()) return;
    // The filter begins with what went by last, so that nothing is heard of it.
    const std::size_t n = history_[0].size();
    Planes dropped;
    const std::array<const float*, 2> in{history_[0].data(), history_[1].data()};
    if (n > 0) take(in.data(), n, dropped);
    drop_ = n - std::min(n, dropped[0].size());
  }
  swr_set_compensation(swr_.get(), delta, kRate);
}

void Resampler::take(const float* const* in, std::size_t samples, Planes& out) {
  const int room = std::max(0, swr_get_out_samples(swr_.get(), static_cast<int>(samples)));
  std::array<std::uint8_t*, 2> to{};
  for (std::size_t c = 0; c < static_cast<std::size_t>(channels_); ++c) {
    scratch_[c].resize(static_cast<std::size_t>(room) + 1);
    to[c] = reinterpret_cast<std::uint8_t*>(scratch_[c].data());
  }
  const auto** from = const_cast<const std::uint8_t**>(reinterpret_cast<const std::uint8_t* const*>(in));
  const int got = swr_convert(swr_.get(), to.data(), room, from, static_cast<int>(samples));
  const std::size_t dropped = std::min(drop_, static_cast<std::size_t>(std::max(got, 0)));
  drop_ -= dropped;
  const auto first = static_cast<std::ptrdiff_t>(dropped);
  for (std::size_t c = 0; got > first && c < static_cast<std::size_t>(channels_); ++c)
    out[c].insert(out[c].end(), scratch_[c].begin() + first, scratch_[c].begin() + got);
}

void Resampler::convert(const Planes& in, std::size_t samples, Planes& out) {
  if (swr_) {
    const std::array<const float*, 2> planes{in[0].data(), in[1].data()};
    take(planes.data(), samples, out);
    return;
  }
  for (std::size_t c = 0; c < static_cast<std::size_t>(channels_); ++c) {
    const auto end = in[c].begin() + static_cast<std::ptrdiff_t>(samples);
    out[c].insert(out[c].end(), in[c].begin(), end);
    history_[c].insert(history_[c].end(), end - static_cast<std::ptrdiff_t>(std::min(samples, kHistory)),
                       end);
    if (history_[c].size() > kHistory)
      history_[c].erase(history_[c].begin(), history_[c].end() - static_cast<std::ptrdiff_t>(kHistory));
  }
}

std::int64_t Resampler::held() const {
  return swr_ ? swr_get_delay(swr_.get(), kRate) - static_cast<std::int64_t>(drop_) : 0;
}

void Resampler::drain(Planes& out) {
  if (swr_) take(nullptr, 0, out);
  begin(rate_, channels_);
}

}  // namespace headgate::transcode::sound
