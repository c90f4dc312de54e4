#include "mpegts/psi/tables.h"

#include <gtest/gtest.h>

namespace headgate::mpegts {
namespace {

PmtStream stream(std::uint8_t type, std::vector<std::uint8_t> descriptors = {}) {
  return {type, Pid{0x101}, {std::move(descriptors)}};
}

TEST(Pat, SurvivesRoundTrip) {
  const Pat pat{0x1234, 5, false, 1, 2, {{0, kNitPid}, {3411, Pid{0x1FFE}}}};
  EXPECT_EQ(Pat::parse(pat.to_section()), pat);
}

TEST(Pat, RefusesWhatExceedsOneSection) {
  Pat pat;
  pat.entries.assign(253, {1, Pid{32}});
  EXPECT_EQ(pat.to_section().size(), 1024U);
  pat.entries.assign(254, {1, Pid{32}});
  EXPECT_TRUE(pat.to_section().empty());
}

TEST(Pmt, SurvivesRoundTripWithUnknownDescriptors) {
  Pmt pmt;
  pmt.program_number = 8803;
  pmt.version = 31;
  pmt.pcr_pid = Pid{310};
  pmt.descriptors.bytes = {0xF1, 2, 1, 2};
  pmt.streams = {stream(0x1B), stream(0x06, {0x0A, 4, 'E', 'N', 'g', 0, 0xEE, 0})};
  const auto again = Pmt::parse(pmt.to_section());
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, pmt);
  EXPECT_EQ(language(again->streams[1]), "eng");
}

TEST(Pmt, RefusesLengthsThatLeaveTheSection) {
  Pmt pmt;
  pmt.streams = {stream(0x1B, {0x52, 1, 7})};
  auto section = pmt.to_section();
  auto program_info = section;
  program_info[11] = 200;  // program_info_length
  EXPECT_FALSE(Pmt::parse(program_info));
  auto es_info = section;
  es_info[16] = 200;  // ES_info_length
  EXPECT_FALSE(Pmt::parse(es_info));
  section.pop_back();
  EXPECT_FALSE(Pmt::parse(section));
}

TEST(Pmt, KeepsDescriptorsBeforeTheOneThatOverruns) {
  Pmt pmt;
  pmt.streams = {stream(0x1B, {0x52, 1, 7, 0x0A, 200, 1})};
  const auto parsed = Pmt::parse(pmt.to_section());
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->streams[0].descriptors.bytes, (std::vector<std::uint8_t>{0x52, 1, 7}));
}

TEST(Descriptors, FindsTheIndexedOne) {
  const Descriptors d{{9, 1, 1, 9, 2, 2, 3, 5, 0}};
  EXPECT_EQ(d.find(9)->size(), 1U);
  EXPECT_EQ(d.find(9, 1)->size(), 2U);
  EXPECT_FALSE(d.find(9, 2));
  EXPECT_TRUE(d.find(5)->empty());
}

TEST(StreamKind, FollowsTypeAndDescriptors) {
  const struct {
    std::uint8_t type;
    std::vector<std::uint8_t> descriptors;
    StreamKind kind;
  } cases[] = {
      {0x02, {}, StreamKind::mpeg2_video},
      {0x1B, {}, StreamKind::h264},
      {0x24, {}, StreamKind::hevc},
      {0x03, {}, StreamKind::mpeg_audio},
      {0x04, {}, StreamKind::mpeg_audio},
      {0x0F, {}, StreamKind::aac_adts},
      {0x11, {}, StreamKind::aac_latm},
      {0x81, {}, StreamKind::ac3},
      {0x87, {}, StreamKind::eac3},
      {0x82, {}, StreamKind::dts},
      {0x86, {}, StreamKind::scte35},
      {0x05, {}, StreamKind::private_sections},
      {0x0B, {}, StreamKind::private_sections},
      {0x06, {}, StreamKind::other},
      {0x06, {0x6A, 1, 0}, StreamKind::ac3},
      {0x06, {0x7A, 1, 0}, StreamKind::eac3},
      {0x06, {0x7B, 0}, StreamKind::dts},
      {0x06, {0x56, 0}, StreamKind::teletext},
      {0x06, {0x59, 0}, StreamKind::dvb_subtitles},
      {0x06, {0x05, 4, 'O', 'p', 'u', 's'}, StreamKind::opus},
      {0x06, {0x05, 4, 'A', 'C', '-', '3'}, StreamKind::ac3},
      {0x15, {0x26, 6, 0, 0, 'I', 'D', '3', ' '}, StreamKind::id3},
      {0x15, {}, StreamKind::other},
      {0xEA, {}, StreamKind::other},
  };
  for (const auto& c : cases) EXPECT_EQ(stream_kind(stream(c.type, c.descriptors)), c.kind) << int{c.type};
}

}  // namespace
}  // namespace headgate::mpegts
