#include "dataplane/bridge/srt/guess_limit.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "dataplane/bridge/srt/backoff.h"
#include "dataplane/bridge/srt/dialer.h"
#include "dataplane/bridge/srt/endpoint.h"

namespace headgate::bridge::srt {
namespace {

constexpr std::int64_t kSecond = 1'000'000;

TEST(SrtGuessLimit, BlocksAnAddressAfterTenWrongKeysForTheRestOfTheMinute) {
  GuessLimit limit;
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(limit.blocked("a", i * kSecond));
    limit.wrong("a", i * kSecond);
  }
  EXPECT_TRUE(limit.blocked("a", 10 * kSecond));
  EXPECT_FALSE(limit.blocked("b", 10 * kSecond));
  EXPECT_TRUE(limit.blocked("a", 59 * kSecond));
  EXPECT_FALSE(limit.blocked("a", 60 * kSecond));
}

TEST(SrtGuessLimit, KeepsRecordsOfAFewThousandAddressesAndOneForTheRest) {
  GuessLimit limit;
  for (std::size_t i = 0; i < GuessLimit::kMaxAddresses; ++i) limit.wrong("a" + std::to_string(i), kSecond);
  EXPECT_FALSE(limit.blocked("another", kSecond));
  for (int i = 0; i < 10; ++i) limit.wrong("one of many " + std::to_string(i), kSecond);
  EXPECT_TRUE(limit.blocked("another", kSecond));
  EXPECT_FALSE(limit.blocked("a7", kSecond));
  // What is older than a minute makes room.
  limit.wrong("late", 62 * kSecond);
  EXPECT_FALSE(limit.blocked("another", 62 * kSecond));
}

TEST(SrtGuessLimit, CountsAnIpv6NetworkAsOne) {
  const auto who = [](const char* text) {
    const auto endpoint = numeric_endpoint(text, 1);
    return GuessLimit::who(endpoint->get());
  };
  EXPECT_EQ(who("2001:db8::1"), who("2001:db8::ffff:1"));
  EXPECT_NE(who("2001:db8::1"), who("2001:db8:0:1::1"));
  EXPECT_NE(who("192.0.2.1"), who("192.0.2.2"));
  EXPECT_EQ(who("::ffff:192.0.2.1"), who("192.0.2.1"));
}

TEST(SrtKey, IsRightOnlyWhole) {
  EXPECT_TRUE(is_right_key("s3cret", "s3cret"));
  EXPECT_FALSE(is_right_key("s3cret", "s3cre"));
  EXPECT_FALSE(is_right_key("s3cret", ""));
  EXPECT_FALSE(is_right_key("s3cret", "s3crets3cret"));
  EXPECT_FALSE(is_right_key("s3cret", "s3creT"));
  EXPECT_TRUE(is_right_key("", "anything"));
}

TEST(SrtBackoff, DoublesFromHalfASecondToTen) {
  Backoff backoff;
  for (const std::int64_t pause : {500, 1000, 2000, 4000, 8000, 10'000, 10'000})
    EXPECT_EQ(backoff.next(), pause * 1000);
  backoff.reset();
  EXPECT_EQ(backoff.next(), 500'000);
}

TEST(SrtDialer, SaysWhyACallWasRefused) {
  EXPECT_EQ(reject_text(10), "the passphrase is wrong (10)");
  EXPECT_EQ(reject_text(16), "no answer");
  EXPECT_EQ(reject_text(1404), "the server does not know the stream of this id (1404)");
  EXPECT_EQ(reject_text(1409), "another caller has the stream (1409)");
  EXPECT_EQ(reject_text(2001), "the server refused with code 2001");
}

TEST(SrtEndpoint, TakesHostsPortsAndNothingElse) {
  const auto named = parse_host_port("srt.example.net:9000");
  ASSERT_TRUE(named);
  EXPECT_EQ(named->host, "srt.example.net");
  EXPECT_EQ(named->port, 9000);
  EXPECT_EQ(parse_host_port("[2001:db8::1]:9000")->host, "2001:db8::1");
  EXPECT_EQ(parse_host_port(":9000")->host, "");
  for (const char* wrong : {"", "host", "host:", "host:65536", "host:9x", "2001:db8::1:9000"})
    EXPECT_FALSE(parse_host_port(wrong)) << wrong;
  EXPECT_EQ(address_of(numeric_endpoint("192.0.2.1", 7)->get()), "192.0.2.1:7");
  EXPECT_EQ(address_of(numeric_endpoint("2001:db8::1", 7)->get()), "[2001:db8::1]:7");
  EXPECT_EQ(address_of(numeric_endpoint("::ffff:192.0.2.1", 7)->get()), "192.0.2.1:7");
  EXPECT_FALSE(numeric_endpoint("srt.example.net", 7));
}

}  // namespace
}  // namespace headgate::bridge::srt
