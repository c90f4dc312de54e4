#include "dataplane/bridge/watch/sound_watch.h"

#include <cmath>

namespace headgate::bridge::watch {
namespace {

constexpr float kSilentRms = -70;   // dBFS; as the absolute gate of BS.1770-4: quiet film sound lies above it
constexpr float kAudibleRms = -50;  // what phase and quietness are judged by
constexpr float kAgainstEachOther = -0.5F;
// Of the samples, in runs at full scale; and for how long a run of them counts.
constexpr double kClippedShare = 0.001;
constexpr std::int64_t kClippedFor = 1'000'000'000;
// Over which the short-term loudness is measured (EBU Tech 3341).
constexpr std::int64_t kShortTerm = 3'000'000'000;

}  // namespace

bool is_silent(const job::SoundLevels& levels) noexcept { return !(levels.rms_dbfs > kSilentRms); }

void TrackWatch::on_levels(const job::SoundLevels& levels, std::int64_t now_ns,
                           const protocol::WatchState& state) {
  last_ = levels;
  last_ns_ = now_ns;
  const bool is_quiet_now = is_silent(levels);
  silent.observe(is_quiet_now, now_ns);
  if (levels.samples > 0 && levels.clipped > kClippedShare * levels.samples) last_clipped_ns_ = now_ns;
  clipping.observe(last_clipped_ns_ != 0 && now_ns - last_clipped_ns_ < kClippedFor, now_ns);
  const bool audible = levels.rms_dbfs > kAudibleRms;
  phase.observe(audible && levels.channels == 2 && levels.correlation < kAgainstEachOther, now_ns);
  if (is_quiet_now || loudness_from_ns_ == 0) loudness_from_ns_ = now_ns + kShortTerm;
  const bool measured = now_ns >= loudness_from_ns_;
  const auto tenths = static_cast<double>(levels.short_term_lufs) * 10;
  loud.observe(measured && tenths > state.loudness_max, now_ns);
  quiet.observe(measured && tenths < state.loudness_min, now_ns);
}

}  // namespace headgate::bridge::watch
