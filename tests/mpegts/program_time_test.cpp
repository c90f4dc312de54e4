// t(i) of ISO/IEC 13818-1 2.4.2.2 against values that were computed by hand.
#include "mpegts/tstd/program_time.h"

#include <gtest/gtest.h>

namespace headgate::mpegts {
namespace {

// PCRs in packets 10, 20 and 30, 10,000 and 20,000 ticks apart: 1000 ticks a packet, then 2000. A PCR is the
// time of byte 10, so that its packet begins 10 / 188 of a packet's time before: 53.2 ticks, 106.4.
TEST(ProgramTime, IsStraightBetweenTwoPcrs) {
  ProgramTime time;
  EXPECT_FALSE(time.on_pcr({1'000'000}, std::nullopt, 10));
  EXPECT_TRUE(time.on_pcr({1'010'000}, 10'000, 20));
  EXPECT_EQ(time.duration(), 1000);
  EXPECT_EQ(time.transport_bps(), 40'608'000U);
  EXPECT_EQ(time.begin_of(10), -53);
  EXPECT_EQ(time.begin_of(15), 4946);
  EXPECT_TRUE(time.on_pcr({1'030'000}, 20'000, 30));
  EXPECT_EQ(time.duration(), 2000);
  EXPECT_EQ(time.begin_of(25), 19'893) << "10,000 + 5 * 2000 - 106.4";
  EXPECT_EQ(time.when(15), 4946);
  EXPECT_EQ(time.when(20), 9894) << "of the interval that it begins";
  EXPECT_EQ(time.when(9), std::nullopt);
  EXPECT_EQ(time.when(30), std::nullopt) << "how fast that one comes is not known yet";
}

TEST(ProgramTime, TakesTimeStampsAsNearThePcrAsTheyAre) {
  ProgramTime time;
  time.on_pcr({kPcrModulus - 27'000'000}, std::nullopt, 1);
  EXPECT_EQ(time.unroll({90'000}), 54'000'000) << "behind the wrap";
  EXPECT_EQ(time.unroll({kPtsModulus - 180'000}), -27'000'000);
}

TEST(ProgramTime, ForgetsWhatWasBeforeAJump) {
  ProgramTime time;
  time.on_pcr({0}, std::nullopt, 1);
  EXPECT_TRUE(time.on_pcr({27'000}, 27'000, 11));
  EXPECT_FALSE(time.on_pcr({500'000'000}, std::nullopt, 21));
  EXPECT_EQ(time.now(), 27'000);
  EXPECT_EQ(time.when(5), std::nullopt);
  EXPECT_TRUE(time.on_pcr({500'027'000}, 27'000, 31));
  EXPECT_EQ(time.now(), 54'000);
}

}  // namespace
}  // namespace headgate::mpegts
