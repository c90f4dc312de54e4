// What follows TB_n against tables that were computed by hand. 216 Mb/s leak a byte a tick of 27 MHz.
#include "mpegts/tstd/main_buffers.h"

#include <gtest/gtest.h>

#include <vector>

namespace headgate::mpegts {
namespace {

constexpr double kByteATick = 216e6;

// B_n of 1000 bytes. Access units of 400 bytes, a PES header of 14 before the first and the third.
//   came                      level
//   header 14, payload 400      414
//   payload 400                 814
//   first leaves, header too    400
//   header 14, payload 400      814
//   payload 250                1064   64 too many
//   second leaves               664   14 + 400 + 250
//   third leaves, header too    250
//   fourth, not whole             0
//   its other 150 bytes           0   they are gone as they come
TEST(AudioBuffer, FillsAsComputedByHand) {
  AudioBuffer buffer(1000);
  buffer.restart(0);
  buffer.header(14);
  buffer.payload(400);
  EXPECT_EQ(buffer.gauge().info().most, 414U);
  buffer.payload(400);
  EXPECT_EQ(buffer.gauge().info().most, 814U);
  EXPECT_TRUE(buffer.remove(400));
  buffer.header(14);
  buffer.payload(400);
  EXPECT_EQ(buffer.gauge().info().most, 814U);
  EXPECT_EQ(buffer.gauge().info().overflows, 0U);
  buffer.payload(250);
  EXPECT_EQ(buffer.gauge().info().most, 1064U);
  EXPECT_EQ(buffer.gauge().info().overflows, 1U);
  EXPECT_TRUE(buffer.remove(800));
  EXPECT_TRUE(buffer.remove(1200));
  EXPECT_FALSE(buffer.remove(1600));
  buffer.payload(150);
  buffer.payload(900);
  EXPECT_EQ(buffer.gauge().info().most, 1064U);
  buffer.payload(201);
  EXPECT_EQ(buffer.gauge().info().most, 1101U) << "900 + 201 of the next";
  EXPECT_EQ(buffer.gauge().info().overflows, 2U);
}

// MB_n of 120 bytes, EB_n of 150, Rbx_n a byte a tick.
//   ticks      comes                MB             EB
//     0..100   200 bytes            100 at the end 100
//   100..150   nothing               50            150: full
//   150..200   nothing               50            150: MB keeps what it has
//   200        120 bytes leave       50             30
//   200..250   nothing                0             80
//   250..260   10 of a header        10 at the end  80
//   260..300   20 bytes               0             100 (half a byte a tick passes at once, the header with
//   it) 300        the unit that ends at 230: 220 came, it isn't whole 300..320   30 bytes              10 at
//   the end   10: 10 of them were missing, of 20 that moved
TEST(VideoBuffers, FillAsComputedByHand) {
  VideoBuffers buffers(120, 150, kByteATick);
  buffers.restart(0, 0);
  buffers.pass(0, 100, 200);
  EXPECT_EQ(buffers.multiplexing().info().most, 100U);
  EXPECT_EQ(buffers.elementary().info().most, 100U);
  buffers.pass(100, 200, 0);
  EXPECT_EQ(buffers.elementary().info().most, 150U);
  EXPECT_TRUE(buffers.remove(120));
  buffers.pass(200, 250, 0);
  buffers.pass(250, 260, 0);
  buffers.header(10, 260);
  EXPECT_EQ(buffers.multiplexing().info().most, 100U);
  buffers.pass(260, 300, 20);
  EXPECT_FALSE(buffers.remove(230));
  buffers.pass(300, 320, 30);
  EXPECT_EQ(buffers.multiplexing().info().most, 100U);
  EXPECT_EQ(buffers.multiplexing().info().overflows, 0U);
  EXPECT_EQ(buffers.elementary().info().most, 150U);
  // 320..330: 140 bytes: MB 10 + 140 - 10.
  buffers.pass(320, 330, 140);
  EXPECT_EQ(buffers.multiplexing().info().most, 140U);
  EXPECT_EQ(buffers.multiplexing().info().overflows, 1U);
  EXPECT_EQ(buffers.elementary().info().overflows, 0U) << "by the leak method it can't";
}

// Two bytes come for each that leaks; after 27,000,000 ticks MB has not been empty for a second.
TEST(VideoBuffers, CountsAMultiplexingBufferThatStaysBusy) {
  VideoBuffers buffers(1 << 30, 1 << 30, kByteATick);
  buffers.restart(0, 0);
  buffers.pass(0, 100, 200);
  buffers.pass(100, 200, 0);
  EXPECT_EQ(buffers.not_emptied(), 0U);
  for (int i = 0; i < 28; ++i) buffers.pass(200 + i * 1e6, 200 + (i + 1) * 1e6, 2e6);
  EXPECT_EQ(buffers.not_emptied(), 1U) << "once, however long";
  buffers.pass(28'000'200, 60'000'200, 0);
  buffers.pass(60'000'200, 60'000'300, 200);
  buffers.pass(60'000'300, 61'000'300, 0);
  EXPECT_EQ(buffers.not_emptied(), 1U);
}

}  // namespace
}  // namespace headgate::mpegts
