#include "mpegts/monitor/cue_tap.h"

#include <gtest/gtest.h>

#include "mpegts/scte35/splice_info.h"
#include "tests/mpegts/ts_builder.h"
#include "tests/support/allocation_count.h"
#include "tests/support/made_cue.h"

namespace headgate::mpegts {
namespace {

using Bytes = std::vector<std::uint8_t>;
using headgate::test::splice_insert;

constexpr std::int64_t kSecond = 1'000'000'000;

class CueTapTest : public testing::Test {
 protected:
  void send(const Bytes& section, std::int64_t now_ns = 0, std::uint16_t pid = 0x1F4) {
    const Bytes packets = pack_section(Pid{pid}, section, counter_);
    counter_ = static_cast<std::uint8_t>((counter_ + packets.size() / kPacketSize) & 15);
    for (const auto& packet : test::split(packets))
      tap.on_packet(test::view(packet), Pcr27MHz{27'000'000}, now_ns);
  }
  // The events of the cues that wait.
  std::vector<std::uint32_t> taken() {
    std::vector<std::uint32_t> events;
    for (; tap.front() != nullptr; tap.drop()) {
      const auto info = SpliceInfo::parse(std::span(tap.front()->bytes).first(tap.front()->size));
      const auto* insert = info ? std::get_if<SpliceInsert>(&info->command) : nullptr;
      events.push_back(insert != nullptr ? insert->event_id : 0);
    }
    return events;
  }
  CueTap tap;

 private:
  std::uint8_t counter_ = 0;
};

TEST_F(CueTapTest, KeepsEachCueOnceWithTheClockOfThen) {
  send(splice_insert(7, 900'000));
  for (int i = 0; i < 3; ++i) send(splice_insert(7, 900'000), i * kSecond);
  send(splice_insert(8, 900'000), 4 * kSecond);
  ASSERT_NE(tap.front(), nullptr);
  EXPECT_EQ(tap.front()->pid, Pid{0x1F4});
  EXPECT_EQ(tap.front()->clock->ticks, 27'000'000U);
  EXPECT_EQ(taken(), (std::vector<std::uint32_t>{7, 8}));
}

TEST_F(CueTapTest, TheSameHalfAMinuteAfterTheLastIsAnother) {
  for (const int second : {0, 20, 40, 69}) send(splice_insert(7, 900'000), second * kSecond);
  EXPECT_EQ(taken().size(), 1U);
  send(splice_insert(7, 900'000), 99 * kSecond);
  EXPECT_EQ(taken().size(), 1U);
}

TEST_F(CueTapTest, LeavesOutWhatSaysNothingAndWhatIsDamaged) {
  send(headgate::test::splice_null());
  Bytes damaged = splice_insert(7, 900'000);
  damaged[20] ^= 1;
  send(damaged);
  Bytes short_one{0xFC, 0x30, 5, 0, 0, 0, 0, 0};
  send(short_one);
  Bytes other = splice_insert(9, 1);
  other[0] = 0xC0;
  send(other);
  EXPECT_EQ(tap.front(), nullptr);
}

TEST_F(CueTapTest, CountsThoseBeyondItsRoomAndNeverAllocates) {
  std::vector<Bytes> cues;
  for (std::uint32_t i = 1; i <= 9; ++i)
    cues.push_back(pack_section(Pid{0x1F4}, splice_insert(i, i), i & 15));
  const auto before = headgate::test::allocations();
  for (const Bytes& packets : cues)
    tap.on_packet(TsPacket(std::span(packets).first<kPacketSize>()), std::nullopt, 0);
  EXPECT_EQ(headgate::test::allocations(), before);
  EXPECT_EQ(taken(), (std::vector<std::uint32_t>{1, 2, 3, 4}));
  EXPECT_EQ(tap.beyond(), 5U);
}

TEST_F(CueTapTest, OfManyPidsReadsWhatFitsInAPacket) {
  for (std::uint16_t round = 0; round < 2; ++round) {
    for (std::uint16_t pid = 0; pid < 5; ++pid) {
      send(splice_insert(100U * round + pid, 1), 0, static_cast<std::uint16_t>(0x200 + pid));
      EXPECT_EQ(taken(), (std::vector<std::uint32_t>{100U * round + pid}));
    }
  }
}

TEST_F(CueTapTest, OfALongOneKeepsTheHead) {
  Bytes section(700, 0x11);
  section[0] = 0xFC;
  section[1] = 0x30 | (700 - 3) >> 8;
  section[2] = static_cast<std::uint8_t>(700 - 3);
  section[4] = 0x80;  // encrypted
  const std::uint32_t crc = crc32_mpeg(std::span(section).first(696));
  for (std::size_t i = 0; i < 4; ++i) section[696 + i] = static_cast<std::uint8_t>(crc >> (24 - 8 * i));
  send(section);
  ASSERT_NE(tap.front(), nullptr);
  EXPECT_EQ(tap.front()->size, 700);
}

}  // namespace
}  // namespace headgate::mpegts
