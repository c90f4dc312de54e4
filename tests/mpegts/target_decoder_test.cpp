// A tiny stream whose buffers were computed by hand. A packet takes 1000 ticks (40.608 Mb/s), each hundredth
// has a PCR. A frame of sound: 48 kHz, layer II, 192 kb/s: 576 bytes, 24 ms, with its PES header 590 bytes in
// four packets that come 25 apart.
#include "mpegts/tstd/target_decoder.h"

#include <gtest/gtest.h>

#include <vector>

#include "ts_builder.h"

namespace headgate::mpegts {
namespace {

constexpr std::uint16_t kSound = 0x101;
constexpr Pid kClock{0x100};
constexpr std::uint64_t kFirstPts = 900'000 / 300;
constexpr std::uint64_t kFrame = 2160;  // 24 ms, 648,000 ticks

class TargetDecoderTest : public testing::Test {
 protected:
  TargetDecoderTest() {
    Pmt pmt;
    pmt.program_number = 1;
    pmt.pcr_pid = kClock;
    pmt.streams.push_back({0x03, Pid{kSound}, {}});
    decoder.on_pmt(Pid{0x20}, pmt);
  }
  // Up to this number, with PCRs.
  void run(std::uint64_t number) {
    for (; at <= number; ++at) {
      if (at % 100 != 0) continue;
      decoder.on_pcr(kClock, {at * 1000 + jump},
                     at == 0 || jumped ? std::nullopt : std::optional<std::uint64_t>(100'000), at);
      jumped = false;
    }
  }
  void send(const test::Packet& packet, std::uint64_t number, bool duplicate = false, bool lost = false) {
    run(number);
    decoder.on_packet(test::view(packet), number, duplicate, lost);
  }
  // The frame's packets at number, +25, +50 and +75.
  void frame(std::uint64_t number, std::uint64_t pts, bool lose_third = false) {
    std::vector<std::uint8_t> pes{0, 0, 1, 0xC0, 0x02, 0x48, 0x80, 0x80, 5};
    pes.push_back(static_cast<std::uint8_t>(0x21 | pts >> 29));
    pes.push_back(static_cast<std::uint8_t>(pts >> 22));
    pes.push_back(static_cast<std::uint8_t>(pts >> 14 | 1));
    pes.push_back(static_cast<std::uint8_t>(pts >> 7));
    pes.push_back(static_cast<std::uint8_t>(pts << 1 | 1));
    pes.insert(pes.end(), {0xFF, 0xFD, 0xA4, 0x00});
    pes.resize(590, 0x55);
    for (std::size_t i = 0; i < 4; ++i) {
      test::Packet packet = test::packet(kSound, counter++, i == 0);
      const std::size_t offset = i < 3 ? 4 : kPacketSize - 38;
      if (i == 3) {  // 590 - 3 * 184 = 38 bytes
        packet[3] |= 0x20;
        packet[4] = kPacketSize - 38 - 5;
        packet[5] = 0;
      }
      std::copy_n(pes.begin() + static_cast<std::ptrdiff_t>(i * 184), kPacketSize - offset,
                  packet.begin() + static_cast<std::ptrdiff_t>(offset));
      if (!lose_third || i != 2) send(packet, number + i * 25, false, lose_third && i == 3);
    }
  }
  // Six frames within 22 ms, whose times begin at 900,000 ticks.
  void six_frames() {
    for (std::uint64_t i = 0; i < 6; ++i) frame(110 + i * 100, kFirstPts + i * kFrame);
  }
  TstdInfo end() {
    frame(9010, kFirstPts + 20 * kFrame);  // so that the one before is known to be whole
    run(9200);
    decoder.finish();
    return decoder.info(Pid{kSound}).value();
  }

  TargetDecoder decoder;
  std::uint64_t at = 0;
  std::uint64_t jump = 0;
  bool jumped = false;
  std::uint8_t counter = 0;
};

// The last byte of the sixth frame comes at 686,000 ticks, before the first leaves: B_n has 6 * 590 = 3540
// bytes. TB_n, emptied at 2 Mb/s: a packet comes in 1000 ticks, in which 2e9 of its 40.608e9 units leave:
// 178.7 bytes, and is empty when the next comes. The sixth frame stays longest: its first byte comes at
// 600,000 + 9946 ticks (as 10 * 188 - 10 bytes of the 18,800 that take 100,000), it leaves at 900,000 + 5 *
// 648,000: 3,530,054 ticks.
TEST_F(TargetDecoderTest, FillsAsComputedByHand) {
  six_frames();
  const TstdInfo info = end();
  EXPECT_EQ(info.unjudged, "");
  EXPECT_EQ(info.transport_bps, 2'000'000U);
  EXPECT_EQ(info.transport, (TstdBuffer{512, 179, 0}));
  EXPECT_EQ(info.main, (TstdBuffer{3584, 3540, 0}));
  EXPECT_FALSE(info.multiplexing);
  EXPECT_EQ(info.access_units, 6U);
  EXPECT_EQ(info.underflows, 0U);
  EXPECT_EQ(info.restarts, 0U);
  EXPECT_NEAR(info.delay_max_ms.value(), 3'530'054 / 27'000.0, 1e-9);
}

// A seventh frame before 900,000 ticks: 7 * 590 = 4130 bytes, 546 too many.
TEST_F(TargetDecoderTest, CountsAnOverflowOfTheMainBuffer) {
  six_frames();
  frame(710, kFirstPts + 6 * kFrame);
  const TstdInfo info = end();
  EXPECT_EQ(info.main, (TstdBuffer{3584, 4130, 1}));
  EXPECT_EQ(info.underflows, 0U);
  EXPECT_EQ(info.buffer_errors(), 1U);
}

// The seventh frame's time is 900,000 + 6 * 648,000 = 4,788,000 ticks. Its last packet comes at 4790 - and at
// 4685.
TEST_F(TargetDecoderTest, CountsAnAccessUnitThatIsNotWholeAtItsTime) {
  six_frames();
  frame(4715, kFirstPts + 6 * kFrame);
  EXPECT_EQ(end().underflows, 1U);
}
TEST_F(TargetDecoderTest, TakesOneThatIsWholeJustBeforeItsTime) {
  six_frames();
  frame(4610, kFirstPts + 6 * kFrame);
  EXPECT_EQ(end().underflows, 0U);
}

// Three packets of a PID in a row: 3 * 38.608e9 units are 536.2 bytes.
TEST_F(TargetDecoderTest, CountsAnOverflowOfTheTransportBuffer) {
  six_frames();
  for (const std::uint64_t number : {2001U, 2002U, 2003U}) send(test::packet(kSound, 0), number, true);
  const TstdInfo info = end();
  EXPECT_EQ(info.transport, (TstdBuffer{512, 537, 1}));
  EXPECT_EQ(info.main, (TstdBuffer{3584, 3540, 0})) << "a duplicate doesn't go on";
}

TEST_F(TargetDecoderTest, BeginsAnewBehindALossAndAJump) {
  six_frames();
  frame(5010, kFirstPts + 7 * kFrame, true);
  frame(5110, kFirstPts + 8 * kFrame);
  EXPECT_EQ(end().restarts, 1U);
}
TEST_F(TargetDecoderTest, BeginsAnewBehindAJump) {
  six_frames();
  run(5000);
  jump = 1'000'000'000;
  jumped = true;
  frame(5110, (5'900'000 + jump) / 300);
  frame(9010, (9'500'000 + jump) / 300);
  run(9200);
  decoder.finish();
  const auto info = decoder.info(Pid{kSound}).value();
  EXPECT_EQ(info.restarts, 1U);
  EXPECT_EQ(info.access_units, 6U) << "nothing says that the sixth was whole before the jump";
  EXPECT_EQ(info.buffer_errors(), 0U);
}

TEST_F(TargetDecoderTest, SaysWhatItCantJudge) {
  for (std::uint64_t i = 0; i < 8; ++i) {
    test::Packet packet = test::packet(kSound, counter++, i % 4 == 0);
    packet[3] |= 0x80;
    send(packet, 110 + i * 25);
  }
  run(1000);
  decoder.finish();
  const auto info = decoder.info(Pid{kSound}).value();
  EXPECT_EQ(info.unjudged, "scrambled");
  EXPECT_FALSE(info.main);
  EXPECT_FALSE(decoder.info(Pid{0x102}));
}

// A section of 16 bytes and stuffing. Of TB_sys the packet leaves in 1504 us; the section's bytes take 3456
// ticks, in which 81,216 b/s leave B_sys: 128 bits - 10.4 are 14.7 bytes. A packet is 39.608e9 units (183.4
// bytes) in TB_sys.
TEST_F(TargetDecoderTest, FillsTheBuffersOfSystemDataAsComputedByHand) {
  test::Packet pat = test::packet(0, 0, true, 0xFF);
  const std::vector<std::uint8_t> section{0, 0, 0xB0, 13, 0, 1, 0xC1, 0, 0, 0, 1, 0xE0, 0x20, 1, 2, 3, 4};
  std::copy(section.begin(), section.end(), pat.begin() + 4);
  send(pat, 150);
  send(pat, 1150);
  run(2000);
  const auto info = decoder.info(Pid{0x20}).value();
  EXPECT_EQ(info.transport, (TstdBuffer{512, 184, 0}));
  EXPECT_EQ(info.main, (TstdBuffer{1536, 15, 0}));
}

}  // namespace
}  // namespace headgate::mpegts
