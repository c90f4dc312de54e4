// How loud a stream is and whether it is sound: loudness by EBU R128 (libebur128: ITU-R BS.1770-4 weighting
// and gating blocks; Tech 3341: momentary 400 ms, short-term 3 s, no gate), highest sample, power,
// correlation of left and right, clipping. Measured on what the decoder gives, in its own rate and layout.
// Threading: owned by one thread. Memory: 400 ms of sound, whatever comes.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "dataplane/job/message.h"
#include "dataplane/transcode/sound/decoder.h"

namespace headgate::transcode::sound {

class LevelMeter {
 public:
  LevelMeter();
  ~LevelMeter();
  void add(const Sound& sound);
  // What came since the last call; errors is left to the caller.
  job::SoundLevels take();
  std::uint32_t samples() const { return samples_; }

 private:
  bool prepare(const Sound& sound);
  void add_loudness(const Sound& sound);
  void add_plain(const Sound& sound);
  double loudness_of(std::size_t blocks) const;

  struct Loudness;
  std::unique_ptr<Loudness> loudness_;
  int rate_ = 0;
  std::vector<AVChannel> channels_;
  std::vector<float> packed_;
  // Powers of blocks of 100 ms, K-weighted, the newest last: 30 are the short-term loudness. The windows are
  // put together of these, which costs a twelfth of asking the library for both windows four times a second.
  std::deque<double> blocks_;
  std::size_t in_block_ = 0;

  std::uint32_t samples_ = 0;
  float peak_ = 0;
  double power_ = 0;
  double left_ = 0, right_ = 0, both_ = 0;
  std::uint32_t clipped_ = 0;
  std::array<std::uint32_t, kMaxChannels> run_{};  // samples at full scale up to here
};

}  // namespace headgate::transcode::sound
