#include "mpegts/clock/program_clock.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

namespace headgate::mpegts {
namespace {

constexpr std::int64_t kMs = kTicksPerSecond / 1000;
constexpr auto kModulus = static_cast<std::int64_t>(kPcrModulus);

// Evenly distributed about nothing, the same on every run.
class Noise {
 public:
  std::int64_t operator()(std::int64_t most) {
    seed_ ^= seed_ << 13;
    seed_ ^= seed_ >> 7;
    seed_ ^= seed_ << 17;
    return most == 0 ? 0 : static_cast<std::int64_t>(seed_ % static_cast<std::uint64_t>(2 * most + 1)) - most;
  }

 private:
  std::uint64_t seed_ = 88172645463325252U;
};

// A program whose rate against the reference may change with time; its PCRs come early or late by up to
// `noise` ticks. What the line says is read as often.
struct Course {
  ProgramClock clock;
  Noise noise;
  std::int64_t tick = 0;
  double phase = 0;  // of the program's clock, in ticks
  std::int64_t before = 0;
  double rate_before = 0;
  double fastest_turn = 0;  // of the slope, in a second
  double farthest = 0;      // of the line from the program's clock, in ticks
  int jumps = 0;

  void step(std::int64_t every, double ppm, std::int64_t most) {
    tick += every;
    phase += static_cast<double>(every) * ppm * 1e-6;
    const std::int64_t pcr = tick + std::llround(phase) + 7000;
    jumps += clock.on_pcr({static_cast<std::uint64_t>((pcr % kModulus + kModulus) % kModulus)}, false,
                          tick + noise(most)) == ProgramClock::Step::jumped
                 ? 1
                 : 0;
    clock.follow(tick);
    const double seconds = static_cast<double>(every) / kTicksPerSecond;
    fastest_turn = std::max(fastest_turn, std::abs(clock.rate() - rate_before) / seconds);
    rate_before = clock.rate();
    const auto said = static_cast<std::int64_t>(clock.at(tick, clock.offset()));
    std::int64_t off = (said - pcr) % kModulus;
    if (off > kModulus / 2) off -= kModulus;
    if (off < -kModulus / 2) off += kModulus;
    farthest = std::max(farthest, std::abs(static_cast<double>(off)));
  }
};

TEST(ProgramClock, FindsTheRateOfTheProgramAndStaysOnIt) {
  for (const double ppm : {-100.0, -60.0, -24.0, 0.0, 10.0, 30.0, 50.0}) {
    for (const std::int64_t noise : {std::int64_t{0}, 2 * kMs}) {
      Course run;
      for (int i = 0; i < 30 * 7200; ++i) run.step(900'000, ppm, noise);
      EXPECT_NEAR(run.clock.rate() * 1e6, ppm, 5) << noise << ": what learning cost is made up for";
      EXPECT_TRUE(run.clock.steady()) << ppm << " " << noise;
      // Learning costs milliseconds once; and the first PCR, by which the line lies, has its noise too.
      EXPECT_LT(run.farthest, 43.0 * kMs) << ppm << " " << noise;
      // 500 ns of PCR_AC over ten seconds at most, where clocks are as far apart as they may be.
      if (std::abs(ppm) <= 60) {
        EXPECT_LT(run.fastest_turn * 10 * 10 / 12, 510e-9) << ppm;
      }
      if (std::abs(ppm) <= 24) {
        EXPECT_LT(run.fastest_turn * 10 * 10 / 12, 100e-9) << ppm;
      }
      run.farthest = 0;
      for (int i = 0; i < 30 * 600; ++i) run.step(900'000, ppm, noise);
      EXPECT_LT(run.farthest, 10.0 * kMs + static_cast<double>(noise)) << ppm << " " << noise;
      for (int i = 0; i < 30 * 6 * 3600; ++i) run.step(900'000, ppm, noise);
      EXPECT_NEAR(run.clock.rate() * 1e6, ppm, 0.2) << noise;
      EXPECT_EQ(run.jumps, 0);
    }
  }
}

TEST(ProgramClock, NeverStepsNorTurnsFasterThan75MilliHertzOnceSteady) {
  Course run;
  for (int i = 0; i < 30 * 7200; ++i) run.step(900'000, 40, kMs);
  ASSERT_TRUE(run.clock.steady());
  run.fastest_turn = 0;
  auto before = static_cast<std::int64_t>(run.clock.at(run.tick, run.clock.offset()));
  for (int i = 0; i < 30 * 3600; ++i) {
    run.step(900'000, 40, kMs);
    const auto now = static_cast<std::int64_t>(run.clock.at(run.tick, run.clock.offset()));
    const std::int64_t apart = (now - before + kModulus) % kModulus;
    before = now;
    ASSERT_NEAR(static_cast<double>(apart), 900'000 * (1 + 40e-6), 3) << i;
  }
  EXPECT_LE(run.fastest_turn * 27e6, 0.0751);
  EXPECT_EQ(run.jumps, 0);
}

// A clock that follows the temperature of its room, by a PCR each second, noisy by a millisecond.
TEST(ProgramClock, DoesNotDriftInTenDays) {
  Course run;
  for (int i = 0; i < 10 * 86'400; ++i) {
    if (i == 7200) run.farthest = run.fastest_turn = 0;
    run.step(kTicksPerSecond, 30 * std::sin(i * 2 * 3.14159265358979 / 86'400), kMs);
  }
  EXPECT_EQ(run.jumps, 0);
  EXPECT_LT(run.farthest, 20.0 * kMs);
  EXPECT_LE(run.fastest_turn * 27e6, 0.0751);
}

TEST(ProgramClock, WrapsWithItsStream) {
  ProgramClock clock;
  for (std::int64_t i = 0; i < 100; ++i) {
    const std::int64_t pcr = (kModulus - 50 * kMs + i * kMs) % kModulus;
    EXPECT_NE(clock.on_pcr({static_cast<std::uint64_t>(pcr)}, false, i * kMs), ProgramClock::Step::jumped);
    clock.follow(i * kMs);
    EXPECT_EQ(static_cast<std::int64_t>(clock.at(i * kMs, clock.offset())), pcr);
  }
}

TEST(ProgramClock, FollowsAJumpAndKeepsItsRate) {
  Course run;
  for (int i = 0; i < 30 * 7200; ++i) run.step(900'000, 50, 0);
  const std::int64_t offset = run.clock.offset();
  const double rate = run.clock.rate();
  const std::int64_t tick = run.tick + 900'000;
  const std::uint64_t before = run.clock.at(tick, offset);
  EXPECT_EQ(run.clock.on_pcr({before + 5'000'000}, false, tick), ProgramClock::Step::jumped);
  EXPECT_EQ(run.clock.at(tick, run.clock.offset()), before + 5'000'000);
  EXPECT_EQ(run.clock.at(tick, offset), before) << "what waits keeps the clock that it came with";
  EXPECT_EQ(run.clock.rate(), rate);
  EXPECT_NEAR(rate, 50e-6, 2e-6);
  EXPECT_EQ(run.clock.on_pcr({before + 5'000'100}, true, tick), ProgramClock::Step::first) << "announced";
}

// Due times that move by 5 ms at once, as at a splice, are no other rate.
TEST(ProgramClock, MakesUpForAStepSlowly) {
  Course run;
  for (int i = 0; i < 30 * 7200; ++i) run.step(900'000, 50, 0);
  run.phase += 5.0 * kMs;
  run.fastest_turn = 0;
  double fastest = 0;
  for (int i = 0; i < 30 * 7200; ++i) {
    run.step(900'000, 50, 0);
    fastest = std::max(fastest, std::abs(run.clock.rate() - 50e-6));
  }
  EXPECT_EQ(run.jumps, 0);
  EXPECT_LE(run.fastest_turn * 27e6, 0.0751);
  EXPECT_LT(fastest, 20e-6);
  run.farthest = 0;
  run.step(900'000, 50, 0);
  EXPECT_LT(run.farthest, 0.2 * kMs);
}

// Another encoder took over: another rate, which is learnt before the line is lost.
TEST(ProgramClock, FollowsARateThatChangesAtOnce) {
  Course run;
  for (int i = 0; i < 30 * 600; ++i) run.step(900'000, 50, 1000);
  for (int i = 0; i < 30 * 3600; ++i) run.step(900'000, -50, 1000);
  EXPECT_EQ(run.jumps, 0);
  EXPECT_NEAR(run.clock.rate() * 1e6, -50, 4);
}

TEST(ProgramClock, TheClockThatLeadsRunsWithTheReference) {
  Course run;
  for (int i = 0; i < 30 * 600; ++i) run.step(900'000, 1, 0);
  const std::uint64_t before = run.clock.at(run.tick, run.clock.offset());
  for (int i = 1; i <= 30 * 600; ++i) {
    const std::int64_t tick = run.tick + i * std::int64_t{900'000};
    run.clock.on_pcr({run.clock.at(tick, run.clock.offset())}, false, tick);
    run.clock.lead(tick);
  }
  EXPECT_EQ(run.clock.rate(), 0);
  EXPECT_GT(run.clock.at(run.tick, run.clock.offset()), before - 27);
}

}  // namespace
}  // namespace headgate::mpegts
