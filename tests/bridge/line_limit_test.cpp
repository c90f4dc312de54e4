#include "dataplane/bridge/ingest/line_limit.h"

#include <gtest/gtest.h>

namespace headgate::bridge::ingest {
namespace {

constexpr std::int64_t kOneSecond = 1'000'000'000;

TEST(LineLimit, WritesSoManyInAPeriodAndThenSaysHowManyItLeftOut) {
  LineLimit limit;
  unsigned written = 0;
  for (int i = 0; i < 1'000; ++i) written += limit.may(kOneSecond * 100 + i) ? 1 : 0;
  EXPECT_EQ(written, LineLimit::kLines);
  EXPECT_FALSE(limit.may(kOneSecond * 109));
  ASSERT_TRUE(limit.may(kOneSecond * 110));
  EXPECT_EQ(limit.left_out(), " (981 lines before it were left out)");
  ASSERT_TRUE(limit.may(kOneSecond * 110));
  EXPECT_EQ(limit.left_out(), "");
}

TEST(LineLimit, GoesOnWhenTheClockIsSetBack) {
  LineLimit limit;
  for (unsigned i = 0; i <= LineLimit::kLines; ++i) limit.may(kOneSecond * 100);
  EXPECT_FALSE(limit.may(kOneSecond * 101));
  EXPECT_TRUE(limit.may(kOneSecond * 50));
}

}  // namespace
}  // namespace headgate::bridge::ingest
