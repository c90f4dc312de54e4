#include "mpegts/monitor/pcr_accuracy.h"

#include <gtest/gtest.h>

#include <cmath>

namespace headgate::mpegts {
namespace {

constexpr double kTicksPerPacket = 188.0 * 8 * 27e6 / 4e6;  // at 4 Mbit/s

// PCRs every 50 packets whose clock runs `ppm` fast; the one in the middle is off by so many ticks.
PcrAccuracy line(double ppm, std::int64_t off, int count = 1001) {
  PcrAccuracy made;
  std::uint64_t last = 0;
  for (int i = 0; i < count; ++i) {
    auto at = static_cast<std::uint64_t>(std::llround(50.0 * i * kTicksPerPacket * (1 + ppm * 1e-6))) + 1000;
    if (i == count / 2) at = static_cast<std::uint64_t>(static_cast<std::int64_t>(at) + off);
    made.on_pcr(static_cast<std::uint64_t>(i) * 50, i == 0 ? std::nullopt : std::optional(at - last));
    last = at;
  }
  return made;
}

TEST(PcrAccuracy, IsThatOfTheRoundingOnAStraightLineWhateverTheClocksFrequency) {
  for (const double ppm : {-50.0, 0.0, 30.0}) {
    const auto info = line(ppm, 0).info();
    ASSERT_TRUE(info && info->constant_rate) << ppm;
    EXPECT_LT(info->max_ns, 20.0);  // half a tick is 18.5 ns
    EXPECT_EQ(info->errors, 0U);
    EXPECT_NEAR(info->bitrate, 4e6 * (1 - ppm * 1e-6), 1.0);
  }
}

TEST(PcrAccuracy, CountsWhatIsOver500NanosecondsOff) {
  // 13 ticks are 481 ns, 14 are 519.
  EXPECT_EQ(line(0, 13).info()->errors, 0U);
  EXPECT_EQ(line(0, 14).info()->errors, 1U);
  EXPECT_EQ(line(0, -14).info()->errors, 1U);
  EXPECT_NEAR(line(0, 14).info()->max_ns, 518.5, 2.0);
  EXPECT_LT(line(0, 14).info()->p99_ns, 20.0);
}

TEST(PcrAccuracy, TellsAVariableRateFromAConstantOne) {
  EXPECT_TRUE(line(0, 26'900).info()->constant_rate);
  EXPECT_FALSE(line(0, 27'100).info()->constant_rate);  // over a millisecond
}

TEST(PcrAccuracy, TakesTheLongestLineBetweenDiscontinuities) {
  PcrAccuracy made = line(0, 14, 101);
  for (int i = 0; i < 50; ++i)
    made.on_pcr(10'000 + static_cast<std::uint64_t>(i) * 50,
                i == 0 ? std::nullopt : std::optional<std::uint64_t>(27'000));
  EXPECT_EQ(made.info()->samples, 101U);
  EXPECT_EQ(made.info()->errors, 1U);
}

TEST(PcrAccuracy, SaysNothingOfFewPcrs) { EXPECT_FALSE(line(0, 0, 9).info()); }

}  // namespace
}  // namespace headgate::mpegts
