// The levels that the sound worker tells: the reference signals of EBU Tech 3341, made here, and what
// watching needs.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "dataplane/transcode/sound/levels.h"
#include "tests/transcode/sound_support.h"

namespace headgate::transcode::sound {
namespace {

using namespace sound_test;

double amplitude(double dbfs) { return std::pow(10.0, dbfs / 20); }

std::vector<AVChannel> layout(std::size_t channels) {
  if (channels == 1) return {AV_CHAN_FRONT_CENTER};
  if (channels == 2) return {AV_CHAN_FRONT_LEFT, AV_CHAN_FRONT_RIGHT};
  return {AV_CHAN_FRONT_LEFT, AV_CHAN_FRONT_RIGHT, AV_CHAN_FRONT_CENTER, AV_CHAN_SIDE_LEFT,
          AV_CHAN_SIDE_RIGHT};
}

// In frames of 1152, levels taken every 250 ms.
std::vector<job::SoundLevels> measure(const Planes& planes, int rate) {
  LevelMeter meter;
  std::vector<job::SoundLevels> all;
  std::size_t next = static_cast<std::size_t>(rate) / 4;
  for (std::size_t at = 0; at < planes[0].size(); at += 1152) {
    Sound sound;
    sound.rate = rate;
    sound.channels = layout(planes.size());
    sound.samples = static_cast<int>(std::min<std::size_t>(1152, planes[0].size() - at));
    for (const auto& plane : planes) sound.planes.push_back(plane.data() + at);
    meter.add(sound);
    if (at + 1152 < next) continue;
    next += static_cast<std::size_t>(rate) / 4;
    all.push_back(meter.take());
  }
  return all;
}

// 1 kHz in both channels: pieces of (dBFS, seconds), in a row, `times` over.
Planes pieces(const std::vector<std::pair<double, double>>& row, int times, int rate) {
  Planes planes(2);
  std::size_t n = 0;
  for (int i = 0; i < times; ++i) {
    for (const auto& [dbfs, seconds] : row) {
      const auto end = n + static_cast<std::size_t>(std::llround(seconds * rate));
      for (; n < end; ++n) {
        const double x =
            amplitude(dbfs) * std::sin(2 * std::numbers::pi * 1000 * static_cast<double>(n) / rate);
        planes[0].push_back(static_cast<float>(x));
        planes[1].push_back(static_cast<float>(x));
      }
    }
  }
  return planes;
}

struct Signal {
  const char* name;
  std::vector<std::pair<double, double>> row;
  int times;
  double lufs;
  bool momentary, short_term;
};

// Tech 3341 table 1; the minimum requirements that concern momentary and short-term loudness: +-0.1 LU.
TEST(SoundLevels, MeetTheReferenceSignalsOfTech3341) {
  const std::vector<Signal> signals{
      {"1", {{-23, 20}}, 1, -23, true, true},
      {"2", {{-33, 20}}, 1, -33, true, true},
      {"9", {{-20, 1.34}, {-30, 1.66}}, 5, -23, false, true},
      {"12", {{-20, 0.18}, {-30, 0.22}}, 25, -23, true, false},
  };
  for (const int rate : {48000, 44100, 32000}) {
    for (const Signal& signal : signals) {
      const auto levels = measure(pieces(signal.row, signal.times, rate), rate);
      // Once the window is full.
      for (std::size_t i = signal.short_term ? 13 : 4; i < levels.size(); ++i) {
        const float measured = signal.momentary ? levels[i].momentary_lufs : levels[i].short_term_lufs;
        EXPECT_NEAR(measured, signal.lufs, 0.1) << signal.name << " " << rate;
        if (!signal.momentary || !signal.short_term) continue;
        EXPECT_NEAR(levels[i].short_term_lufs, signal.lufs, 0.1) << signal.name << " " << rate;
      }
    }
  }
}

// Signal 6: five channels, which weigh as BS.1770-4 table 4 says.
TEST(SoundLevels, WeighSurrounds) {
  Planes planes = tone(5, 48000, 20, 1000, 1);
  const double dbfs[] = {-28, -28, -24, -30, -30};
  for (std::size_t c = 0; c < 5; ++c)
    for (float& x : planes[c]) x *= static_cast<float>(amplitude(dbfs[c]));
  const auto levels = measure(planes, 48000);
  EXPECT_NEAR(levels.back().short_term_lufs, -23, 0.1);
  EXPECT_NEAR(levels.back().momentary_lufs, -23, 0.1);
}

TEST(SoundLevels, TellPeakPowerAndSilence) {
  const auto loud = measure(tone(2, 48000, 4, 1000, 0.5), 48000);
  EXPECT_NEAR(loud[5].peak_dbfs, -6.02, 0.05);
  EXPECT_NEAR(loud[5].rms_dbfs, -9.03, 0.05);
  EXPECT_EQ(loud[5].clipped, 0U);
  EXPECT_EQ(loud[5].channels, 2U);
  EXPECT_EQ(loud[5].sample_rate, 48000U);
  EXPECT_NEAR(loud[5].samples, 12000, 1152);
  const auto silent = measure(tone(2, 48000, 4, 1000, 0), 48000);
  EXPECT_EQ(silent[14].momentary_lufs, -70);
  EXPECT_EQ(silent[14].short_term_lufs, -70);
  EXPECT_EQ(silent[14].peak_dbfs, -120);
  EXPECT_EQ(silent[14].rms_dbfs, -120);
  EXPECT_EQ(silent[14].correlation, 1);
}

TEST(SoundLevels, TellWhetherLeftAndRightAreInPhase) {
  Planes planes = music(2, 48000, 2);
  planes[1] = planes[0];
  EXPECT_NEAR(measure(planes, 48000)[3].correlation, 1, 1e-3);
  for (float& x : planes[1]) x = -x;
  EXPECT_NEAR(measure(planes, 48000)[3].correlation, -1, 1e-3);
  for (float& x : planes[1]) x = 0;
  EXPECT_EQ(measure(planes, 48000)[3].correlation, 0);
  EXPECT_EQ(measure(music(1, 48000, 2), 48000)[3].correlation, 1);
}

TEST(SoundLevels, CountRunsAtFullScaleOnly) {
  Planes planes = tone(2, 48000, 1, 997, 1.5);
  for (auto& plane : planes)
    for (float& x : plane) x = std::clamp(x, -1.0F, 1.0F);
  EXPECT_GT(measure(planes, 48000)[1].clipped, 3000U);
  EXPECT_EQ(measure(tone(2, 48000, 1, 997, 1.0), 48000)[1].clipped, 0U);
  EXPECT_EQ(measure(tone(2, 48000, 1, 50, 0.999), 48000)[1].clipped, 0U);
}

TEST(SoundLevels, ComeFourTimesASecondOnTheTimeline) {
  const Source source = coded("mp2", tone(2, 48000, 5, 1000, amplitude(-23)), 48000, 192000);
  Rig rig;
  rig.begin(source.kind);
  play(rig, source, 77 * kSecond + 1234);
  const auto& stream = rig.stream();
  EXPECT_GE(stream.levels.size(), 18U);
  EXPECT_LE(stream.levels.size(), 20U);
  for (std::size_t i = 1; i < stream.level_times.size(); ++i)
    EXPECT_NEAR(static_cast<double>(stream.level_times[i] - stream.level_times[i - 1]) / 27e6, 0.25, 0.03);
  EXPECT_NEAR(stream.levels.back().short_term_lufs, -23, 0.1);
  EXPECT_NEAR(stream.levels.back().momentary_lufs, -23, 0.1);
  EXPECT_EQ(stream.levels.back().decode_errors, 0U);
}

TEST(SoundLevels, SamplingMeasuresAPartOfEachSecondAndAgrees) {
  for (const char* encoder : {"mp2", "ac3", "aac", "eac3"}) {
    const Source source = coded(encoder, music(2, 48000, 20), 48000, 192000);
    Rig whole, sampled;
    whole.begin(source.kind, Rig::measuring());
    play(whole, source, 0);
    sampled.begin(source.kind, Rig::measuring(200));
    play(sampled, source, 0);
    EXPECT_TRUE(whole.stream().frames.empty());
    EXPECT_TRUE(sampled.stream().frames.empty());
    std::uint64_t all = 0, part = 0;
    for (const auto& l : whole.stream().levels) all += l.samples;
    for (const auto& l : sampled.stream().levels) part += l.samples;
    EXPECT_NEAR(static_cast<double>(part) / static_cast<double>(all), 0.22, 0.04) << encoder;
    EXPECT_EQ(sampled.stream().levels.back().decode_errors, 0U);
    EXPECT_TRUE(sampled.stream().troubles.empty());
    // Three seconds of sound are fifteen of programme here.
    EXPECT_NEAR(sampled.stream().levels.back().short_term_lufs, whole.stream().levels.back().short_term_lufs,
                1.5);
    EXPECT_GE(sampled.stream().levels.size(), 18U);
  }
}

// A tenth of a second that a fixed part of each second never meets.
TEST(SoundLevels, SamplingHearsABeepASecondAndTheSilenceAfterIt) {
  const Source source =
      coded("aac", pieces({{-120, 0.6}, {-12, 0.1}, {-120, 0.3}}, 10, 48000), 48000, 128000);
  const Source silence = coded("aac", tone(2, 48000, 10, 1000, 0), 48000, 128000);
  Rig rig;
  rig.begin(source.kind, Rig::measuring(150));
  play(rig, source, 0);
  play(rig, silence, source.time(source.frames.size()));
  const auto& stream = rig.stream();
  double heard = 0, longest = 0;
  for (std::size_t i = 0; i < stream.levels.size(); ++i) {
    const double time = static_cast<double>(stream.level_times[i]) / kSecond;
    if (stream.levels[i].rms_dbfs < -70) continue;
    longest = std::max(longest, time - heard);
    heard = time;
  }
  EXPECT_LT(longest, 2.3);
  EXPECT_GT(heard, 9);
  EXPECT_LT(heard, 10.2);
}

// The loud part of each second is neither all that is measured nor left out.
TEST(SoundLevels, SamplesLieEverywhereInASecond) {
  const Source source = coded("aac", pieces({{-40, 0.4}, {-6, 0.15}, {-40, 0.45}}, 60, 48000), 48000, 128000);
  Rig whole, sampled;
  whole.begin(source.kind, Rig::measuring());
  play(whole, source, 0);
  sampled.begin(source.kind, Rig::measuring(150));
  play(sampled, source, 0);
  EXPECT_NEAR(sampled.stream().levels.back().short_term_lufs, whole.stream().levels.back().short_term_lufs,
              2);
}

}  // namespace
}  // namespace headgate::transcode::sound
