#include "dataplane/bridge/net/address.h"

#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>

namespace headgate::bridge::net {
namespace {

boost::asio::ip::tcp::endpoint endpoint(const char* address, std::uint16_t port = 7) {
  return {boost::asio::ip::make_address(address), port};
}

std::string client(const char* address) { return client_of(endpoint(address).data()); }

TEST(NetAddress, IsWrittenWithItsPortAndWithBracketsForIpv6) {
  EXPECT_EQ(address_text(endpoint("192.0.2.1").data()), "192.0.2.1:7");
  EXPECT_EQ(address_text(endpoint("2001:db8::1", 40112).data()), "[2001:db8::1]:40112");
  EXPECT_EQ(host_text(endpoint("2001:db8::1").data()), "2001:db8::1");
}

TEST(NetAddress, ShowsIpv4InTheFormOfIpv6AsItself) {
  EXPECT_EQ(address_text(endpoint("::ffff:192.0.2.1").data()), "192.0.2.1:7");
  EXPECT_EQ(client("::ffff:192.0.2.1"), client("192.0.2.1"));
}

TEST(NetAddress, CountsAnIpv6NetworkAsOneClient) {
  EXPECT_EQ(client("2001:db8::1"), client("2001:db8::ffff:1"));
  EXPECT_NE(client("2001:db8::1"), client("2001:db8:0:1::1"));
  EXPECT_NE(client("192.0.2.1"), client("192.0.2.2"));
  EXPECT_EQ(client("::1"), "::1");
}

}  // namespace
}  // namespace headgate::bridge::net
