#include "dataplane/bridge/srt/dialer.h"

#include <gtest/gtest.h>

#include "dataplane/bridge/net/address.h"
#include "dataplane/bridge/srt/endpoint.h"

namespace headgate::bridge::srt {
namespace {

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
  EXPECT_EQ(net::address_text(numeric_endpoint("192.0.2.1", 7)->get()), "192.0.2.1:7");
  EXPECT_EQ(net::address_text(numeric_endpoint("2001:db8::1", 7)->get()), "[2001:db8::1]:7");
  EXPECT_FALSE(numeric_endpoint("srt.example.net", 7));
}

}  // namespace
}  // namespace headgate::bridge::srt
