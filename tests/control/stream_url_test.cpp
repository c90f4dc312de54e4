#include "control/cli/stream_url.h"

#include <gtest/gtest.h>

namespace headgate::control {
namespace {

TEST(StreamUrl, TakesItsPartsApart) {
  const auto url = parse_stream_url("rtp://10.1.1.7@239.10.1.1:5000?interface=eth1&ttl=4");
  ASSERT_TRUE(url.has_value()) << url.error();
  EXPECT_EQ(*url, (StreamUrl{true, "10.1.1.7", "239.10.1.1", 5000, "eth1", 4}));
  EXPECT_EQ(parse_stream_url("udp://@239.10.1.1:5000")->source, "");
  EXPECT_EQ(parse_stream_url("udp://:5000")->host, "");
  EXPECT_EQ(parse_stream_url("udp://[ff3e::1]:5000")->host, "ff3e::1");
}

TEST(StreamUrl, NamesWhatIsWrong) {
  EXPECT_EQ(parse_stream_url("udp://239.10.1.1").error(),
            "'udp://239.10.1.1' needs a port from 1 to 65535, as udp://239.10.1.1:5000");
  EXPECT_EQ(parse_stream_url("udp://239.10.1.1:5000?ttl=300").error(), "ttl must be 0 to 255, not '300'");
  EXPECT_EQ(parse_stream_url("udp://239.10.1.1:5000?speed=2").error(),
            "unknown option 'speed=2': interface=NAME and ttl=N are known");
  EXPECT_FALSE(parse_stream_url("http://x").has_value());
  EXPECT_FALSE(parse_stream_url("udp://239.10.1.1:99999").has_value());
  EXPECT_FALSE(parse_stream_url("udp://").has_value());
}

}  // namespace
}  // namespace headgate::control
