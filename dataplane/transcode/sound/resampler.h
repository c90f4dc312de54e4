// One or two channels at any rate to 48 kHz, with a slight change of speed where the source's sample clock
// runs away from its time stamps. At 48 kHz nothing is touched until that is asked for the first time.
// The first sample out stands for the same time as the first one in (libswresample fills its filter by a
// mirror image), so that a position is known by counting.
// Threading: owned by one thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/transcode/sound/av.h"

namespace headgate::transcode::sound {

inline constexpr int kRate = 48000;

class Resampler {
 public:
  using Planes = std::array<std::vector<float>, 2>;
  // Begins anew. False: libswresample refuses.
  bool begin(int rate, int channels);
  int rate() const { return rate_; }
  int channels() const { return channels_; }
  // Adds `delta` samples to each second that comes out; 0: back to normal speed.
  void set_speed(int delta);
  // Appends to `out`.
  void convert(const Planes& in, std::size_t samples, Planes& out);
  // Samples at 48 kHz that went in and did not come out yet.
  std::int64_t held() const;
  // What is held comes out, and the next sample in begins anew.
  void drain(Planes& out);

 private:
  bool make();
  void take(const float* const* in, std::size_t samples, Planes& out);

  int rate_ = kRate, channels_ = 2;
  SwrPtr swr_;
  std::array<std::vector<float>, 2> history_;  // 48 kHz untouched: what the filter begins with
  std::array<std::vector<float>, 2> scratch_;
  std::size_t drop_ = 0;  // of what comes out next: it left already, before the filter began
};

}  // namespace headgate::transcode::sound
