// The target decoder's buffers against tables that were computed by hand, and what leaves at a constant rate
// against those buffers. 40.608 Mb/s: a packet lasts 1504 * 27e6 / 40.608e6 = 1000 ticks.
#include "mpegts/tstd/tstd_model.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <vector>

#include "mpegts/mux/rate_schedule.h"
#include "mpegts/psi/section.h"
#include "mpegts/psi/tables.h"
#include "ts_builder.h"

namespace headgate::mpegts {
namespace {

constexpr std::uint64_t kRate = 40'608'000;
constexpr std::int64_t kTicks = 1000;

// A packet is 1504 bits * 27e6 = 40,608,000,000 units; a leak of 1 Mb/s takes 1e6 units a tick, 1e9 while a
// packet arrives, one of 2 Mb/s 2e9. 512 bytes are 4096 * 27e6 = 110,592,000,000 units.
TEST(TransportBuffer, FillsAsComputedByHand) {
  struct Row {
    std::int64_t tick;
    std::int64_t peak;  // when the packet that begins there is in
    bool fits;
  };
  const std::vector<Row> system{
      {0, 39'608'000'000, true},                        // 40,608 - 1,000 million
      {1000, 79'216'000'000, true},                     // and again
      {2000, 118'824'000'000, false},                   // a third, at once: 550 bytes
      {10'231, 110'593'000'000, false},                 // 79,216 - 8,231 + 39,608 million
      {10'232, 110'592'000'000, true},                  // a tick later: 512 bytes to the bit
      {10'232 + 110'592 + 1000, 39'608'000'000, true},  // empty again
  };
  TransportBuffer buffer;
  for (const Row& row : system) {
    EXPECT_EQ(buffer.peak(row.tick, kTicks), row.peak) << row.tick;
    EXPECT_EQ(buffer.fits(row.tick, kTicks), row.fits) << row.tick;
    if (row.fits) buffer.enter(row.tick, kTicks);
  }
  const std::vector<Row> audio{
      {0, 38'608'000'000, true},      {1000, 77'216'000'000, true},
      {2000, 115'824'000'000, false},  // 536 bytes
      {4615, 110'594'000'000, false},  // 77,216 - 2 * 2,615 + 38,608 million
      {4616, 110'592'000'000, true},
  };
  TransportBuffer second(TransportBuffer::kAudioLeak);
  for (const Row& row : audio) {
    EXPECT_EQ(second.peak(row.tick, kTicks), row.peak) << row.tick;
    EXPECT_EQ(second.fits(row.tick, kTicks), row.fits) << row.tick;
    if (row.fits) second.enter(row.tick, kTicks);
  }
}

// 18 Mb/s, of MPEG-2 video at main level: 40,608 - 18,000 = 22,608 million units more with each in a row.
TEST(TransportBuffer, OfVideoHoldsFourInARow) {
  TransportBuffer buffer(18'000'000);
  for (const std::int64_t tick : {0, 1000, 2000, 3000}) {
    EXPECT_TRUE(buffer.fits(tick, kTicks));
    buffer.enter(tick, kTicks);
  }
  EXPECT_EQ(buffer.level(4000), 90'432'000'000);
  EXPECT_EQ(buffer.peak(4000, kTicks), 113'040'000'000) << "523.4 bytes";
  EXPECT_FALSE(buffer.fits(4135, kTicks));
  EXPECT_TRUE(buffer.fits(4136, kTicks)) << "90,432 - 136 * 18 + 22,608 = 110,592 million";
}

// 940 kb/s: a packet lasts 43,200 ticks, in which 43,200 of its 40,608 million units would leak.
TEST(TransportBuffer, NeverFillsBelowItsLeak) {
  TransportBuffer buffer;
  for (std::int64_t i = 0; i < 100; ++i) {
    EXPECT_EQ(buffer.peak(i * 43'200, 43'200), 0);
    buffer.enter(i * 43'200, 43'200);
  }
}

// Rb_sys is 40.608 Mb/s / 500 = 81,216 b/s. While TB_sys isn't empty B_sys grows by 1,000,000 - 81,216 =
// 918,784 units a tick. A packet is 40,608 ticks in TB_sys; one each 40,608 ticks keeps it from emptying, and
// B_sys has 37,309,980,672 units (172.7 bytes) more for each: 1536 bytes, 331,776 million units, are
// exceeded by the ninth (335,790 million).
TEST(SystemBuffers, FillAsComputedByHand) {
  SystemBuffers buffers(kRate);
  for (std::int64_t i = 0; i < 8; ++i) buffers.enter(i * 40'608, kTicks);
  EXPECT_EQ(buffers.overflows(), 0U);
  EXPECT_EQ(buffers.most_transport_bytes(), 184) << "39,608 million units: 183.4 bytes";
  EXPECT_EQ(buffers.most_main_bytes(), 1382) << "8 * 37,309,980,672 units: 1381.9 bytes";
  buffers.enter(8 * 40'608, kTicks);
  EXPECT_EQ(buffers.overflows(), 1U);
  // A table of nine packets within 35 ms; at one each 100 ms B_sys is empty before the next: 2,700,000 -
  // 40,608 ticks take 215,985 million units at 81,216 a tick.
  SystemBuffers slow(kRate);
  for (std::int64_t i = 0; i < 100; ++i) slow.enter(i * 2'700'000, kTicks);
  EXPECT_EQ(slow.overflows(), 0U);
  EXPECT_EQ(slow.most_main_bytes(), 173);
}

// What leaves at 40.608 Mb/s, and what the buffers make of it.
class TstdTest : public testing::Test {
 protected:
  void push(const std::vector<std::uint8_t>& packets) {
    for (const auto& p : test::split(packets)) push(p);
  }
  void push(const test::Packet& packet) { stage.push(packet, now); }
  void tables(std::size_t pmt_descriptors) {
    Pat pat;
    pat.entries = {{1, Pid{0x20}}};
    Pmt pmt;
    pmt.program_number = 1;
    pmt.pcr_pid = Pid{0x100};
    for (std::size_t i = 0; i < pmt_descriptors; ++i)
      pmt.streams.push_back({0x06, Pid{static_cast<std::uint16_t>(0x200 + i)}, {{0x52, 1, 7}}});
    push(pack_section(kPatPid, pat.to_section(), counters[0]++ & 15));
    // A CAT without descriptors: 12 bytes, whose CRC nobody here looks at.
    push(pack_section(Pid{1}, std::vector<std::uint8_t>{1, 0xB0, 9, 0xFF, 0xFF, 0xC1, 0, 0, 0, 0, 0, 0},
                      counters[1]++ & 15));
    const auto packed = pack_section(Pid{0x20}, pmt.to_section(), counters[0x20] & 15);
    counters[0x20] = static_cast<std::uint8_t>(counters[0x20] + packed.size() / kPacketSize);
    push(packed);
  }
  // A PES packet of so many transport packets.
  void pes(std::uint16_t pid, std::uint8_t stream_id, int packets) {
    for (int i = 0; i < packets; ++i) {
      test::Packet p = test::packet(pid, counters[pid]++ & 15, i == 0);
      if (i == 0)
        std::copy_n(std::array<std::uint8_t, 9>{0, 0, 1, stream_id, 0, 0, 0x80, 0, 0}.begin(), 9,
                    p.begin() + 4);
      push(p);
    }
  }
  // Of MPEG-2 video at main profile and main level, its sequence header first.
  void picture(std::uint16_t pid, int packets) {
    constexpr std::array<std::uint8_t, 27> kBegin{0,    0,    1,    0xE0, 0,    0,    0x80, 0,    0,
                                                  0,    0,    1,    0xB3, 0x2D, 0x02, 0x40, 0x33, 0x24,
                                                  0x9F, 0x23, 0x81, 0,    0,    1,    0xB5, 0x14, 0x8A};
    for (int i = 0; i < packets; ++i) {
      test::Packet p = test::packet(pid, counters[pid]++ & 15, i == 0);
      if (i == 0) std::copy(kBegin.begin(), kBegin.end(), p.begin() + 4);
      push(p);
    }
  }
  void drain(std::int64_t ns) {
    now += ns;
    RateSchedule::Datagram datagram{};
    while (stage.pop(now, datagram)) {
      for (std::size_t at = 0; at < datagram.bytes.size(); at += kPacketSize, ++position) {
        const TsPacket p(std::span<const std::uint8_t>(datagram.bytes).subspan(at).first<kPacketSize>());
        const std::int64_t tick = position * kTicks;
        const std::uint16_t pid = p.pid().value;
        if (pid == 0x1FFF) {
          ++nulls;
          continue;
        }
        ++sent;
        const auto last = seen.find(pid);
        if (last != seen.end() && p.continuity_counter() != ((last->second + 1) & 15)) ++errors;
        seen[pid] = p.continuity_counter();
        if (pid < 2 || pid == 0x20) system.enter(tick, kTicks);
        if (pid == 0x101) {
          if (!audio.fits(tick, kTicks)) ++audio_overflows;
          audio.enter(tick, kTicks);
        }
        if (pid == 0x110) {
          if (!video.fits(tick, kTicks)) ++video_overflows;
          video.enter(tick, kTicks);
        }
        last_position[pid] = position;
      }
    }
  }

  std::int64_t now = 1'700'000'000'000'000'000;
  RateSchedule stage{kRate, 13'500};
  std::map<std::uint16_t, std::uint8_t> counters;
  std::map<std::uint16_t, int> seen;
  std::map<std::uint16_t, std::int64_t> last_position;
  std::int64_t position = 0;
  std::uint64_t nulls = 0, sent = 0;
  int errors = 0, audio_overflows = 0, video_overflows = 0;
  SystemBuffers system{kRate};
  TransportBuffer audio{TransportBuffer::kAudioLeak};
  TransportBuffer video{18'000'000};
};

// PAT, CAT and a PMT of two packets at once: by the hand-made table the third would be too many.
TEST_F(TstdTest, SystemDataNeverOverflowsItsTransportBuffer) {
  for (int i = 0; i < 50; ++i) {
    tables(30);
    pes(0x100, 0xE0, 200);
    drain(100'000'000);
  }
  EXPECT_EQ(system.overflows(), 0U);
  EXPECT_GT(system.most_transport_bytes(), 366) << "as close together as they may be";
  EXPECT_LE(system.most_transport_bytes(), 512);
  EXPECT_EQ(errors, 0);
  EXPECT_EQ(sent, 50U * 204);
  EXPECT_EQ(stage.counters().crowded, 0U);
}

TEST_F(TstdTest, AudioInBurstsNeverOverflowsItsTransportBuffer) {
  for (int i = 0; i < 100; ++i) {
    pes(0x101, 0xC0, 20);
    pes(0x100, 0xE0, 40);
    drain(100'000'000);
  }
  EXPECT_EQ(audio_overflows, 0);
  EXPECT_EQ(errors, 0);
  EXPECT_EQ(sent, 100U * 60);
  EXPECT_EQ(stage.counters().crowded, 0U);
}

// Thirty packets at once, which 18 Mb/s takes in 2.5 ms; another program's go in between.
TEST_F(TstdTest, VideoInBurstsNeverOverflowsItsTransportBuffer) {
  for (int i = 0; i < 100; ++i) {
    picture(0x110, 30);
    pes(0x100, 0xE0, 40);
    drain(40'000'000);
  }
  EXPECT_EQ(video_overflows, 0);
  EXPECT_EQ(errors, 0);
  EXPECT_EQ(sent, 100U * 70);
  EXPECT_EQ(stage.counters().crowded, 0U);
}

// What others hold up doesn't wait: the video's packets take the positions between.
TEST_F(TstdTest, WhatFitsGoesBeforeWhatDoesNot) {
  pes(0x101, 0xC0, 20);
  pes(0x100, 0xE0, 40);
  drain(50'000'000);
  EXPECT_LE(last_position[0x100], 43) << "two of the sound's before it, another one or two between";
  // Seventeen more than the first three, each 4,616 - 1,000 ticks and more after the one before.
  EXPECT_GT(last_position[0x101], 60);
  EXPECT_LT(last_position[0x101], 20 * 21) << "1504 bits at 2 Mb/s are 20.3 positions";
}

// More than any decoder takes: it leaves all the same, a little later, and is counted.
TEST_F(TstdTest, WhatIsTooMuchForItsBufferStillLeavesInOrder) {
  for (int i = 0; i < 20; ++i) {
    pes(0x101, 0xC0, 300);  // 4.5 Mb/s
    pes(0x100, 0xE0, 40);
    drain(100'000'000);
  }
  drain(200'000'000);
  EXPECT_GT(audio_overflows, 0);
  EXPECT_EQ(stage.counters().crowded, static_cast<std::uint64_t>(audio_overflows));
  EXPECT_EQ(errors, 0);
  EXPECT_EQ(sent, 20U * 340);
}

}  // namespace
}  // namespace headgate::mpegts
