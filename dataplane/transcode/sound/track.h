// One audio track: PES payloads in, AAC frames on the grid and levels out. Time stamps are held against what
// was counted: a source clock that runs away is followed by a slight change of speed, what is missing becomes
// silence, what does not join begins anew. docs/sound.md has the numbers.
// Threading: owned by one thread. Memory: bounded, whatever comes in.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "dataplane/job/message.h"
#include "dataplane/transcode/sound/decoder.h"
#include "dataplane/transcode/sound/downmix.h"
#include "dataplane/transcode/sound/grid_writer.h"
#include "dataplane/transcode/sound/levels.h"
#include "dataplane/transcode/sound/resampler.h"
#include "dataplane/transcode/sound/splitter.h"
#include "dataplane/transcode/worker.h"

namespace headgate::transcode::sound {

class Track {
 public:
  Track(std::uint16_t stream, Output& output) : stream_(stream), output_(output), writer_(stream, output) {}
  // Again, where the format changed: the output goes on.
  void begin(const job::StreamBegin& wanted);
  void on_packet(const ring::MessageHeader& header, std::span<const std::uint8_t> payload);
  void finish();

 private:
  using Time = std::optional<std::int64_t>;
  void missing();
  void on_frame(const SoundFrame& frame, Time time);
  bool wanted_now(std::int64_t duration, bool& only_primes);
  bool have_decoder();
  void reconcile(std::int64_t time, std::int64_t duration);
  void place(std::int64_t sample);
  void follow_drift(std::int64_t error, std::int64_t duration);
  void on_sound(const Sound& sound, bool only_primes);
  void encode(const Sound& sound);
  bool adapt(const Sound& sound);
  void report_levels();
  void watch_yield(std::int64_t now);
  void trouble(const std::string& text);

  std::uint16_t stream_;
  Output& output_;
  job::StreamBegin wanted_;
  std::optional<Splitter> splitter_;
  std::unique_ptr<Decoder> decoder_;
  std::string codec_;  // of decoder_, or that has none
  Downmix downmix_;
  Resampler resampler_;
  Resampler::Planes resampled_;
  GridWriter writer_;
  LevelMeter meter_;

  Time base_;                // of frames that begin in the payload before
  std::int64_t cursor_ = 0;  // where the next frame is, as far as is known
  bool timed_ = false;       // cursor_ is the current frame's own time
  std::uint64_t packet_ = 0;
  bool missing_ = false;        // the next frame's place is known by its time only
  bool discontinuity_ = false;  // the next frame begins anew
  bool missing_flag_ = false;

  // Of the time stamps against what was counted, in samples.
  double drift_ = 0;
  std::int64_t suspect_ = 0;  // an error that the next packet must confirm; 0: none
  std::uint64_t suspect_packet_ = 0;
  bool following_ = false;
  std::int64_t next_speed_ = 0;  // sample

  bool listens_ = false;  // to all of it, although a part is wanted: nothing was heard
  std::int64_t level_slot_ = INT64_MIN;
  std::uint32_t errors_ = 0, reported_errors_ = 0;
  std::uint32_t frames_since_ = 0;  // a good one
  std::uint32_t packets_since_ = 0;
  Time yielded_;
  std::string trouble_;
};

}  // namespace headgate::transcode::sound
