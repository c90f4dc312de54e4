#include "dataplane/transcode/strikes.h"

#include <gtest/gtest.h>

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

TEST_F(StrikesTest, AfterQuarantineOneDeathLeadsBackAndALongLifeOut) {
  for (int i = 0; i < 3; ++i) die(seconds(1));
  ASSERT_TRUE(strikes_.quarantined());
  EXPECT_EQ(die(seconds(1)), minutes(10));
  EXPECT_TRUE(strikes_.quarantined());
  EXPECT_EQ(die(minutes(11)), milliseconds(200));
  EXPECT_FALSE(strikes_.quarantined());
}

}  // namespace
}  // namespace headgate::transcode
