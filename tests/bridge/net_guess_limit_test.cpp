#include "dataplane/bridge/net/guess_limit.h"

#include <gtest/gtest.h>

#include "dataplane/bridge/net/back_off.h"
#include "dataplane/bridge/net/client_limit.h"

namespace headgate::bridge::net {
namespace {

using std::chrono::seconds;

TEST(NetGuessLimit, BlocksAClientAfterTenWrongKeysForTheRestOfTheMinute) {
  GuessLimit limit(10);
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(limit.blocked("a", seconds(i)));
    limit.wrong("a", seconds(i));
  }
  EXPECT_TRUE(limit.blocked("a", seconds(10)));
  EXPECT_FALSE(limit.blocked("b", seconds(10)));
  EXPECT_TRUE(limit.blocked("a", seconds(59)));
  EXPECT_FALSE(limit.blocked("a", seconds(60)));
}

TEST(NetGuessLimit, KeepsRecordsOfSomeThousandClientsAndOneForTheRest) {
  GuessLimit limit(10);
  for (std::size_t i = 0; i < GuessLimit::kMaxRecords; ++i) limit.wrong("a" + std::to_string(i), seconds(1));
  EXPECT_FALSE(limit.blocked("another", seconds(1)));
  for (int i = 0; i < 10; ++i) limit.wrong("one of many " + std::to_string(i), seconds(1));
  EXPECT_TRUE(limit.blocked("another", seconds(1)));
  EXPECT_FALSE(limit.blocked("a7", seconds(1)));
  // What is older than a minute makes room.
  limit.wrong("late", seconds(62));
  EXPECT_FALSE(limit.blocked("another", seconds(62)));
}

TEST(NetSecret, IsTheSameOnlyWhole) {
  EXPECT_TRUE(same_secret("s3cret", "s3cret"));
  for (const char* other : {"s3cre", "", "s3crets3cret", "s3creT"})
    EXPECT_FALSE(same_secret("s3cret", other));
}

TEST(NetClientLimit, CountsAllAndEachClient) {
  ClientLimit limit(3, 2);
  std::uint64_t many = 0, many_of_client = 0;
  const auto enter = [&](const char* client) { return limit.enter(client, many, many_of_client); };
  EXPECT_TRUE(enter("a"));
  EXPECT_TRUE(enter("a"));
  EXPECT_FALSE(enter("a"));
  EXPECT_EQ(many_of_client, 1U);
  EXPECT_TRUE(enter("b"));
  EXPECT_FALSE(enter("c"));
  limit.leave("c");  // was never in
  EXPECT_FALSE(enter("c"));
  EXPECT_EQ(many, 2U);
  limit.leave("a");
  EXPECT_TRUE(enter("a"));
  EXPECT_EQ(many_of_client, 1U);
}

TEST(NetBackOff, DoublesFromHalfASecondToTen) {
  BackOff pauses;
  for (const int pause : {500, 1000, 2000, 4000, 8000, 10'000, 10'000})
    EXPECT_EQ(pauses.next().count(), pause);
  pauses.reset();
  EXPECT_EQ(pauses.next().count(), 500);
}

TEST(NetBackOff, SpreadsThoseThatLostTheSameServer) {
  BackOff pauses(seconds(1), seconds(30));
  std::int64_t expected = 1'000;
  for (unsigned i = 0; i < 10; ++i) {
    const auto pause = pauses.next(i * 7919U).count();
    EXPECT_GE(pause, expected * 3 / 4);
    EXPECT_LE(pause, expected * 5 / 4);
    expected = std::min<std::int64_t>(expected * 2, 30'000);
  }
  pauses.reset();
  EXPECT_LE(pauses.next(500).count(), 1'250);
}

}  // namespace
}  // namespace headgate::bridge::net
