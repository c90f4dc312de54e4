#include "mpegts/psi/descriptors.h"

#include <gtest/gtest.h>

#include <string>

namespace headgate::mpegts {
namespace {

using Bytes = std::vector<std::uint8_t>;

Descriptor of(const Bytes& bytes) { return *DescriptorLoop(bytes).begin(); }
std::string code(const std::array<char, 3>& c) { return {c.begin(), c.end()}; }

TEST(DescriptorLoop, StopsAtTheFirstThatOverrunsTheLoop) {
  const Bytes loop{0x52, 1, 7, 0x0A, 4, 'e', 'n', 'g', 0, 0x09, 4, 1};
  std::vector<int> tags;
  for (const Descriptor& d : DescriptorLoop(loop)) tags.push_back(d.tag);
  EXPECT_EQ(tags, (std::vector<int>{0x52, 0x0A}));
  int none = 0;
  for ([[maybe_unused]] const Descriptor& d : DescriptorLoop(std::span{loop}.first(1))) ++none;
  for ([[maybe_unused]] const Descriptor& d : DescriptorLoop(std::span{loop}.first(0))) ++none;
  EXPECT_EQ(none, 0);
}

TEST(DescriptorLoop, TellsThePrivateDataSpecifierInForce) {
  const Bytes loop{0x83, 0, 0x5F, 4, 0, 0, 0, 0x28, 0x83, 0, 0x48, 0, 0x5F, 4, 0, 0, 0x23, 0x3A, 0x83, 0};
  std::vector<std::uint32_t> specifiers;
  for (const Descriptor& d : DescriptorLoop(loop)) specifiers.push_back(d.private_data_specifier);
  EXPECT_EQ(specifiers, (std::vector<std::uint32_t>{0, 0x28, 0x28, 0x28, 0x233A, 0x233A}));
}

TEST(Descriptor, ReadsWhatTheGatewayKnows) {
  const auto ca = as_ca(of({0x09, 5, 0x06, 0x50, 0xFF, 0x0E, 0xAA}));
  ASSERT_TRUE(ca);
  EXPECT_EQ(ca->system_id, 0x0650);
  EXPECT_EQ(ca->pid, Pid{0x1F0E});
  EXPECT_EQ(as_registration(of({0x05, 4, 'H', 'E', 'V', 'C'})), 0x48455643U);
  EXPECT_EQ(as_stream_identifier(of({0x52, 1, 9})), 9);

  const auto languages = as_languages(of({0x0A, 8, 'f', 'r', 'a', 0, 'q', 'a', 'd', 3}));
  ASSERT_EQ(languages.size(), 2U);
  EXPECT_EQ(code(languages[1].code), "qad");
  EXPECT_EQ(languages[1].audio_type, 3);

  // Subtitles for the hard of hearing (type 5) on page 888: magazine 0 is 8.
  const auto pages = as_teletext(of({0x56, 5, 'f', 'r', 'a', 0x28, 0x88}));
  ASSERT_EQ(pages.size(), 1U);
  EXPECT_EQ(pages[0].type, 5);
  EXPECT_EQ(pages[0].magazine, 0);
  EXPECT_EQ(pages[0].page, 0x88);

  const auto subtitles = as_subtitling(of({0x59, 8, 'd', 'e', 'u', 0x10, 0, 1, 0, 2}));
  ASSERT_EQ(subtitles.size(), 1U);
  EXPECT_EQ(subtitles[0].type, 0x10);
  EXPECT_EQ(subtitles[0].composition_page, 1);
  EXPECT_EQ(subtitles[0].ancillary_page, 2);

  const auto ac3 = as_ac3(of({0x6A, 3, 0xA0, 0x42, 0x07}));
  ASSERT_TRUE(ac3);
  EXPECT_EQ(ac3->component_type, 0x42);
  EXPECT_FALSE(ac3->bsid);
  EXPECT_EQ(ac3->mainid, 0x07);
  EXPECT_FALSE(ac3->asvc);
  const auto aac = as_aac(of({0x7C, 3, 0x58, 0x80, 0x05}));
  ASSERT_TRUE(aac);
  EXPECT_EQ(aac->profile_and_level, 0x58);
  EXPECT_EQ(aac->aac_type, 0x05);
  const auto hevc = as_hevc(of({0x38, 13, 0x22, 0, 0, 0, 0, 0xB0, 0, 0, 0, 0, 0, 153, 0x3F}));
  ASSERT_TRUE(hevc);
  EXPECT_EQ(hevc->profile_idc, 2);
  EXPECT_TRUE(hevc->high_tier);
  EXPECT_EQ(hevc->level_idc, 153);
}

TEST(Descriptor, ReadsLogicalChannelsOfEacemAndWithoutSpecifierOnly) {
  const Bytes bytes{0x83, 9, 0x0D, 0x49, 0xFC, 0x15, 0x0D, 0x4A, 0x7F, 0xFF, 0};
  Descriptor d = of(bytes);
  const auto channels = as_logical_channels(d);
  ASSERT_EQ(channels.size(), 2U);
  EXPECT_EQ(channels[0].service_id, 3401);
  EXPECT_TRUE(channels[0].visible);
  EXPECT_EQ(channels[0].number, 21);
  EXPECT_FALSE(channels[1].visible);
  EXPECT_EQ(channels[1].number, 1023);
  d.private_data_specifier = kEacemSpecifier;
  EXPECT_EQ(as_logical_channels(d).size(), 2U);
  d.private_data_specifier = 0x29;  // another organisation's 0x83
  EXPECT_TRUE(as_logical_channels(d).empty());
}

TEST(Descriptor, AShortBodyGivesNothing) {
  EXPECT_FALSE(as_ca(of({0x09, 3, 6, 0x50, 0xE1})));
  EXPECT_FALSE(as_registration(of({0x05, 3, 'A', 'C', '-'})));
  EXPECT_FALSE(as_stream_identifier(of({0x52, 0})));
  EXPECT_FALSE(as_ac3(of({0x7A, 0})));
  EXPECT_FALSE(as_ac3(of({0x7A, 1, 0xF0}))->asvc) << "the flags promise what is not there";
  EXPECT_FALSE(as_aac(of({0x7C, 0})));
  EXPECT_FALSE(as_hevc(of({0x38, 11, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})));
  EXPECT_TRUE(as_languages(of({0x0A, 3, 'e', 'n', 'g'})).empty());
  EXPECT_TRUE(as_teletext(of({0x56, 4, 'e', 'n', 'g', 8})).empty());
}

TEST(Descriptor, MapsTheCaPidsAndNothingElse) {
  Descriptors d{{0x09, 4, 1, 0, 0xE1, 0x00, 0x52, 1, 3, 0x09, 2, 1, 0, 0x09, 5, 2, 0, 0x1F, 0xFE, 0x77}};
  map_ca_pids(d, [](Pid pid) { return pid == Pid{0x100} ? Pid{0x1ABC} : pid; });
  EXPECT_EQ(d.bytes,
            (Bytes{0x09, 4, 1, 0, 0xFA, 0xBC, 0x52, 1, 3, 0x09, 2, 1, 0, 0x09, 5, 2, 0, 0x1F, 0xFE, 0x77}));
}

TEST(Descriptor, AppendsSomeByteForByte) {
  const Descriptors from{{0x09, 1, 1, 0xAB, 2, 7, 8, 0x09, 0}};
  Descriptors to;
  append_descriptor(to, 0x52, Bytes{5});
  append_some(to, from, [](const Descriptor& d) { return d.tag != 0x09; });
  EXPECT_EQ(to.bytes, (Bytes{0x52, 1, 5, 0xAB, 2, 7, 8}));
}

}  // namespace
}  // namespace headgate::mpegts
