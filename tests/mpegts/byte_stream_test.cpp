#include "mpegts/es/byte_stream.h"

#include <gtest/gtest.h>

#include "mpegts/es/avc_config.h"
#include "mpegts/es/nal_units.h"

namespace headgate::mpegts::es {
namespace {

using Bytes = std::vector<std::uint8_t>;

const Bytes kSps{0x67, 66, 0, 30, 0xF4, 0x0A, 0x0F, 0xC8}, kPps{0x68, 0xCE, 0x38, 0x80};
const Bytes kIdr{0x65, 0x88, 0x84, 0x21}, kPicture{0x41, 0x9A, 0x02}, kSei{0x06, 0x05, 0x01, 0xAA, 0x80};

Bytes avcc(std::uint8_t length_size = 4) {
  Bytes record{1,
               66,
               0,
               30,
               static_cast<std::uint8_t>(0xFC | (length_size - 1)),
               0xE1,
               0,
               static_cast<std::uint8_t>(kSps.size())};
  record.insert(record.end(), kSps.begin(), kSps.end());
  record.insert(record.end(), {1, 0, static_cast<std::uint8_t>(kPps.size())});
  record.insert(record.end(), kPps.begin(), kPps.end());
  return record;
}

Bytes unit(const std::vector<Bytes>& nals, std::size_t length_size = 4) {
  Bytes out;
  for (const Bytes& nal : nals) {
    for (std::size_t i = 0; i < length_size; ++i)
      out.push_back(static_cast<std::uint8_t>(nal.size() >> 8 * (length_size - 1 - i)));
    out.insert(out.end(), nal.begin(), nal.end());
  }
  return out;
}

std::vector<Bytes> nals_of(const Bytes& stream) {
  std::vector<Bytes> out;
  for (const auto nal : nal_units(stream)) out.emplace_back(nal.begin(), nal.end());
  return out;
}

TEST(ByteStreamMaker, PutsDelimiterAndParameterSetsBeforeARandomAccessPoint) {
  ByteStreamMaker maker(StreamKind::h264);
  ASSERT_TRUE(maker.set_configuration(avcc()));
  Bytes out;
  const auto made = maker.make(unit({kSei, kIdr}), true, out);
  ASSERT_TRUE(made);
  EXPECT_TRUE(made->random_access);
  EXPECT_EQ(nals_of(out), (std::vector<Bytes>{{0x09, 0xF0}, kSps, kPps, kSei, kIdr}));
  EXPECT_EQ((Bytes{out.begin(), out.begin() + 4}), (Bytes{0, 0, 0, 1}));
}

TEST(ByteStreamMaker, LeavesParameterSetsOutOfOtherPictures) {
  ByteStreamMaker maker(StreamKind::h264);
  ASSERT_TRUE(maker.set_configuration(avcc()));
  Bytes out;
  const auto made = maker.make(unit({kPicture}), false, out);
  ASSERT_TRUE(made);
  EXPECT_FALSE(made->random_access);
  EXPECT_EQ(nals_of(out), (std::vector<Bytes>{{0x09, 0xF0}, kPicture}));
}

TEST(ByteStreamMaker, SeesTheIdrThatTheSourceDidNotMark) {
  ByteStreamMaker maker(StreamKind::h264);
  ASSERT_TRUE(maker.set_configuration(avcc()));
  Bytes out;
  EXPECT_TRUE(maker.make(unit({kIdr}), false, out)->random_access);
  EXPECT_EQ(nals_of(out).size(), 4U);
}

TEST(ByteStreamMaker, LeavesOutDelimitersFillerAndSetsSentTwice) {
  ByteStreamMaker maker(StreamKind::h264);
  ASSERT_TRUE(maker.set_configuration(avcc()));
  const Bytes other_pps{0x68, 0xEE, 0x06, 0xF2};
  Bytes out;
  ASSERT_TRUE(maker.make(unit({{0x09, 0x10}, kSps, other_pps, kIdr, {0x0C, 0xFF, 0x80}}), true, out));
  EXPECT_EQ(nals_of(out), (std::vector<Bytes>{{0x09, 0xF0}, kSps, kPps, other_pps, kIdr}));
}

TEST(ByteStreamMaker, TakesLengthsOfTheSizeThatTheRecordSays) {
  ByteStreamMaker maker(StreamKind::h264);
  ASSERT_TRUE(maker.set_configuration(avcc(2)));
  Bytes out;
  ASSERT_TRUE(maker.make(unit({kIdr}, 2), true, out));
  EXPECT_EQ(nals_of(out).back(), kIdr);
}

TEST(ByteStreamMaker, RefusesWhatIsNoAccessUnit) {
  ByteStreamMaker maker(StreamKind::h264);
  ASSERT_TRUE(maker.set_configuration(avcc()));
  Bytes out;
  EXPECT_FALSE(maker.make({}, true, out));
  EXPECT_FALSE(maker.make(unit({kSei}), false, out)) << "no slice";
  Bytes cut = unit({kIdr});
  cut.pop_back();
  EXPECT_FALSE(maker.make(cut, true, out));
  cut = unit({kIdr});
  cut[0] = 0xFF;
  EXPECT_FALSE(maker.make(cut, true, out));
}

TEST(ByteStreamMaker, RefusesRecordsThatAreCutShortAndKeepsTheOneBefore) {
  ByteStreamMaker maker(StreamKind::h264);
  ASSERT_TRUE(maker.set_configuration(avcc()));
  for (std::size_t size = 0; size < avcc().size(); ++size) {
    Bytes cut = avcc();
    cut.resize(size);
    EXPECT_FALSE(maker.set_configuration(cut)) << size;
  }
  EXPECT_FALSE(maker.set_configuration(avcc(3)));
  Bytes out;
  ASSERT_TRUE(maker.make(unit({kIdr}), true, out));
  EXPECT_EQ(nals_of(out).size(), 4U);
}

TEST(ByteStreamMaker, OrdersTheSetsOfHevc) {
  const Bytes vps{0x40, 0x01, 0x0C}, sps{0x42, 0x01, 0x01}, pps{0x44, 0x01, 0xC1}, idr{0x26, 0x01, 0xAF};
  Bytes record(22, 0);
  record[0] = 1;
  record[21] = 0xF0 | 3;
  record.push_back(3);
  for (const Bytes& nal : {pps, sps, vps}) {
    record.insert(record.end(), {static_cast<std::uint8_t>(0x80 | nal[0] >> 1), 0, 1, 0, 3});
    record.insert(record.end(), nal.begin(), nal.end());
  }
  ByteStreamMaker maker(StreamKind::hevc);
  ASSERT_TRUE(maker.set_configuration(record));
  Bytes out;
  const auto made = maker.make(unit({{0x46, 0x01, 0x10}, idr}), false, out);
  ASSERT_TRUE(made);
  EXPECT_TRUE(made->random_access);
  EXPECT_EQ(nals_of(out), (std::vector<Bytes>{{0x46, 0x01, 0x50}, vps, sps, pps, idr}));
}

}  // namespace
}  // namespace headgate::mpegts::es
