#include "dataplane/bridge/srt/seats.h"

#include <gtest/gtest.h>

#include <vector>

namespace headgate::bridge::srt {
namespace {

TEST(SrtSeats, OneAddressTakesSoManyAndLeavesTheRestToOthers) {
  Seats seats(3);
  std::vector<Seat> taken;
  for (int i = 0; i < 3; ++i) taken.push_back(seats.take("a"));
  for (const Seat& seat : taken) EXPECT_NE(seat, nullptr);
  EXPECT_EQ(seats.take("a"), nullptr);
  EXPECT_NE(seats.take("b"), nullptr);
  taken.pop_back();
  const Seat again = seats.take("a");
  EXPECT_NE(again, nullptr);
  const Seat copy = again;
  EXPECT_EQ(seats.take("a"), nullptr);
}

TEST(SrtSeats, ForgetsAddressesThatLeftAndOutlivesItself) {
  Seat last;
  {
    Seats seats(1);
    for (int i = 0; i < 1'000; ++i) seats.take(std::to_string(i));
    EXPECT_EQ(seats.addresses(), 0U);
    last = seats.take("z");
    EXPECT_EQ(seats.addresses(), 1U);
  }
  last.reset();
}

}  // namespace
}  // namespace headgate::bridge::srt
