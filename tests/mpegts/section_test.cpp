#include "mpegts/psi/section.h"

#include <gtest/gtest.h>

#include "mpegts/psi/tables.h"
#include "ts_builder.h"

namespace headgate::mpegts {
namespace {

using test::Packet;

struct Collector : SectionSink {
  std::vector<std::vector<std::uint8_t>> sections;
  int crc_errors = 0;
  void on_section(Pid, std::span<const std::uint8_t> s) noexcept override {
    sections.emplace_back(s.begin(), s.end());
  }
  void on_crc_error(Pid) noexcept override { ++crc_errors; }
};

// A PAT with this many programs: 12 + 4n bytes.
std::vector<std::uint8_t> pat_section(int programs, std::uint8_t version = 0) {
  Pat pat;
  pat.transport_stream_id = 7;
  pat.version = version;
  for (int i = 1; i <= programs; ++i) {
    pat.entries.push_back({static_cast<std::uint16_t>(i), Pid{static_cast<std::uint16_t>(0x100 + i)}});
  }
  return pat.to_section();
}

Collector assemble(const std::vector<Packet>& packets, Pid pid = kPatPid) {
  Collector sink;
  SectionAssembler assembler{pid};
  for (const auto& p : packets) assembler.on_packet(test::view(p), sink);
  return sink;
}

TEST(Crc32, MatchesKnownPat) {
  // PAT of ISO/IEC 13818-1 form as muxers write it: program 1 at PID 0x1000.
  const std::vector<std::uint8_t> pat{0x00, 0xB0, 0x0D, 0x00, 0x01, 0xC1, 0x00, 0x00,
                                      0x00, 0x01, 0xF0, 0x00, 0x2A, 0xB1, 0x04, 0xB2};
  EXPECT_EQ(crc32_mpeg(pat), 0U);
  EXPECT_EQ(crc32_mpeg(std::span{pat}.first(12)), 0x2AB104B2U);
}

TEST(SectionAssembler, GivesBackEveryPackedLength) {
  for (const int programs : {0, 1, 42, 43, 44, 45, 88, 89, 90, 91, 200, 253}) {
    const auto section = pat_section(programs);
    const auto sink = assemble(test::split(pack_section(kPatPid, section, 14)));
    ASSERT_EQ(sink.sections.size(), 1U) << programs;
    EXPECT_EQ(sink.sections[0], section);
  }
}

TEST(SectionAssembler, DropsSectionOnContinuityGap) {
  auto packets = test::split(pack_section(kPatPid, pat_section(200), 0));
  packets.erase(packets.begin() + 1);
  EXPECT_TRUE(assemble(packets).sections.empty());
}

TEST(SectionAssembler, IgnoresOneDuplicateInsideASection) {
  auto packets = test::split(pack_section(kPatPid, pat_section(200), 0));
  packets.insert(packets.begin() + 1, packets[1]);
  EXPECT_EQ(assemble(packets).sections.size(), 1U);
}

TEST(SectionAssembler, TakesTableOfMultiplexerThatNeverCounts) {
  const auto packets = test::split(pack_section(kPatPid, pat_section(1), 0));
  EXPECT_EQ(assemble({packets[0], packets[0], packets[0]}).sections.size(), 2U);
}

// Two equal packets may be one sent twice; the third tells that the counter stands, and all after it count.
TEST(SectionAssembler, TakesEveryRepetitionOnceTheCounterIsKnownToStand) {
  const auto packets = test::split(pack_section(kPatPid, pat_section(1), 0));
  EXPECT_EQ(assemble(std::vector<Packet>(10, packets[0])).sections.size(), 9U);
}

TEST(SectionAssembler, TakesWholeSectionsOfOtherContentUnderOneCounter) {
  const auto a = test::split(pack_section(kPatPid, pat_section(1, 1), 0))[0];
  const auto b = test::split(pack_section(kPatPid, pat_section(1, 2), 0))[0];
  EXPECT_EQ(assemble({a, b, a, b}).sections.size(), 4U);
  EXPECT_EQ(assemble({a, b, b, a, a}).sections.size(), 5U) << "the counter stands: equal packets repeat";
}

TEST(SectionAssembler, TakesWholeSectionsAcrossGapsAndEachDuplicateOnce) {
  std::vector<Packet> packets;
  for (const int cc : {0, 5, 5, 6, 6, 2})
    packets.push_back(test::split(pack_section(kPatPid, pat_section(1), static_cast<std::uint8_t>(cc)))[0]);
  EXPECT_EQ(assemble(packets).sections.size(), 4U);
}

TEST(SectionAssembler, BeginsAnewInThePacketWhoseCounterJumped) {
  auto packets = test::split(pack_section(kPatPid, pat_section(200), 0));
  packets.erase(packets.begin() + 1);
  const auto next = test::split(pack_section(kPatPid, pat_section(200), 9));
  packets.insert(packets.end(), next.begin(), next.end());
  EXPECT_EQ(assemble(packets).sections.size(), 1U);
}

TEST(SectionAssembler, CountsWrongCrc) {
  auto packets = test::split(pack_section(kPatPid, pat_section(2), 0));
  packets[0][15] ^= 1;
  const auto sink = assemble(packets);
  EXPECT_TRUE(sink.sections.empty());
  EXPECT_EQ(sink.crc_errors, 1);
}

TEST(SectionAssembler, IgnoresScrambledAndDamagedPackets) {
  auto scrambled = test::split(pack_section(kPatPid, pat_section(2), 0));
  scrambled[0][3] |= 0x80;
  EXPECT_TRUE(assemble(scrambled).sections.empty());
  auto damaged = test::split(pack_section(kPatPid, pat_section(2), 0));
  damaged[0][1] |= 0x80;
  EXPECT_TRUE(assemble(damaged).sections.empty());
}

TEST(SectionAssembler, SplitsPacketThatEndsOneSectionAndBeginsTwo) {
  const auto long_one = pat_section(43);  // 184 bytes: one more than fits beside a pointer_field
  const auto a = pat_section(1, 1);
  const auto b = pat_section(2, 2);
  auto packets = test::split(pack_section(kPatPid, long_one, 0));
  ASSERT_EQ(packets.size(), 2U);
  Packet& second = packets[1];
  second.fill(0xFF);
  second[0] = 0x47;
  second[1] = 0x40;
  second[2] = 0;
  second[3] = 0x11;
  second[4] = 1;  // pointer_field: the rest of the first section
  second[5] = long_one.back();
  std::copy(a.begin(), a.end(), second.begin() + 6);
  std::copy(b.begin(), b.end(), second.begin() + 6 + static_cast<std::ptrdiff_t>(a.size()));
  const auto sink = assemble(packets);
  ASSERT_EQ(sink.sections.size(), 3U);
  EXPECT_EQ(sink.sections[0], long_one);
  EXPECT_EQ(sink.sections[1], a);
  EXPECT_EQ(sink.sections[2], b);
}

TEST(SectionAssembler, SurvivesPointerBeyondThePacket) {
  auto packets = test::split(pack_section(kPatPid, pat_section(1), 0));
  packets[0][4] = 0xFF;
  EXPECT_TRUE(assemble(packets).sections.empty());
}

TEST(SectionAssembler, HeaderMayLieAcrossPackets) {
  const auto section = pat_section(3);
  Packet first = test::packet(0, 0, true, 0xFF);
  first[4] = 181;  // two bytes of the section fit behind the stuffing
  first[186] = section[0];
  first[187] = section[1];
  Packet second = test::packet(0, 1, false, 0xFF);
  std::copy(section.begin() + 2, section.end(), second.begin() + 4);
  const auto sink = assemble({first, second});
  ASSERT_EQ(sink.sections.size(), 1U);
  EXPECT_EQ(sink.sections[0], section);
}

TEST(PackSection, RefusesASpanTooSmall) {
  std::array<std::uint8_t, 187> small{};
  EXPECT_EQ(pack_section_into(kPatPid, pat_section(1), 0, small), 0U);
  EXPECT_TRUE(pack_section(kPatPid, {}, 0).empty());
}

}  // namespace
}  // namespace headgate::mpegts
