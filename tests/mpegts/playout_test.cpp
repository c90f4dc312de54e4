#include "mpegts/clock/playout.h"

#include <gtest/gtest.h>

#include "playout_support.h"
#include "tests/support/allocation_count.h"

namespace headgate::mpegts {
namespace {

using namespace test;

TEST(Playout, LetsPacketsGoABufferAfterTheyCameEvenly) {
  PacedSource source(options());
  Playout playout(kSecond, kRoom);
  std::int64_t next = 0;
  play(playout, source, PacedSource::Options{}.start_ns + 20 * kSecond, [&](const Left& left) {
    ASSERT_EQ(left.number, next++);
    const std::int64_t made = PacedSource::Options{}.start_ns + left.number * 1'504'000;
    // In a batch the first packet's time stands for all, which are due within a millisecond.
    ASSERT_NEAR(static_cast<double>(left.due_ns - made), 1e9, 1.1e6) << left.number;
  });
  EXPECT_GT(next, 12'000);
  const auto counters = playout.counters();
  EXPECT_EQ(counters.underflows + counters.overflows + counters.dropped + counters.clock_jumps, 0U);
  EXPECT_NEAR(static_cast<double>(counters.level_ns), 1e9, 45e6);
  EXPECT_NEAR(static_cast<double>(counters.waiting), 665, 30);
}

TEST(Playout, APacketWithAPcrBeginsABatch) {
  auto o = options();
  o.packet_gap = 4060;  // 10 Mb/s: batches are full
  PacedSource source(o);
  Playout playout(kSecond, kRoom);
  std::int64_t packets = 0, batches = 0;
  for (Arrival a = source.next(); a.ns < o.start_ns + 5 * kSecond; a = source.next()) {
    playout.push(a.bytes, a.ns);
    if (source.number() % 40 != 0) continue;  // a worker that looks seldom
    for (auto batch = playout.pop(a.ns); !batch.packets.empty(); batch = playout.pop(a.ns)) {
      ++batches;
      packets += static_cast<std::int64_t>(batch.packets.size() / kPacketSize);
      for (std::size_t at = kPacketSize; at < batch.packets.size(); at += kPacketSize)
        ASSERT_FALSE(TsPacket(batch.packets.subspan(at).first<kPacketSize>()).has_pcr());
    }
  }
  EXPECT_GT(packets, 25'000);
  EXPECT_LT(batches, packets / 4);
}

TEST(Playout, SpacesPacketsByPositionWhereTheRateVaries) {
  auto o = options();
  o.burst = [](std::int64_t interval) { return interval % 5 == 0 ? 50 : 5; };
  o.way = test::in_bursts(200 * kMs);
  PacedSource source(o);
  PacedSource twin(o);
  Playout playout(500 * kMs, kRoom);
  std::vector<std::int64_t> made;
  for (int i = 0; i < 10'000; ++i) {
    twin.next();
    made.push_back(twin.made_ns(twin.tick()));
  }
  std::int64_t shortest = kNever, longest = 0;
  play(playout, source, o.start_ns + 20 * kSecond, [&](const Left& left) {
    const std::int64_t wait = left.due_ns - o.start_ns - made.at(static_cast<std::size_t>(left.number));
    shortest = std::min(shortest, wait);
    longest = std::max(longest, wait);
  });
  EXPECT_LT(longest - shortest, 1'200'000);
  EXPECT_EQ(playout.counters().underflows, 0U);
}

// When each packet left, and what the counters were in the end.
struct Course {
  std::vector<Left> left;
  Playout::Counters counters;
};

Course course(const PacedSource::Options& o, std::int64_t seconds, std::int64_t buffer = kSecond,
              std::size_t room = kRoom) {
  PacedSource source(o);
  Playout playout(buffer, room);
  Course c;
  const auto note = [&](const Left& left) { c.left.push_back(left); };
  play(playout, source, o.start_ns + seconds * kSecond, note);
  c.counters = playout.counters();
  return c;
}

// Every packet is there, evenly spaced to a batch.
void expect_even(const Course& c) {
  for (std::size_t i = 0; i < c.left.size(); ++i) {
    ASSERT_EQ(c.left[i].number, static_cast<std::int64_t>(i));
    if (i == 0) continue;
    ASSERT_NEAR(static_cast<double>(c.left[i].due_ns - c.left[i - 1].due_ns), 1'504'000, 300'000) << i;
  }
}

TEST(Playout, GoesOnAcrossTheWrap) {
  auto o = options();
  o.first_pcr = static_cast<std::int64_t>(kPcrModulus) - 5 * kTicksPerSecond;
  const auto c = course(o, 20);
  expect_even(c);
  EXPECT_EQ(c.counters.clock_jumps, 0U);
}

TEST(Playout, GoesOnWhereTheClockJumps) {
  for (const std::int64_t jump : {-3 * kTicksPerSecond, 2 * kTicksPerSecond, 36'000 * kTicksPerSecond}) {
    for (const bool bursts : {false, true}) {
      auto o = options();
      if (bursts) o.way = test::in_bursts(300 * kMs);
      o.jump_at = 5000;
      o.jump = jump;
      const auto c = course(o, 20);
      expect_even(c);
      EXPECT_EQ(c.counters.clock_jumps, 1U);
      EXPECT_EQ(c.counters.underflows + c.counters.overflows, 0U);
      for (const auto& left : c.left) ASSERT_EQ(left.discontinuity, left.number == 5000) << left.number;
    }
  }
}

TEST(Playout, TakesASmallJumpOnlyWhereItIsSignalled) {
  for (const bool flagged : {false, true}) {
    auto o = options();
    o.jump_at = 5000;
    o.jump = kTicksPerSecond / 2;
    o.flagged = flagged;
    const auto c = course(o, 20);
    EXPECT_EQ(c.counters.clock_jumps, flagged ? 1U : 0U);
    if (flagged) expect_even(c);
  }
}

TEST(Playout, AFlagWithoutAJumpChangesNothing) {
  auto o = options();
  o.jump_at = 5000;
  o.flagged = true;
  const auto c = course(o, 20);
  expect_even(c);
  EXPECT_EQ(c.counters.clock_jumps, 0U);
}

TEST(Playout, GoesOnWhenPacketsAreLost) {
  const auto o = options();
  PacedSource source(o);
  Playout playout(kSecond, kRoom);
  std::uint64_t seed = 1, pushed = 0, left_count = 0;
  std::int64_t shortest = kNever, longest = 0;
  const auto note = [&](const Left& left) {
    ++left_count;
    const std::int64_t wait = left.due_ns - o.start_ns - left.number * 1'504'000;
    shortest = std::min(shortest, wait);
    longest = std::max(longest, wait);
  };
  Player player(playout, note);
  for (int i = 0; i < 60'000; ++i) {
    const auto arrival = source.next();
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    if (seed >> 33U < (1U << 31U) / 20) continue;  // one in twenty, PCRs too
    player.push(arrival);
    ++pushed;
  }
  EXPECT_EQ(left_count + playout.counters().waiting, pushed);
  EXPECT_EQ(playout.counters().clock_jumps + playout.counters().underflows, 0U);
  EXPECT_LT(longest - shortest, 20 * kMs);  // the place of a packet between two PCRs, one of them lost
}

// A network that stands still for longer than the buffer lasts, and then brings all at once.
TEST(Playout, AfterAStallEverythingIsAsLateAsTheStallWasTooLong) {
  auto o = options();
  o.way = [](std::int64_t made) { return made > 10 * kSecond && made < 11'200 * kMs ? 11'200 * kMs : made; };
  const auto c = course(o, 20);
  EXPECT_EQ(c.counters.underflows, 1U);
  EXPECT_EQ(c.counters.overflows, 0U);
  EXPECT_EQ(c.counters.dropped, 0U);
  const auto& last = c.left.back();
  const std::int64_t wait = last.due_ns - o.start_ns - last.number * 1'504'000;
  EXPECT_NEAR(static_cast<double>(wait), 1.2e9, 5e6);
}

// A source that stands still: its clock too.
TEST(Playout, AfterAPauseOfTheSourceTheBufferIsThereAgain) {
  auto o = options();
  o.way = [](std::int64_t made) { return made > 10 * kSecond ? made + 3 * kSecond : made; };
  const auto c = course(o, 25);
  EXPECT_EQ(c.counters.underflows, 1U);
  EXPECT_EQ(c.counters.overflows, 0U);
  const auto& last = c.left.back();
  EXPECT_NEAR(static_cast<double>(last.due_ns - o.start_ns - last.number * 1'504'000), 4e9, 5e6);
  for (std::size_t i = 0; i < c.left.size(); ++i) ASSERT_EQ(c.left[i].number, static_cast<std::int64_t>(i));
}

// Packets of five seconds are lost, the clock has gone on.
TEST(Playout, AnOutageIsNoJumpOfTheClock) {
  const auto o = options();
  PacedSource source(o);
  Playout playout(kSecond, kRoom);
  std::vector<Left> left;
  Player player(playout, [&](const Left& l) { left.push_back(l); });
  for (Arrival a = source.next(); a.ns < o.start_ns + 30 * kSecond; a = source.next()) {
    if (a.ns < o.start_ns + 10 * kSecond || a.ns > o.start_ns + 15 * kSecond) player.push(a);
  }
  EXPECT_EQ(playout.counters().clock_jumps + playout.counters().underflows, 0U);
  const auto& last = left.back();
  EXPECT_NEAR(static_cast<double>(last.due_ns - o.start_ns - last.number * 1'504'000), 1e9, 5e6);
}

// The burst in which packets come again after a stall leaves the next ones as much room as those before had.
TEST(Playout, AfterAnUnderflowTheMeanOfBurstsWaitsForTheBuffer) {
  auto o = options();
  o.way = [](std::int64_t made) {
    const auto lump = (made / (800 * kMs) + 1) * 800 * kMs;
    return lump > 60 * kSecond ? lump + 3 * kSecond : lump;  // the source stands still for three seconds
  };
  const auto c = course(o, 120);
  EXPECT_EQ(c.counters.underflows, 1U);
  const auto& last = c.left.back();
  const std::int64_t wait = last.due_ns - o.start_ns - last.number * 1'504'000 - 3 * kSecond;
  EXPECT_NEAR(static_cast<double>(wait), 1.4e9, 0.1e9);
}

// Its PCRs end, packets go on: by arrival from then on.
TEST(Playout, GoesOnWithoutItsPcrs) {
  const auto o = options();
  Playout playout(kSecond, kRoom);
  std::vector<Left> left;
  Player player(playout, [&](const Left& l) { left.push_back(l); });
  for (std::int64_t i = 0; i < 20'000; ++i) {
    auto p = test::packet(0x100, 0);
    // Twice as fast from when there are none, so that the pace before would be wrong.
    const std::int64_t gap = 1'504'000;
    const std::int64_t ns = i < 5000 ? i * gap : 5000 * gap + (i - 5000) * gap / 2;
    if (i % 25 == 0 && i < 5000) p = test::pcr_packet(0x100, 0, static_cast<std::uint64_t>(i) * 40'608);
    player.push(numbered(p, i, o.start_ns + ns));
    if (i > 10'000) {
      ASSERT_NEAR(static_cast<double>(playout.counters().waiting), 1330, 700) << i;
    }
  }
  EXPECT_EQ(playout.counters().underflows + playout.counters().overflows, 0U);
  ASSERT_GT(left.size(), 18'000U);
  for (std::size_t i = 12'000; i < left.size(); ++i)
    ASSERT_NEAR(static_cast<double>(left[i].due_ns - left[i - 1].due_ns), 752'000, 1'000'000) << i;
}

TEST(Playout, JumpsAheadWhereTooMuchComes) {
  auto o = options();
  // The way gets two seconds shorter: all that was on it comes in a lump.
  o.way = [](std::int64_t made) {
    return made > 10 * kSecond ? std::max(made, 10 * kSecond + 2 * kSecond) : made + 2 * kSecond;
  };
  const auto c = course(o, 25);
  EXPECT_EQ(c.counters.overflows, 1U);
  EXPECT_EQ(c.counters.underflows, 0U);
  EXPECT_NEAR(static_cast<double>(c.counters.dropped), 665, 40);
  EXPECT_LE(c.counters.level_ns, 2 * kSecond);
  int marks = 0;
  for (std::size_t i = 1; i < c.left.size(); ++i) {
    const bool gap = c.left[i].number != c.left[i - 1].number + 1;
    ASSERT_EQ(c.left[i].discontinuity, gap) << i;
    marks += gap ? 1 : 0;
  }
  EXPECT_EQ(marks, 1);
}

// A server that begins with the last seconds in a lump.
TEST(Playout, BeginsNearTheLiveEdge) {
  auto o = options();
  o.way = [](std::int64_t made) { return std::max(made, 4 * kSecond); };
  const auto c = course(o, 20);
  EXPECT_EQ(c.counters.underflows + c.counters.overflows, 0U);
  EXPECT_GT(c.counters.dropped, 665U);
  EXPECT_LE(c.counters.level_ns, 2 * kSecond);
  auto shorter = options();
  shorter.way = [](std::int64_t made) { return std::max(made, kSecond); };
  EXPECT_EQ(course(shorter, 20).counters.dropped, 0U);
}

TEST(Playout, NeverHoldsMoreThanItsRoom) {
  const auto o = options();
  PacedSource source(o);
  Playout playout(kSecond, 300);  // less than a buffer's worth
  std::uint64_t left = 0;
  Player player(playout, [&](const Left&) { ++left; });
  for (int i = 0; i < 20'000; ++i) {
    player.push(source.next());
    ASSERT_LE(playout.counters().waiting, 300U);
  }
  const auto counters = playout.counters();
  EXPECT_GT(counters.overflows, 0U);
  EXPECT_EQ(left + counters.dropped + counters.waiting, 20'000U);
  EXPECT_GT(left, 15'000U);
}

TEST(Playout, GoesOnWhenTheNodesClockIsSet) {
  for (const std::int64_t step : {3600 * kSecond, -3600 * kSecond}) {
    const auto o = options();
    PacedSource source(o);
    Playout playout(kSecond, kRoom);
    std::vector<Left> left;
    const auto note = [&](const Left& l) { left.push_back(l); };
    std::int64_t set = 0;
    for (int i = 0; i < 20'000; ++i) {
      auto arrival = source.next();
      if (i == 10'000) set = step;
      arrival.ns += set;
      while (playout.next_due_ns() <= arrival.ns || i == 10'000) {  // whoever polls sees the step first
        const auto batch = playout.pop(arrival.ns);
        if (batch.packets.empty()) break;
        note({PacedSource::number_of(batch.packets.data()), batch.due_ns - (i >= 10'000 ? step : 0), false});
      }
      playout.push(arrival.bytes, arrival.ns);
    }
    EXPECT_EQ(playout.counters().underflows + playout.counters().overflows, 0U);
    ASSERT_GT(left.size(), 15'000U);
    for (std::size_t i = 1; i < left.size(); ++i) {
      ASSERT_NEAR(static_cast<double>(left[i].due_ns - left[i - 1].due_ns), 1'504'000, 3'000'000) << i;
    }
  }
}

TEST(Playout, WithoutPcrsPacketsLeaveABufferAfterTheyCame) {
  Playout playout(300 * kMs, kRoom);
  std::int64_t sum = 0, count = 0;
  Player player(playout, [&](const Left& left) {
    ++count;
    sum += left.due_ns - (kSecond + left.number * 2 * kMs);
  });
  for (std::int64_t i = 0; i < 5000; ++i) {
    player.push(numbered(test::packet(0x20, 0), i, kSecond + i * 2 * kMs));
  }
  EXPECT_GT(count, 4800);
  EXPECT_NEAR(static_cast<double>(sum) / static_cast<double>(count), 300e6, 1e5);
}

TEST(Playout, TheLastPacketsLeaveThoughNoPcrFollows) {
  const auto o = options();
  PacedSource source(o);
  Playout playout(kSecond, kRoom);
  std::int64_t next = 0;
  Player player(playout, [&](const Left& left) { ASSERT_EQ(left.number, next++); });
  std::int64_t now = 0;
  for (int i = 0; i < 1010; ++i) {  // ten packets after the last PCR
    const auto arrival = source.next();
    now = arrival.ns;
    player.push(arrival);
  }
  player.drain(now + kSecond + 2 * kMs);
  EXPECT_EQ(next, 1010);
  EXPECT_EQ(playout.next_due_ns(), kNever);
}

TEST(Playout, AnotherPidTakesOverWhenTheFirstOnesPcrsEnd) {
  const auto o = options();
  Playout playout(kSecond, kRoom);
  std::vector<Left> left;
  Player player(playout, [&](const Left& l) { left.push_back(l); });
  for (std::int64_t i = 0; i < 20'000; ++i) {
    const std::uint64_t first = static_cast<std::uint64_t>(i) * 40'608;
    auto p = test::packet(0x100, 0);
    if (i % 25 == 0 && i < 8000) p = test::pcr_packet(0x100, 0, first);
    if (i % 25 == 10) p = test::pcr_packet(0x200, 0, first + 500 * 27'000'000ULL);
    player.push(numbered(p, i, o.start_ns + i * 1'504'000));
  }
  ASSERT_GT(left.size(), 19'000U);
  EXPECT_EQ(playout.counters().underflows + playout.counters().overflows, 0U);
  EXPECT_EQ(playout.counters().clock_jumps, 1U);
  for (std::size_t i = 0; i < left.size(); ++i) {
    ASSERT_EQ(left[i].number, static_cast<std::int64_t>(i));
    ASSERT_NEAR(static_cast<double>(left[i].due_ns - o.start_ns - left[i].number * 1'504'000), 1e9, 30e6)
        << i;
  }
}

TEST(Playout, ForgetsWhatWaitsAndBeginsAnew) {
  const auto o = options();
  PacedSource source(o);
  Playout playout(kSecond, kRoom);
  std::int64_t now = 0;
  for (int i = 0; i < 3000; ++i) {
    const auto arrival = source.next();
    now = arrival.ns;
    playout.push(arrival.bytes, now);
  }
  playout.clear();
  EXPECT_EQ(playout.next_due_ns(), kNever);
  EXPECT_EQ(playout.counters().waiting, 0U);
  EXPECT_TRUE(playout.pop(now + 10 * kSecond).packets.empty());
  std::int64_t next = 0;
  auto again = options();
  again.start_ns = now - 7200 * kSecond;
  again.first_pcr = 77 * kTicksPerSecond;
  PacedSource other(again);
  play(playout, other, again.start_ns + 10 * kSecond,
       [&](const Left& left) { ASSERT_EQ(left.number, next++); });
  EXPECT_GT(next, 5000);
}

TEST(Playout, DoesNotAllocate) {
  auto o = options();
  o.way = test::in_bursts(100 * kMs);
  PacedSource source(o);
  std::vector<Arrival> arrivals;
  for (int i = 0; i < 20'000; ++i) arrivals.push_back(source.next());
  Playout playout(kSecond, kRoom);
  const auto before = ::headgate::test::allocations();
  for (const auto& arrival : arrivals) {
    while (playout.next_due_ns() <= arrival.ns) playout.pop(arrival.ns);
    playout.push(arrival.bytes, arrival.ns);
  }
  EXPECT_EQ(::headgate::test::allocations(), before);
  EXPECT_GT(playout.counters().waiting, 0U);
}

}  // namespace
}  // namespace headgate::mpegts
