// Samples at 48 kHz, in order, onto the timeline's grid: frame n of 1024 samples begins at n * 576,000 ticks
// of 27 MHz, so that two nodes cut alike. Partial frames are completed by silence, joints are faded, what is
// missing is filled: once begun, frames follow one another until begin() starts anew.
// Threading: owned by one thread. Memory: a frame, and the encoder's three.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/transcode/sound/aac_encoder.h"
#include "dataplane/transcode/worker.h"

namespace headgate::transcode::sound {

inline constexpr std::int64_t kFrameTicks = 576'000;  // 1024 samples at 48 kHz in 27 MHz

// Of the sample nearest to a time. 27 MHz / 48 kHz = 562.5.
std::int64_t sample_at(std::int64_t time_27mhz) noexcept;

class GridWriter {
 public:
  using Planes = std::array<std::vector<float>, 2>;
  GridWriter(std::uint16_t stream, Output& output) : stream_(stream), output_(output) {}
  bool begun() const { return begun_; }
  int channels() const { return channels_; }
  // 1 to 2 only: the encoder is changed without a hole. False: there is no AAC encoder.
  bool set_channels(int channels);
  // The next sample appended is this one. What was before ends here; the first frame carries `flags`.
  void begin(std::int64_t sample, std::uint32_t flags);
  // Number of the next sample; less what is still to be passed over.
  std::int64_t position() const;
  void append(const Planes& planes, std::size_t samples);
  void silence(std::int64_t samples);
  void pass_over(std::int64_t samples) { pass_over_ += samples; }  // the next ones are there already
  void finish();  // all that is there goes out; afterwards begin() again

 private:
  void put(const Planes* planes, std::size_t first, std::size_t samples, std::uint32_t flags);
  void frame_done();
  void prime(bool wanted);
  bool make_encoder();
  void end_frame();

  std::uint16_t stream_;
  Output& output_;
  std::unique_ptr<AacEncoder> encoder_;
  int channels_ = 0;
  bool begun_ = false;
  std::int64_t frame_ = 0;  // that is being filled
  std::array<std::array<float, kFrameSamples>, 2> samples_{};
  std::size_t filled_ = 0;
  std::uint32_t flags_ = 0;
  std::int64_t pass_over_ = 0;
  int fade_in_ = 0;  // samples of it still to come
  int fade_out_ = 0;
  std::array<float, 2> last_{};  // what a fade-out begins with
};

}  // namespace headgate::transcode::sound
