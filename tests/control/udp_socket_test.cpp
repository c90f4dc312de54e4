#include "control/cli/udp_socket.h"

#include <gtest/gtest.h>

#include <vector>

namespace headgate::control {
namespace {

// RFC 3550 5.1: version, padding, extension, CSRC count; then four bytes a CSRC.
std::vector<std::uint8_t> rtp(std::uint8_t first, std::size_t extra) {
  std::vector<std::uint8_t> datagram(12 + extra, 0);
  datagram[0] = first;
  datagram[2] = 0x12;
  datagram[3] = 0x34;
  return datagram;
}

TEST(Rtp, FindsThePayload) {
  const auto plain = rtp(0x80, 188);
  ASSERT_TRUE(parse_rtp(plain).has_value());
  EXPECT_EQ(parse_rtp(plain)->sequence, 0x1234);
  EXPECT_EQ(parse_rtp(plain)->payload.size(), 188U);
  EXPECT_EQ(parse_rtp(rtp(0x82, 8 + 188))->payload.size(), 188U);
  auto extended = rtp(0x90, 4 + 8 + 188);
  extended[15] = 2;
  EXPECT_EQ(parse_rtp(extended)->payload.size(), 188U);
  auto padded = rtp(0xA0, 188 + 4);
  padded.back() = 4;
  EXPECT_EQ(parse_rtp(padded)->payload.size(), 188U);
}

TEST(Rtp, TrustsNoLength) {
  EXPECT_FALSE(parse_rtp({}).has_value());
  EXPECT_FALSE(parse_rtp(rtp(0x40, 188)).has_value());
  EXPECT_FALSE(parse_rtp(rtp(0x8F, 0)).has_value());
  auto extended = rtp(0x90, 4);
  extended[14] = extended[15] = 0xFF;
  EXPECT_FALSE(parse_rtp(extended).has_value());
  EXPECT_FALSE(parse_rtp(rtp(0x90, 3)).has_value());
  auto padded = rtp(0xA0, 8);
  padded.back() = 200;
  EXPECT_FALSE(parse_rtp(padded).has_value());
}

TEST(UdpSocket, NamesAnUnknownInterface) {
  const auto socket = open_sender(parse_stream_url("udp://239.10.1.1:5000?interface=none9").value());
  ASSERT_FALSE(socket.has_value());
  EXPECT_EQ(socket.error(), "no network interface 'none9'");
}

}  // namespace
}  // namespace headgate::control
