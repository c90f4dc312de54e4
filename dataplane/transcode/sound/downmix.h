// From any layout to mono or stereo at the same rate: left and right as they are, centre and surrounds by the
// levels the stream carries, otherwise by 1/sqrt(2), LFE left out (ITU-R BS.775-3 annex 4, table 2; ETSI TS
// 102 366 7.8). The sum is not made softer; only where it would clip, it is limited.
// Threading: owned by one thread.
#pragma once

#include <array>
#include <vector>

#include "dataplane/transcode/sound/decoder.h"

namespace headgate::transcode::sound {

class Downmix {
 public:
  using Planes = std::array<std::vector<float>, 2>;
  // 1 for one channel, else 2.
  static int channels_of(const Sound& sound) { return sound.channels.size() == 1 ? 1 : 2; }
  // `channels`: 1 only for mono; 2: mono stands on both sides.
  const Planes& mix(const Sound& sound, int channels);
  // What each channel adds to left and right.
  static std::array<double, 2> weight(AVChannel channel, const MixLevels& levels);

 private:
  void limit(std::size_t samples);
  Planes out_;
  std::vector<float> gains_;
  float gain_ = 1;  // at the end of the block before
};

}  // namespace headgate::transcode::sound
