#include "dataplane/bridge/ingest/source_clock.h"

#include <gtest/gtest.h>

namespace headgate::bridge::ingest {
namespace {

constexpr std::int64_t kSecond = mpegts::kTicksPerSecond;
constexpr std::int64_t kNs = 1'000'000'000;
constexpr std::int64_t kNow = 1'700'000'000 * kNs;
constexpr std::int64_t kUnix = 1'700'000'000 * kSecond;

TEST(SourceClock, BeginsAtUnixTimeAndFollowsTheSourceFromThenOn) {
  SourceClock clock;
  EXPECT_EQ(clock.map(0, 500, kNow), kUnix);
  EXPECT_EQ(clock.map(1, 200, kNow), kUnix - 300);
  // A source whose clock is fast, and times of arrival that say nothing.
  EXPECT_EQ(clock.map(0, 500 + 9 * kSecond, kNow + 2 * kNs), kUnix + 9 * kSecond);
  EXPECT_EQ(clock.jumps(), 0U);
}

TEST(SourceClock, GoesOnByTheTimeThatPassedFromWhereItWas) {
  SourceClock clock;
  clock.map(0, 0, kNow);
  clock.map(0, 9 * kSecond, kNow + 2 * kNs);
  clock.go_on();
  EXPECT_EQ(clock.map(0, 777, kNow + 5 * kNs), kUnix + 12 * kSecond);
  EXPECT_EQ(clock.map(1, 777 + kSecond, kNow + 5 * kNs), kUnix + 13 * kSecond);
  clock.begin_anew();
  EXPECT_EQ(clock.map(0, 0, kNow + 60 * kNs), kUnix + 60 * kSecond);
}

TEST(SourceClock, LaysTimesThatJumpOnAnew) {
  for (const std::int64_t jump : {11 * kSecond, 90'000 * kSecond, -2 * kSecond, -900 * kSecond}) {
    SourceClock clock;
    clock.map(0, 1000 * kSecond, kNow);
    EXPECT_EQ(clock.map(0, 1000 * kSecond + jump, kNow + kNs / 25), kUnix + kSecond / 25) << jump;
    EXPECT_EQ(clock.jumps(), 1U);
  }
  for (const std::int64_t step : {9 * kSecond, -kSecond / 2}) {
    SourceClock clock;
    clock.map(0, 1000 * kSecond, kNow);
    EXPECT_EQ(clock.map(0, 1000 * kSecond + step, kNow + kNs / 25), kUnix + step);
    EXPECT_EQ(clock.jumps(), 0U);
  }
}

// Pictures jump first; sound from before the jump still comes, then jumps too.
TEST(SourceClock, PutsLatecomersOfOldTimesWhereTheyBelong) {
  SourceClock clock;
  clock.map(0, 1000 * kSecond, kNow);
  clock.map(1, 1000 * kSecond, kNow);
  const std::int64_t jumped = clock.map(0, kSecond, kNow + kNs / 25);
  EXPECT_EQ(jumped, kUnix + kSecond / 25);
  EXPECT_EQ(clock.map(1, 1000 * kSecond + kSecond / 50, kNow + kNs / 20), kUnix + kSecond / 50);
  EXPECT_EQ(clock.map(1, kSecond + kSecond / 100, kNow + kNs / 20), jumped + kSecond / 100);
  EXPECT_EQ(clock.jumps(), 1U);
}

TEST(SourceClock, MovesOnHoweverFastFramesCome) {
  SourceClock clock;
  clock.map(0, 1000 * kSecond, kNow);
  EXPECT_GT(clock.map(0, 0, kNow), kUnix);
}

}  // namespace
}  // namespace headgate::bridge::ingest
