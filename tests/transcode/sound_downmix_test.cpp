// Downmixing by the standards' coefficients: tones in one channel at a time.
#include <gtest/gtest.h>

#include <cmath>

#include "dataplane/transcode/sound/downmix.h"
#include "tests/transcode/sound_support.h"

namespace headgate::transcode::sound {
namespace {

using namespace sound_test;

double rms(const std::vector<float>& plane, std::size_t from, std::size_t to) {
  double sum = 0;
  for (std::size_t i = from; i < to; ++i)
    sum += static_cast<double>(plane[i]) * static_cast<double>(plane[i]);
  return std::sqrt(sum / static_cast<double>(to - from));
}

struct Coefficients {
  const char* encoder;
  const char* options;
  double center, surround;
};

class Downmixing : public testing::TestWithParam<Coefficients> {};

// What each of the six channels becomes (ITU-R BS.775-3 table 2, ETSI TS 102 366 7.8.2; the levels of the
// stream: 5.4.2.4, 5.4.2.5, D.2.3.1).
TEST_P(Downmixing, TakesTheLevelsThatTheStreamCarries) {
  const auto& c = GetParam();
  const std::array<std::array<double, 2>, 6> expected{
      {{1, 0}, {0, 1}, {c.center, c.center}, {0, 0}, {c.surround, 0}, {0, c.surround}}};
  constexpr double kLevel = 0.25;
  for (int channel = 0; channel < 6; ++channel) {
    const Source source = coded(c.encoder, tone(6, 48000, 1.5, channel == 3 ? 60 : 1000, kLevel, channel),
                                48000, 448000, c.options);
    Rig rig;
    rig.begin(source.kind);
    play(rig, source, 0);
    rig.end();
    const Heard heard = decode_aac(rig.stream().frames);
    ASSERT_EQ(heard.planes.size(), 2U);
    for (std::size_t side = 0; side < 2; ++side) {
      const double gain = rms(heard.planes[side], 24000, 60000) / (kLevel / std::sqrt(2.0));
      EXPECT_NEAR(gain, expected[static_cast<std::size_t>(channel)][side], 0.02)
          << "channel " << channel << " side " << side;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, Downmixing,
    testing::Values(Coefficients{"ac3", "center_mixlev=0.707:surround_mixlev=0.707", 0.7071, 0.7071},
                    Coefficients{"ac3", "center_mixlev=0.595:surround_mixlev=0.5", 0.5946, 0.5},
                    Coefficients{"ac3", "center_mixlev=0.5:surround_mixlev=0", 0.5, 0},
                    Coefficients{"ac3", "loro_cmixlev=0.841:loro_surmixlev=0.595", 0.8409, 0.5946},
                    Coefficients{"eac3", "loro_cmixlev=0.841:loro_surmixlev=0.595", 0.8409, 0.5946},
                    Coefficients{"aac", "", 0.7071, 0.7071}));

Sound sound_of(const Planes& planes, std::vector<AVChannel> channels) {
  Sound sound;
  sound.rate = 48000;
  sound.channels = std::move(channels);
  sound.samples = static_cast<int>(planes[0].size());
  for (const auto& plane : planes) sound.planes.push_back(plane.data());
  return sound;
}

const std::vector<AVChannel> kFive{AV_CHAN_FRONT_LEFT, AV_CHAN_FRONT_RIGHT, AV_CHAN_FRONT_CENTER,
                                   AV_CHAN_SIDE_LEFT, AV_CHAN_SIDE_RIGHT};

TEST(Downmix, LimitsOnlyWhatWouldClipAndComesBack) {
  Downmix downmix;
  const Planes loud = tone(5, 48000, 0.5, 440, 0.9), quiet = tone(5, 48000, 0.5, 440, 0.2);
  const auto& first = downmix.mix(sound_of(loud, kFive), 2);
  float last = 0;
  for (const float x : first[0]) {
    EXPECT_LE(std::abs(x), 1.0F);
    EXPECT_LT(std::abs(x - last), 0.16F);  // no step: 0.9 * 2.41 at 440 Hz would move by 0.125
    last = x;
  }
  // It is made softer, not cut: the sine stays one, whose crest factor is the root of two.
  EXPECT_NEAR(rms(first[0], 4800, 24000), 1 / std::sqrt(2.0), 0.03);
  const auto& second = downmix.mix(sound_of(quiet, kFive), 2);
  EXPECT_NEAR(rms(second[0], 12000, 24000), 0.2 * (1 + 2 * 0.7071) / std::sqrt(2.0), 0.001);
}

TEST(Downmix, LeavesQuietSumsAlone) {
  Downmix downmix;
  const Planes planes = tone(5, 48000, 0.1, 440, 0.2);
  const auto& mixed = downmix.mix(sound_of(planes, kFive), 2);
  for (std::size_t i = 0; i < mixed[0].size(); ++i)
    EXPECT_NEAR(mixed[0][i], planes[0][i] * (1 + 2 * 0.70710678F), 1e-5F);
}

TEST(Downmix, MonoAndStereoPassUntouched) {
  Downmix downmix;
  const Planes one = tone(1, 48000, 0.1, 440, 1.2), two = music(2, 48000, 0.1);
  EXPECT_EQ(Downmix::channels_of(sound_of(one, {AV_CHAN_FRONT_CENTER})), 1);
  EXPECT_EQ(downmix.mix(sound_of(one, {AV_CHAN_FRONT_CENTER}), 1)[0], one[0]);
  const auto& both = downmix.mix(sound_of(one, {AV_CHAN_FRONT_CENTER}), 2);
  EXPECT_EQ(both[0], one[0]);
  EXPECT_EQ(both[1], one[0]);
  const auto& stereo = downmix.mix(sound_of(two, {AV_CHAN_FRONT_LEFT, AV_CHAN_FRONT_RIGHT}), 2);
  EXPECT_EQ(stereo[0], two[0]);
  EXPECT_EQ(stereo[1], two[1]);
}

TEST(Downmix, ASingleSurroundGoesToBothSidesAtHalf) {
  const auto weight = Downmix::weight(AV_CHAN_BACK_CENTER, MixLevels{});
  EXPECT_NEAR(weight[0], 0.5, 1e-6);
  EXPECT_NEAR(weight[1], 0.5, 1e-6);
}

}  // namespace
}  // namespace headgate::transcode::sound
