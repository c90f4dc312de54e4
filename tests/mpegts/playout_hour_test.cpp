// Hours of playing out, simulated.
#include <cmath>
#include <vector>

#include "playout_support.h"

namespace headgate::mpegts {
namespace {

using namespace test;

struct Hour {
  const char* name;
  double ppm;
  std::function<std::int64_t(std::int64_t)> way;
  std::int64_t buffer;
};

// Sixty minutes of a clock that is fast or slow, in bursts. From when it was made to when it leaves, every
// packet takes the same time but for the slow work on the level.
class PlayoutHour : public testing::TestWithParam<Hour> {};

TEST_P(PlayoutHour, AbsorbsTheDrift) {
  auto o = options(GetParam().ppm);
  o.packet_gap *= 5;  // 200 kb/s: what counts are the PCRs
  o.pcr_every /= 5;
  o.way = GetParam().way;
  PacedSource source(o);
  const PacedSource twin(o);
  const std::int64_t buffer = GetParam().buffer;
  Playout playout(buffer, kRoom);
  std::int64_t next = 0, last_due = 0;
  std::int64_t shortest = kNever, longest = 0;  // from being made to leaving
  std::vector<double> waits;                    // the same in seconds, once a minute
  play(playout, source, o.start_ns + 3600 * kSecond, [&](const Left& left) {
    ASSERT_EQ(left.number, next++);
    ASSERT_GE(left.due_ns, last_due);
    last_due = left.due_ns;
    const std::int64_t wait = left.due_ns - o.start_ns - twin.made_ns(left.number * o.packet_gap);
    shortest = std::min(shortest, wait);
    longest = std::max(longest, wait);
    if (left.due_ns - o.start_ns >= static_cast<std::int64_t>(waits.size() + 1) * 60 * kSecond) {
      waits.push_back(static_cast<double>(wait) / 1e9);
    }
  });
  const auto counters = playout.counters();
  EXPECT_EQ(counters.underflows, 0U);
  EXPECT_EQ(counters.overflows, 0U);
  EXPECT_EQ(counters.dropped, 0U);
  EXPECT_EQ(counters.clock_jumps, 0U);
  EXPECT_NEAR(static_cast<double>(counters.drift_ppb), GetParam().ppm * 1000, 3000);
  EXPECT_GT(shortest, buffer / 2);
  EXPECT_LT(longest - shortest, buffer / 2);
  // The rate a minute is the change of the wait; once the clock is known it changes by 75 mHz a second.
  ASSERT_GT(waits.size(), 58U);
  for (std::size_t i = 45; i < waits.size(); ++i) {
    const double change = (waits[i] - 2 * waits[i - 1] + waits[i - 2]) / 60 / 60;
    EXPECT_LT(std::abs(change), 0.075 / 27e6 + 1e-9) << "minute " << i;  // and what batches add
  }
}

INSTANTIATE_TEST_SUITE_P(
    Sources, PlayoutHour,
    testing::Values(Hour{"FastEven", 50, [](std::int64_t made) { return made; }, kSecond},
                    Hour{"SlowEven", -50, [](std::int64_t made) { return made; }, kSecond},
                    Hour{"FastBursts100", 50, test::in_bursts(100 * kMs), kSecond},
                    Hour{"SlowBursts1000", -50, test::in_bursts(1000 * kMs), kSecond},
                    Hour{"FastUnevenBursts", 50, test::in_uneven_bursts(100 * kMs, 1000 * kMs), kSecond},
                    Hour{"SlowUnevenBursts", -50, test::in_uneven_bursts(100 * kMs, 1000 * kMs), kSecond},
                    Hour{"VeryFastBursts", 100, test::in_bursts(1000 * kMs), kSecond},
                    Hour{"VerySlowBursts", -100, test::in_uneven_bursts(100 * kMs, 1000 * kMs), kSecond},
                    Hour{"FastShortBuffer", 50, test::in_bursts(50 * kMs), 200 * kMs},
                    Hour{"SlowShortBuffer", -100, test::in_uneven_bursts(10 * kMs, 100 * kMs), 200 * kMs}),
    [](const auto& which) { return which.param.name; });

}  // namespace
}  // namespace headgate::mpegts
