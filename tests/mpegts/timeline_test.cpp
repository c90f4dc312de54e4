#include "mpegts/clock/timeline.h"

#include <gtest/gtest.h>

namespace headgate::mpegts {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::int64_t kStartNs = 1'790'000'000 * kSecondNs;  // 2026
constexpr auto kWrap = static_cast<std::int64_t>(kPcrModulus);

std::int64_t utc_ticks(std::int64_t ns) { return ns / 1000 * 27; }
Pcr27MHz pcr(std::int64_t ticks) { return {static_cast<std::uint64_t>((ticks % kWrap + kWrap) % kWrap)}; }

TEST(Timeline, FirstPcrIsUnrolledNearestUtc) {
  for (const std::int64_t value : {std::int64_t{0}, std::int64_t{12345}, kWrap / 2, kWrap - 1}) {
    Timeline timeline;
    const auto step = timeline.on_pcr(pcr(value), false, kStartNs);
    EXPECT_FALSE(step.discontinuity);
    EXPECT_EQ(step.time.ticks % kWrap, value);
    EXPECT_LE(std::abs(step.time.ticks - utc_ticks(kStartNs)), kWrap / 2);
  }
}

TEST(Timeline, KnowsNothingBeforeTheFirstPcr) { EXPECT_FALSE(Timeline{}.unroll({1})); }

TEST(Timeline, CountsSixtyHoursThroughWrapsWithJitter) {
  Timeline timeline;
  const std::int64_t start = kWrap - 10 * kTicksPerSecond;
  const std::int64_t first = timeline.on_pcr(pcr(start), false, kStartNs).time.ticks;
  int wraps = 0;
  std::uint64_t last = static_cast<std::uint64_t>(start);
  for (std::int64_t i = 1; i <= 60 * 3600 * 10; ++i) {
    const std::int64_t elapsed = i * kTicksPerSecond / 10;
    // The source runs 30 ppm fast, and the network delays by up to 300 ms.
    const std::int64_t stream = start + elapsed + elapsed / 1'000'000 * 30;
    const std::int64_t jitter = i % 7 == 0 ? 300'000'000 : 0;
    const auto value = pcr(stream);
    wraps += value.ticks < last ? 1 : 0;
    last = value.ticks;
    const auto step = timeline.on_pcr(value, false, kStartNs + i * 100'000'000 + jitter);
    ASSERT_FALSE(step.discontinuity) << i;
    ASSERT_EQ(step.time.ticks - first, stream - start) << i;
    // A PTS two seconds ahead, whichever side of the wrap it is on.
    const Pts90kHz pts{static_cast<std::uint64_t>(pcr(stream + 2 * kTicksPerSecond).ticks / 300)};
    ASSERT_LT(std::abs(timeline.unroll(pts)->ticks - step.time.ticks - 2 * kTicksPerSecond), 300) << i;
  }
  EXPECT_EQ(wraps, 3);
}

TEST(Timeline, GoesOnByArrivalWhenThePcrJumps) {
  for (const std::int64_t jump :
       {-3600 * kTicksPerSecond, -2 * kTicksPerSecond, 2 * kTicksPerSecond, kWrap / 3}) {
    for (const bool signalled : {false, true}) {
      Timeline timeline;
      const std::int64_t start = 5000 * kTicksPerSecond;
      const std::int64_t first = timeline.on_pcr(pcr(start), false, kStartNs).time.ticks;
      const auto step = timeline.on_pcr(pcr(start + kTicksPerSecond + jump), signalled, kStartNs + kSecondNs);
      EXPECT_TRUE(step.discontinuity) << jump;
      EXPECT_EQ(step.time.ticks, first + kTicksPerSecond);
      const auto next =
          timeline.on_pcr(pcr(start + 2 * kTicksPerSecond + jump), false, kStartNs + 2 * kSecondNs);
      EXPECT_FALSE(next.discontinuity);
      EXPECT_EQ(next.time.ticks, first + 2 * kTicksPerSecond);
      // Stamps of the new clock come out beside its PCR.
      const Pts90kHz pts{pcr(start + 2 * kTicksPerSecond + jump).ticks / 300};
      EXPECT_LT(std::abs(timeline.unroll(pts)->ticks - next.time.ticks), 300);
    }
  }
}

TEST(Timeline, NeverRunsBackwards) {
  Timeline timeline;
  const std::int64_t start = 5000 * kTicksPerSecond;
  const std::int64_t first = timeline.on_pcr(pcr(start), false, kStartNs).time.ticks;
  const auto back = timeline.on_pcr(pcr(start - kTicksPerSecond / 2), false, kStartNs + 40'000'000);
  EXPECT_TRUE(back.discontinuity);
  EXPECT_GE(back.time.ticks, first);
  // A Unix clock set back an hour leaves the timeline where it was.
  const auto stepped = timeline.on_pcr(pcr(start), false, kStartNs - 3600 * kSecondNs);
  EXPECT_GE(stepped.time.ticks, back.time.ticks);
}

TEST(Timeline, SignalledDiscontinuityThatKeepsTheClockIsNone) {
  Timeline timeline;
  timeline.on_pcr(pcr(100), false, kStartNs);
  EXPECT_FALSE(
      timeline.on_pcr(pcr(100 + kTicksPerSecond / 10), true, kStartNs + kSecondNs / 10).discontinuity);
}

TEST(Timeline, ResumesFromItsStateAfterAnyOutage) {
  // Shorter than a wrap (26.5 h), about half of one, nearly one, longer than one and longer than two.
  for (const std::int64_t hours : {0, 1, 13, 14, 26, 27, 30, 60}) {
    const std::int64_t start = kWrap - 100 * kTicksPerSecond;
    Timeline before;
    before.on_pcr(pcr(0), false, kStartNs - 2 * kSecondNs);
    // A discontinuity first, so that the offset must survive.
    before.on_pcr(pcr(start), false, kStartNs);
    const std::int64_t at = before.state().timeline;

    Timeline after{before.state()};
    const std::int64_t outage = hours * 3600 + 3;
    const std::int64_t drift = outage * 27 * 50;  // 50 ppm between the two clocks
    const auto step =
        after.on_pcr(pcr(start + outage * kTicksPerSecond + drift), false, kStartNs + outage * kSecondNs);
    EXPECT_FALSE(step.discontinuity) << hours;
    EXPECT_EQ(step.time.ticks, at + outage * kTicksPerSecond + drift) << hours;
  }
}

TEST(Timeline, SourceRestartedDuringAnOutageIsADiscontinuity) {
  Timeline before;
  before.on_pcr(pcr(kWrap / 2), false, kStartNs);
  Timeline after{before.state()};
  const auto step = after.on_pcr(pcr(0), false, kStartNs + 60 * kSecondNs);
  EXPECT_TRUE(step.discontinuity);
  EXPECT_EQ(step.time.ticks, before.state().timeline + 60 * kTicksPerSecond);
}

TEST(UnrollNear, PicksTheNearestOnBothSidesOfTheWrap) {
  const TimelineTicks reference{10 * kWrap};
  EXPECT_EQ(unroll_near({0}, 0, reference).ticks, 10 * kWrap);
  EXPECT_EQ(unroll_near({kPtsModulus - 1}, 0, reference).ticks, 10 * kWrap - 300);
  EXPECT_EQ(unroll_near({1}, 0, reference).ticks, 10 * kWrap + 300);
  EXPECT_EQ(unroll_near({1}, -600, reference).ticks, 10 * kWrap - 300);
}

}  // namespace
}  // namespace headgate::mpegts
