// Made sources through the sound worker: what comes out is the same sound at the same time.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/transcode/sound_support.h"

namespace headgate::transcode {
namespace {

using namespace sound_test;
using mpegts::StreamKind;

// What libavcodec's AC-3 encoders write unless told: cmixlev -4.5 dB, surmixlev -6 dB.
constexpr std::array<double, 2> kEncoderMix{0.594604, 0.5};
constexpr std::int64_t kStart = 123 * kSecond + 4567;  // not on the grid

struct Case {
  const char* encoder;
  const char* decoder;
  int channels, rate;
  std::int64_t bitrate;
  std::size_t per_packet;
};

class SoundFormats : public testing::TestWithParam<Case> {};

TEST_P(SoundFormats, ComeOutAsTheSameSoundAtTheSameTime) {
  const Case& c = GetParam();
  const Source source = coded(c.encoder, music(c.channels, c.rate, 4), c.rate, c.bitrate);
  Rig rig;
  rig.begin(source.kind);
  play(rig, source, kStart, c.per_packet);
  rig.end();
  const auto& frames = rig.stream().frames;
  ASSERT_GT(frames.size(), 180U);
  EXPECT_EQ(holes(frames), 0U);
  EXPECT_EQ(frames[0].flags & job::kDiscontinuity, job::kDiscontinuity);
  const int channels = c.channels == 1 ? 1 : 2;
  const Heard heard = decode_aac(frames);
  ASSERT_EQ(heard.planes.size(), static_cast<std::size_t>(channels));
  const Heard expected = decode_source(c.decoder, source.frames, kStart, channels, kEncoderMix);
  const Likeness like = compare(expected, heard);
  std::printf("%s %d ch %d Hz: correlation %.5f offset %.3f ms gain %.2f dB loudness %.2f -> %.2f\n",
              c.encoder, c.channels, c.rate, like.correlation, like.offset_ms, like.gain_db,
              loudness(expected), loudness(heard));
  EXPECT_GT(like.correlation, 0.99);
  EXPECT_LT(std::abs(like.offset_ms), 0.05);
  EXPECT_NEAR(loudness(heard), loudness(expected), 0.2);
}

INSTANTIATE_TEST_SUITE_P(
    All, SoundFormats,
    testing::Values(Case{"mp2", "mp2float", 2, 48000, 192000, 1},
                    Case{"mp2", "mp2float", 2, 44100, 192000, 3}, Case{"mp2", "mp2float", 1, 32000, 96000, 2},
                    Case{"mp2", "mp2float", 2, 24000, 96000, 1}, Case{"ac3", "ac3", 2, 48000, 192000, 1},
                    Case{"ac3", "ac3", 6, 48000, 448000, 1}, Case{"ac3", "ac3", 2, 44100, 192000, 2},
                    Case{"eac3", "eac3", 2, 48000, 128000, 1}, Case{"eac3", "eac3", 6, 48000, 256000, 1},
                    Case{"aac", "aac", 2, 48000, 192000, 4}, Case{"aac", "aac", 2, 44100, 192000, 1},
                    Case{"dca", "dca", 2, 48000, 768000, 1}),
    [](const auto& given) {
      return std::string(given.param.encoder) + "_" + std::to_string(given.param.channels) + "ch_" +
             std::to_string(given.param.rate);
    });

}  // namespace
}  // namespace headgate::transcode
