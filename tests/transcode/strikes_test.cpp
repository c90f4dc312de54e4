#include "dataplane/transcode/strikes.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "dataplane/transcode/strikes_file.h"

namespace headgate::transcode {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

class StrikesTest : public testing::Test {
 protected:
  // The pause after a death `lived` after the start; then it is started.
  milliseconds die(std::chrono::nanoseconds lived) {
    strikes_.on_start(now_);
    now_ += std::chrono::duration_cast<Strikes::Clock::duration>(lived);
    const auto next = strikes_.on_death(now_);
    const auto pause = std::chrono::duration_cast<milliseconds>(next - now_);
    now_ = next;
    return pause;
  }
  Rules rules_;
  Strikes strikes_{rules_};
  Strikes::Clock::time_point now_{seconds(1000)};
};

TEST_F(StrikesTest, PausesDoubleToTheLongest) {
  rules_.strikes = 100;
  for (const int pause : {200, 400, 800, 1600, 3200, 6400, 12'800, 25'600, 30'000, 30'000})
    EXPECT_EQ(die(seconds(1)), milliseconds(pause));
}

TEST_F(StrikesTest, ALongLifeMakesThePauseShortAgain) {
  EXPECT_EQ(die(seconds(1)), milliseconds(200));
  EXPECT_EQ(die(seconds(1)), milliseconds(400));
  now_ += minutes(20);
  EXPECT_EQ(die(minutes(2)), milliseconds(200));
}

TEST_F(StrikesTest, TheThirdDeathWithinTenMinutesIsQuarantine) {
  die(minutes(4));
  die(minutes(4));
  EXPECT_FALSE(strikes_.quarantined());
  EXPECT_EQ(die(seconds(100)), minutes(10));
  EXPECT_TRUE(strikes_.quarantined());
}

TEST_F(StrikesTest, ThreeDeathsFartherApartAreNot) {
  for (int i = 0; i < 10; ++i) {
    die(minutes(6));
    EXPECT_FALSE(strikes_.quarantined());
  }
}

TEST_F(StrikesTest, DeathsThatNobodyIsBlamedForLengthenThePauseOnly) {
  for (const int pause : {200, 400, 800, 1600, 3200}) {
    strikes_.on_start(now_);
    EXPECT_EQ(strikes_.on_death(now_, false) - now_, milliseconds(pause));
    EXPECT_FALSE(strikes_.quarantined());
  }
  for (int i = 0; i < 3; ++i) die(seconds(1));
  ASSERT_TRUE(strikes_.quarantined());
  strikes_.on_start(now_);
  strikes_.on_death(now_, false);
  EXPECT_FALSE(strikes_.quarantined());
  die(seconds(1));
  EXPECT_TRUE(strikes_.quarantined()) << "on probation still";
}

TEST_F(StrikesTest, AfterQuarantineOneDeathLeadsBackAndALongLifeOut) {
  for (int i = 0; i < 3; ++i) die(seconds(1));
  ASSERT_TRUE(strikes_.quarantined());
  EXPECT_EQ(die(seconds(1)), minutes(10));
  EXPECT_TRUE(strikes_.quarantined());
  EXPECT_EQ(die(minutes(11)), milliseconds(200));
  EXPECT_FALSE(strikes_.quarantined());
}

class StrikesRecordTest : public StrikesTest {
 protected:
  // What a successor knows after `later`.
  Strikes successor(std::chrono::nanoseconds later = {}) {
    now_ += std::chrono::duration_cast<Strikes::Clock::duration>(later);
    Strikes next(rules_);
    next.restore(strikes_.record(), now_);
    return next;
  }
};

TEST_F(StrikesRecordTest, ASuccessorKeepsTheQuarantineToItsEndAndOneTryLeadsOut) {
  for (int i = 0; i < 2; ++i) die(seconds(1));
  strikes_.on_start(now_);
  const auto until = strikes_.on_death(now_);
  Strikes next = successor(minutes(3));
  EXPECT_TRUE(next.quarantined());
  EXPECT_EQ(next.quarantined_until(), until);
  now_ = until;
  next.on_start(now_);
  EXPECT_FALSE(next.quarantined());
  EXPECT_EQ(next.on_death(now_ + seconds(1)), now_ + seconds(1) + minutes(10)) << "one death leads back";
}

TEST_F(StrikesRecordTest, ASuccessorCountsTheDeathsBeforeIt) {
  for (int i = 0; i < 2; ++i) die(seconds(1));
  Strikes next = successor();
  EXPECT_FALSE(next.quarantined());
  next.on_start(now_);
  next.on_death(now_ + seconds(1));
  EXPECT_TRUE(next.quarantined());
}

TEST_F(StrikesRecordTest, WhatIsLongAgoOrCannotBeIsLeftOut) {
  for (int i = 0; i < 3; ++i) die(seconds(1));
  Strikes next = successor(minutes(11));  // after the end of its quarantine
  EXPECT_FALSE(next.quarantined());
  next.on_start(now_);
  next.on_death(now_ + seconds(1));
  EXPECT_FALSE(next.quarantined());
  // Of another boot: times in the future.
  const Strikes::Record odd{{now_ + minutes(1), now_ + minutes(2), now_ + minutes(3)}, now_ + minutes(600)};
  Strikes clamped(rules_);
  clamped.restore(odd, now_);
  EXPECT_TRUE(clamped.quarantined());
  EXPECT_EQ(clamped.quarantined_until(), now_ + rules_.quarantine);
  EXPECT_TRUE(clamped.record().deaths.empty());
}

TEST(StrikesFileTest, IsReadAsItWasWrittenAndABrokenOneIsNone) {
  char name[] = "/tmp/hg-strikes-XXXXXX";
  const std::string folder = ::mkdtemp(name), path = folder + "/sound.x.json";
  const StrikesPlace place{path, "1 2 3"};
  const Strikes::Clock::time_point time{std::chrono::nanoseconds(1'234'567'890'123)};
  write_strikes(place, {"killed by SIGSEGV", {{0, {{time}, {}}}, {7, {{}, time + seconds(5)}}}});
  const StrikesFile file = read_strikes(place);
  EXPECT_EQ(file.last_error, "killed by SIGSEGV");
  ASSERT_EQ(file.of.size(), 2U);
  EXPECT_EQ(file.of.at(0).deaths.at(0), time);
  EXPECT_FALSE(file.of.at(0).quarantined_until);
  EXPECT_EQ(file.of.at(7).quarantined_until, time + seconds(5));
  EXPECT_TRUE(read_strikes({path, "1 2 4"}).of.empty()) << "of another job";
  for (const char* text :
       {"", "[]", R"({"version":2,"job":"1 2 3","strikes":{"0":{"deaths_ns":[1]}}})",
        R"({"version":1,"job":3,"strikes":{"0":{}}})", R"({"version":1,"job":"1 2 3","strikes":3})",
        R"({"version":1,"job":"1 2 3","strikes":{"x":{},"-1":{},"99999999999":{}}})"}) {
    std::ofstream(path) << text;
    EXPECT_TRUE(read_strikes(place).of.empty()) << text;
  }
  std::ofstream(path)
      << R"({"version":1,"job":"1 2 3","strikes":{"0":{"deaths_ns":["x",1e300,null],"quarantined_until_ns":[]}}})";
  EXPECT_TRUE(read_strikes(place).of.at(0).deaths.empty());
  std::filesystem::remove_all(folder);
  EXPECT_TRUE(read_strikes(place).of.empty());
}

}  // namespace
}  // namespace headgate::transcode
