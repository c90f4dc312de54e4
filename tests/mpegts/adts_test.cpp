#include "mpegts/es/adts.h"

#include <gtest/gtest.h>

#include "mpegts/es/aac_config.h"
#include "mpegts/es/audio_header.h"
#include "tests/mpegts/es_bits.h"

namespace headgate::mpegts::es {
namespace {

const Bytes kBlock{0x21, 0x10, 0x04, 0x60, 0x8C, 0x1C};

TEST(AdtsMaker, PutsTheHeaderThatTheConfigurationSays) {
  AdtsMaker maker;
  ASSERT_TRUE(maker.set_configuration(Bytes{0x12, 0x10}));  // LC, 44.1 kHz, stereo
  Bytes frame;
  ASSERT_TRUE(maker.make(kBlock, frame));
  EXPECT_EQ((Bytes{frame.begin(), frame.begin() + 7}), (Bytes{0xFF, 0xF1, 0x50, 0x80, 0x01, 0xBF, 0xFC}));
  const auto header = parse_audio_header(StreamKind::aac_adts, frame);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->size, frame.size());
  EXPECT_EQ(header->sample_rate, 44'100U);
  EXPECT_EQ(header->channels, 2U);
  EXPECT_EQ(header->codec, "mp4a.40.2");
  EXPECT_EQ(adts_configuration(frame), (Bytes{0x12, 0x10}));
  EXPECT_EQ(maker.profile_and_level(), 0x51);
}

TEST(AdtsMaker, SignalsTheCoreOfHighEfficiencyAac) {
  AdtsMaker maker;
  // 5 SBR, core at 24 kHz, stereo, extension at 48 kHz, LC.
  ASSERT_TRUE(maker.set_configuration(Bytes{0x2B, 0x11, 0x88, 0x00}));
  Bytes frame;
  ASSERT_TRUE(maker.make(kBlock, frame));
  const auto header = parse_audio_header(StreamKind::aac_adts, frame);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->sample_rate, 24'000U);
  EXPECT_EQ(header->codec, "mp4a.40.2");
  EXPECT_EQ(maker.profile_and_level(), 0x58);
}

TEST(AdtsMaker, SaysWhatAdtsCantCarry) {
  const auto problem = [](const Bytes& configuration) {
    AdtsMaker maker;
    EXPECT_FALSE(maker.set_configuration(configuration));
    Bytes frame;
    EXPECT_FALSE(maker.make(kBlock, frame));
    return maker.problem();
  };
  EXPECT_NE(problem({0x12, 0x14}).find("960"), std::string::npos);
  EXPECT_NE(problem({0xB9, 0x90}).find("object type 23"), std::string::npos) << "low delay";
  EXPECT_NE(problem({0xF9, 0x46, 0x40}).find("object type 42"), std::string::npos) << "USAC";
  EXPECT_NE(problem({0x11, 0xD8}).find("channel configuration 11"), std::string::npos);
  const Bytes odd_rate = BitWriter().u(5, 2).u(4, 15).u(24, 44'000).u(4, 2).u(3, 0).bytes();
  EXPECT_NE(problem(odd_rate).find("44000 Hz"), std::string::npos);
  EXPECT_NE(problem({}).find("can't be read"), std::string::npos);
  EXPECT_NE(problem({0x12}).find("can't be read"), std::string::npos);
}

TEST(AdtsMaker, RefusesABlockLongerThanAHeaderSays) {
  AdtsMaker maker;
  ASSERT_TRUE(maker.set_configuration(Bytes{0x12, 0x10}));
  Bytes frame;
  EXPECT_TRUE(maker.make(Bytes(8184, 1), frame));
  EXPECT_EQ(parse_audio_header(StreamKind::aac_adts, frame)->size, 8191U);
  EXPECT_FALSE(maker.make(Bytes(8185, 1), frame));
  EXPECT_FALSE(maker.make({}, frame));
}

// channel_configuration 0: the channels stand in a program_config_element, which opens each block.
TEST(AdtsMaker, PutsTheProgramConfigElementIntoTheFrames) {
  BitWriter configuration;
  configuration.u(5, 2).u(4, 3).u(4, 0).u(3, 0);
  configuration.u(4, 0).u(2, 1).u(4, 3);                          // tag, profile, rate
  configuration.u(4, 1).u(4, 0).u(4, 1).u(2, 1).u(3, 0).u(4, 0);  // front, side, back, LFE
  configuration.u(3, 0);                                          // no mixdown
  configuration.u(5, 0x10).u(5, 0x11).u(4, 0);                    // a pair, a pair, the LFE
  configuration.u(8, 2).u(8, 'h').u(8, 'g');                      // at a byte's border: the comment
  const Bytes record = configuration.bytes();
  AdtsMaker maker;
  ASSERT_TRUE(maker.set_configuration(record)) << maker.problem();
  Bytes frame;
  ASSERT_TRUE(maker.make(kBlock, frame));
  const auto header = parse_audio_header(StreamKind::aac_adts, frame);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->channels, 5U);
  EXPECT_EQ(adts_configuration(frame), record);
  EXPECT_EQ((Bytes{frame.end() - 6, frame.end()}), kBlock);
  // A block that brings its own needs no second one.
  const Bytes own{0xA0, 0x00, 0x01};
  ASSERT_TRUE(maker.make(own, frame));
  EXPECT_EQ(frame.size(), 7 + own.size());
  for (std::size_t size = 0; size < record.size(); ++size)
    EXPECT_FALSE(AdtsMaker{}.set_configuration(std::span(record).first(size))) << size;
}

}  // namespace
}  // namespace headgate::mpegts::es
