// Decoder configurations: avcC, AudioSpecificConfig from ADTS and LATM. The hvcC is compared with ffmpeg's in
// the frame feed's test.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "mpegts/es/aac_config.h"
#include "mpegts/es/audio.h"
#include "mpegts/es/avc_config.h"
#include "mpegts/es/hevc_config.h"
#include "mpegts/es/nal_units.h"

namespace headgate::mpegts::es {
namespace {

using Bytes = std::vector<std::uint8_t>;

// Bits as text, padded with zeros.
Bytes bits(const std::string& text) {
  Bytes out;
  std::string clean;
  for (const char c : text) {
    if (c == '0' || c == '1') clean += c;
  }
  while (clean.size() % 8 != 0) clean += '0';
  for (std::size_t at = 0; at < clean.size(); at += 8) {
    out.push_back(static_cast<std::uint8_t>(std::stoi(clean.substr(at, 8), nullptr, 2)));
  }
  return out;
}

TEST(NalUnits, AreFoundWithoutStartCodesAndTrailingZeros) {
  const Bytes stream{0, 0, 0, 1, 0x09, 0x10, 0, 0, 1, 0x65, 1, 0, 0, 0, 0, 1, 0x41};
  const auto units = nal_units(stream);
  ASSERT_EQ(units.size(), 3U);
  EXPECT_EQ(Bytes(units[0].begin(), units[0].end()), (Bytes{0x09, 0x10}));
  EXPECT_EQ(Bytes(units[1].begin(), units[1].end()), (Bytes{0x65, 1}));
  EXPECT_EQ(Bytes(units[2].begin(), units[2].end()), (Bytes{0x41}));
  EXPECT_TRUE(nal_units(Bytes{0, 0, 1}).empty());
}

TEST(AvcConfiguration, HasTheFieldsOfHighProfile) {
  // profile 110, level 31; ue: id 0, chroma 2 (4:2:2), luma depth 10, chroma depth 10.
  Bytes sps = bits("01100111 01101110 00000000 00011111 1 011 011 011 00000000");
  const Bytes pps{0x68, 0xEE, 0x3C, 0x80};
  const std::vector<NalUnit> all_sps{sps}, all_pps{pps};
  const Bytes record = avc_configuration(all_sps, all_pps);
  Bytes wanted{1, 110, 0, 31, 0xFF, 0xE1, 0, static_cast<std::uint8_t>(sps.size())};
  wanted.insert(wanted.end(), sps.begin(), sps.end());
  wanted.insert(wanted.end(), {1, 0, 4});
  wanted.insert(wanted.end(), pps.begin(), pps.end());
  wanted.insert(wanted.end(), {0xFC | 2, 0xF8 | 2, 0xF8 | 2, 0});
  EXPECT_EQ(record, wanted);
}

TEST(AvcConfiguration, OfMainProfileEndsWithThePps) {
  const std::vector<NalUnit> sps{{0x67, 77, 0x40, 30, 0x95}}, pps{{0x68, 0xEE}};
  EXPECT_EQ(avc_configuration(sps, pps),
            (Bytes{1, 77, 0x40, 30, 0xFF, 0xE1, 0, 5, 0x67, 77, 0x40, 30, 0x95, 1, 0, 2, 0x68, 0xEE}));
  EXPECT_TRUE(avc_configuration(sps, {}).empty());
  EXPECT_TRUE(avc_configuration({}, pps).empty());
}

TEST(HevcConfiguration, NeedsAllKindsOfSets) {
  const std::vector<NalUnit> some{{0x40, 1, 0x0C}};
  EXPECT_TRUE(hevc_configuration(some, {}, some).empty());
  EXPECT_TRUE(hevc_configuration(some, some, some).empty()) << "an SPS that can't be read";
  EXPECT_FALSE(hevc_parameter_set_id(Bytes{0x02, 0x01, 0xD0}));
}

TEST(AdtsConfiguration, IsTwoBytes) {
  const Bytes frame{0xFF, 0xF1, 0x4C, 0x80, 0x01, 0x7F, 0xFC, 0x21, 0x10, 0x04, 0x60};
  EXPECT_EQ(adts_configuration(frame), (Bytes{0x11, 0x90}));
  const auto block = adts_raw_data_block(frame);
  ASSERT_TRUE(block);
  EXPECT_EQ(block->size(), 4U);
}

TEST(AdtsConfiguration, LeavesTheChecksumAndRefusesSeveralBlocks) {
  Bytes frame{0xFF, 0xF0, 0x4C, 0x80, 0x01, 0x7F, 0xFC, 0xAB, 0xCD, 0x21, 0x10};
  ASSERT_TRUE(adts_raw_data_block(frame));
  EXPECT_EQ(adts_raw_data_block(frame)->size(), 2U);
  frame[6] |= 1;
  EXPECT_FALSE(adts_raw_data_block(frame));
  EXPECT_TRUE(adts_configuration(frame).empty());
}

TEST(AdtsConfiguration, TakesTheProgramConfigElement) {
  Bytes frame{0xFF, 0xF1, 0x4C, 0x00, 0x01, 0x7F, 0xFC};
  // Tag 0, LC, 48 kHz; 1 front element, nothing else; no mixdowns; it is a pair with tag 0. 39 bits.
  const std::string fields = "0000 01 0011 0001 0000 0000 00 000 0000 0 0 0 1 0000";
  // Behind id_syn_ele 5, aligned in the block; no comment; the next element.
  const Bytes element = bits("101" + fields + "000000" + "00000000" + "00100001");
  frame.insert(frame.end(), element.begin(), element.end());
  // In the configuration it is aligned anew: 16 + 39 bits.
  EXPECT_EQ(adts_configuration(frame), bits("00010 0011 0000 000" + fields + "0" + "00000000"));
}

TEST(LatmReader, TakesPayloadAndConfigurationOutOfBits) {
  // useSameStreamMux 0, version 0, same framing, 1 subframe, 1 programme, 1 layer; LC 48 kHz stereo;
  // frameLengthType 0, buffer fullness, no other data, no CRC; 3 bytes; the payload.
  const std::string config = "00010 0011 0010 000";
  const Bytes first =
      bits("0 0 1 000000 0000 000" + config + "000 11111111 0 0 00000011 10101010 11001100 11110000");
  LatmReader reader;
  EXPECT_TRUE(reader.read(bits("1 00000001 10101010")).empty()) << "no configuration yet";
  auto blocks = reader.read(first);
  ASSERT_EQ(blocks.size(), 1U);
  EXPECT_EQ(blocks[0], (Bytes{0xAA, 0xCC, 0xF0}));
  EXPECT_EQ(reader.configuration(), (Bytes{0x11, 0x90}));
  blocks = reader.read(bits("1 00000010 10101010 01010101"));
  ASSERT_EQ(blocks.size(), 1U);
  EXPECT_EQ(blocks[0], (Bytes{0xAA, 0x55}));
  EXPECT_TRUE(reader.read(bits("1 11111111 00000010 10101010")).empty()) << "longer than its bytes";
}

}  // namespace
}  // namespace headgate::mpegts::es
