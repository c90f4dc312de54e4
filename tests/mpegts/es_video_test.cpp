#include "mpegts/es/video.h"

#include <gtest/gtest.h>

#include "mpegts/es/hevc_sps.h"
#include "tests/mpegts/es_bits.h"

namespace headgate::mpegts::es {
namespace {

// 1920x1080, 25 frames a second, fields allowed, High at level 4.
Bytes h264_sps(bool interlaced, bool hrd = false) {
  BitWriter w;
  w.u(8, 100).u(8, 0).u(8, 40).ue(0);
  w.ue(1).ue(0).ue(0).u(1, 0).u(1, 0);  // 4:2:0, 8 bits, no scaling
  w.ue(0).ue(0).ue(0);                  // 4 bits of frame_num; POC type 0
  w.ue(4).u(1, 0);
  w.ue(119).ue(interlaced ? 33 : 67).u(1, interlaced ? 0 : 1);
  if (interlaced) w.u(1, 0);
  w.u(1, 1);
  w.u(1, 1).ue(0).ue(0).ue(0).ue(interlaced ? 2 : 4);     // crops 8 lines
  w.u(1, 1).u(1, 1).u(8, 255).u(32, 0x00010001).u(1, 0);  // VUI: extended SAR, whose zeros need escaping
  w.u(1, 0).u(1, 0).u(1, 1).u(32, 1).u(32, 50).u(1, 1);
  if (hrd) {  // of two CPBs; the second: 15,625 << 6 + 1 b/s, 100,000 << 4 + 2 bits
    w.u(1, 1).ue(1).u(4, 1).u(4, 2).ue(99).ue(99).u(1, 0).ue(15'624).ue(99'999).u(1, 1);
    w.u(5, 23).u(5, 23).u(5, 23).u(5, 24).u(1, 0).u(1, 1).u(1, 0);  // no VCL HRD; low_delay_hrd_flag
  } else {
    w.u(3, 0);
  }
  w.u(1, 0);
  return nal({0x67}, w.rbsp());
}
Bytes h264_pps() { return nal({0x68}, BitWriter().ue(0).ue(0).u(16, 0xFFFF).rbsp()); }
Bytes aud() { return nal({0x09}, {0xF0}); }

struct SliceSpec {
  unsigned type = 1, ref = 1, first_mb = 0, frame_num = 0;
  bool interlaced = false, field = false, bottom = false;
};
Bytes slice(const SliceSpec& s) {
  BitWriter w;
  w.ue(s.first_mb).ue(7).ue(0).u(4, s.frame_num);
  if (s.interlaced) {
    w.u(1, s.field);
    if (s.field) w.u(1, s.bottom);
  }
  if (s.type == 5) w.ue(0);
  w.u(32, 0xABCDEF55).u(32, 0x12345678);
  return nal({static_cast<std::uint8_t>(s.ref << 5 | s.type)}, w.rbsp(), false);
}
// user_data_registered of 300 bytes, zeros among them, and then the recovery point, in one NAL unit.
Bytes recovery_sei() {
  Bytes body{4, 0xFF, 45};
  for (int i = 0; i < 300; ++i) body.push_back(static_cast<std::uint8_t>(i % 7 == 0 ? 1 : 0));
  append(body, {6, 1, 0xC4, 0x80});
  return nal({0x06}, body);
}

std::size_t total(const VideoParser::Split& split) {
  std::size_t sum = 0;
  for (const auto& unit : split.units) {
    EXPECT_EQ(unit.offset, sum);
    sum += unit.size;
  }
  return sum;
}

TEST(EsVideo, ReadsTheLastBufferOfAnH264Hrd) {
  VideoParser parser(StreamKind::h264);
  parser.inspect_start(join({aud(), h264_sps(false, true), h264_pps(), slice({.type = 5})}));
  EXPECT_EQ(parser.buffering().size_bits, 6'400'000U);
  EXPECT_EQ(parser.buffering().rate_bps, 2'000'000U);
  EXPECT_TRUE(parser.buffering().low_delay);
  VideoParser without(StreamKind::h264);
  without.inspect_start(join({aud(), h264_sps(false), h264_pps(), slice({.type = 5})}));
  EXPECT_EQ(without.buffering(), VideoBuffering());
}

TEST(EsVideo, ReadsH264SpsThroughEmulationPrevention) {
  for (const bool interlaced : {false, true}) {
    VideoParser parser(StreamKind::h264);
    EXPECT_EQ(parser.inspect_start(join(
                  {aud(), h264_sps(interlaced), h264_pps(), slice({.type = 5, .interlaced = interlaced})})),
              RandomAccess::clean);
    ASSERT_TRUE(parser.format());
    const VideoFormat& f = *parser.format();
    EXPECT_EQ(f.width, 1920U);
    EXPECT_EQ(f.height, 1080U);
    EXPECT_EQ(f.frame_rate_num, 25U);
    EXPECT_EQ(f.frame_rate_den, 1U);
    EXPECT_EQ(f.interlaced, interlaced);
    EXPECT_EQ(f.codec, "avc1.640028");
  }
}

TEST(EsVideo, H264RecoveryPointSeiMakesARandomAccessPoint) {
  VideoParser parser(StreamKind::h264);
  EXPECT_EQ(parser.inspect_start(join({aud(), h264_sps(false), h264_pps(), recovery_sei(), slice({})})),
            RandomAccess::recovery_point);
  EXPECT_EQ(parser.inspect_start(join({aud(), slice({})})), RandomAccess::none)
      << "the SEI counts for one unit only";
}

TEST(EsVideo, H264RecoveryPointBehindTheFirstSliceDoesNotCount) {
  VideoParser parser(StreamKind::h264);
  EXPECT_EQ(parser.inspect_start(join({aud(), slice({}), recovery_sei(), slice({.frame_num = 1})})),
            RandomAccess::none);
}

TEST(EsVideo, H264TruncatedSeiIsNoRandomAccessPoint) {
  VideoParser parser(StreamKind::h264);
  EXPECT_EQ(parser.inspect_start(join({aud(), nal({0x06}, {4, 200, 6, 1, 0x80}), slice({})})),
            RandomAccess::none);
}

TEST(EsVideo, InspectStartSkipsTheTailOfTheUnitBefore) {
  VideoParser parser(StreamKind::h264);
  EXPECT_EQ(parser.inspect_start(join({{0x55, 0x66}, slice({.first_mb = 40}), aud(), slice({.type = 5})})),
            RandomAccess::clean);
}

TEST(EsVideo, SplitsH264AtDelimiterAndAtFirstMacroblock) {
  VideoParser parser(StreamKind::h264);
  const Bytes first =
      join({aud(), h264_sps(false), h264_pps(), slice({.type = 5}), slice({.type = 5, .first_mb = 60})});
  const Bytes second = join({aud(), recovery_sei(), slice({.frame_num = 1})});
  const Bytes third = slice({.ref = 0, .frame_num = 2});
  const auto split = parser.split(join({first, second, third}));
  EXPECT_FALSE(split.continues);
  ASSERT_EQ(split.units.size(), 3U);
  EXPECT_EQ(split.units[0].size, first.size());
  EXPECT_EQ(split.units[0].random_access, RandomAccess::clean);
  EXPECT_EQ(split.units[0].nal_type, 5);
  EXPECT_EQ(split.units[1].size, second.size());
  EXPECT_EQ(split.units[1].random_access, RandomAccess::recovery_point);
  EXPECT_EQ(split.units[2].size, third.size());
  EXPECT_EQ(split.units[2].random_access, RandomAccess::none);
}

TEST(EsVideo, SplitsH264WhereTheFirstSliceIsLost) {
  VideoParser parser(StreamKind::h264);
  parser.split(
      join({aud(), h264_sps(false), h264_pps(), slice({.type = 5}), slice({.type = 5, .first_mb = 60})}));
  const auto split =
      parser.split(join({slice({.type = 5, .first_mb = 90}), slice({.first_mb = 30, .frame_num = 1})}));
  EXPECT_TRUE(split.continues);
  EXPECT_EQ(split.units.size(), 2U);
}

TEST(EsVideo, H264FieldsAreUnitsAndTheSecondIsMarked) {
  VideoParser parser(StreamKind::h264);
  const auto field = [](unsigned frame_num, bool bottom) {
    return slice({.frame_num = frame_num, .interlaced = true, .field = true, .bottom = bottom});
  };
  const auto split = parser.split(
      join({aud(), h264_sps(true), h264_pps(), recovery_sei(), field(3, false), recovery_sei(),
            field(3, true), field(4, false), field(4, true), slice({.frame_num = 5, .interlaced = true})}));
  ASSERT_EQ(split.units.size(), 5U);
  const std::vector<bool> second{false, true, false, true, false};
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(split.units[i].second_field, second[i]) << i;
  EXPECT_EQ(split.units[0].random_access, RandomAccess::recovery_point);
  EXPECT_EQ(split.units[1].random_access, RandomAccess::none) << "nothing begins at a second field";
}

TEST(EsVideo, PayloadWithoutStartContinuesTheUnitBefore) {
  VideoParser parser(StreamKind::h264);
  parser.split(join({aud(), slice({})}));
  const auto none = parser.split(Bytes(100, 0x55));
  EXPECT_TRUE(none.continues);
  ASSERT_EQ(none.units.size(), 1U);
  EXPECT_EQ(none.units[0].size, 100U);
  const auto tail = parser.split(join({Bytes(7, 0x55), aud(), slice({.frame_num = 1})}));
  EXPECT_TRUE(tail.continues);
  ASSERT_EQ(tail.units.size(), 2U);
  EXPECT_EQ(tail.units[1].offset, 7U) << "zero_byte belongs to the unit it begins";
}

TEST(EsVideo, UnitWhosePictureComesWithTheNextPayloadIsOneUnit) {
  VideoParser parser(StreamKind::h264);
  EXPECT_EQ(parser.split(join({aud(), h264_sps(false), h264_pps()})).units.size(), 1U);
  const auto split = parser.split(slice({.type = 5}));
  EXPECT_TRUE(split.continues);
  ASSERT_EQ(split.units.size(), 1U);
  EXPECT_EQ(split.units[0].random_access, RandomAccess::clean);
}

TEST(EsVideo, SplitsCoverThePayloadWhereverItIsCut) {
  const Bytes stream = join({aud(), h264_sps(false), h264_pps(), slice({.type = 5}), aud(),
                             slice({.frame_num = 1}), aud(), recovery_sei(), slice({.frame_num = 2})});
  for (std::size_t cut = 1; cut < stream.size(); ++cut) {
    VideoParser parser(StreamKind::h264);
    const auto a = parser.split(std::span(stream).first(cut));
    const auto b = parser.split(std::span(stream).subspan(cut));
    EXPECT_EQ(total(a), cut);
    EXPECT_EQ(total(b), stream.size() - cut);
  }
}

Bytes hevc_nal(unsigned type, const Bytes& rbsp, unsigned layer = 0) {
  return nal(
      {static_cast<std::uint8_t>(type << 1 | layer >> 5), static_cast<std::uint8_t>((layer & 31) << 3 | 1)},
      rbsp);
}
BitWriter& ptl(BitWriter& w, bool high, std::uint64_t constraints) {
  return w.u(2, 0).u(1, high).u(5, 2).u(32, 0x20000000).u(48, constraints).u(8, 123);
}
Bytes hevc_sps(bool high, std::uint64_t constraints, bool hrd = false) {
  BitWriter w;
  w.u(4, 0).u(3, 0).u(1, 1);
  ptl(w, high, constraints);
  w.ue(0).ue(1).ue(1920).ue(1088).u(1, 1).ue(0).ue(0).ue(0).ue(4);  // crops 8 lines
  w.ue(2).ue(2).ue(4).u(1, 1).ue(4).ue(2).ue(0);
  for (int i = 0; i < 6; ++i) w.ue(1);
  w.u(1, 0).u(2, 3).u(1, 0);
  w.ue(2).ue(1).ue(1).ue(0).u(1, 1).ue(0).u(1, 1);          // first set: one before, one behind
  w.u(1, 1).u(1, 0).ue(0).u(1, 1).u(1, 0).u(1, 0).u(1, 1);  // second, predicted from it: three flags
  w.u(1, 1).ue(1).u(8, 5).u(1, 1);                          // one long-term picture
  w.u(2, 3);
  w.u(1, 1).u(1, 0).u(1, 0).u(1, 0).u(1, 0).u(3, 0).u(1, 0);
  w.u(1, 1).u(32, 1).u(32, 50).u(1, 0);
  if (hrd) {  // of two CPBs; the second: 31,250 << 6 + 1 b/s, 50,000 << 4 + 3 bits
    w.u(1, 1).u(1, 1).u(1, 0).u(1, 0).u(4, 1).u(4, 3).u(15, 0);
    w.u(1, 1).ue(0).ue(1).ue(9).ue(9).u(1, 0).ue(31'249).ue(49'999).u(1, 0);
    w.u(2, 0);
  } else {
    w.u(3, 0);
  }
  return hevc_nal(33, w.rbsp());
}

TEST(EsVideo, ReadsTheLastBufferOfAnHevcHrd) {
  const Bytes hrd = hevc_sps(false, 0, true), none = hevc_sps(false, 0);
  const VideoBuffering buffering = parse_hevc_sps_buffering(std::span(hrd).subspan(4));
  EXPECT_EQ(buffering.size_bits, 6'400'000U);
  EXPECT_EQ(buffering.rate_bps, 4'000'000U);
  EXPECT_EQ(parse_hevc_sps_buffering(std::span(none).subspan(4)), VideoBuffering());
}
Bytes hevc_slice(unsigned type, bool first = true) {
  return hevc_nal(type, {static_cast<std::uint8_t>(first ? 0xAF : 0x2F), 0x55, 0x66, 0x77});
}

TEST(EsVideo, ReadsHevcSpsAndWritesItsCodecString) {
  const struct {
    bool high;
    std::uint64_t constraints;
    const char* codec;
  } cases[] = {{false, 0xB00000000000, "hvc1.2.4.L123.B0"},
               {true, 0x900100000000, "hvc1.2.4.H123.90.1"},
               {false, 0, "hvc1.2.4.L123"},
               {false, 0x900000000010, "hvc1.2.4.L123.90.0.0.0.0.10"}};
  for (const auto& c : cases) {
    VideoParser parser(StreamKind::hevc);
    EXPECT_EQ(parser.inspect_start(join({hevc_sps(c.high, c.constraints), hevc_slice(19)})),
              RandomAccess::clean);
    ASSERT_TRUE(parser.format());
    EXPECT_EQ(parser.format()->codec, c.codec);
    EXPECT_EQ(parser.format()->width, 1920U);
    EXPECT_EQ(parser.format()->height, 1080U);
    EXPECT_EQ(parser.format()->frame_rate_num, 50U);
    EXPECT_EQ(parser.format()->frame_rate_den, 1U);
    EXPECT_FALSE(parser.format()->interlaced);
  }
}

TEST(EsVideo, HevcIrapPicturesAreRandomAccessPointsAndNoOthers) {
  for (unsigned type = 0; type < 32; ++type) {
    VideoParser parser(StreamKind::hevc);
    const bool irap = type >= 16 && type <= 21;
    EXPECT_EQ(parser.inspect_start(hevc_slice(type)), irap ? RandomAccess::clean : RandomAccess::none)
        << type;
    EXPECT_EQ(parser.split(hevc_slice(type)).units.at(0).nal_type, type);
  }
}

TEST(EsVideo, SplitsHevcAtFirstSegmentsOfTheBaseLayer) {
  VideoParser parser(StreamKind::hevc);
  const Bytes first = join({hevc_nal(35, {0x10}), hevc_slice(21), hevc_slice(21, false),
                            hevc_nal(1, {0xAF, 1, 2}, 1), hevc_nal(40, {0x80})});
  const Bytes second = hevc_slice(1);
  const Bytes third = join({hevc_nal(39, {1, 1, 0x80}), hevc_slice(1)});
  const auto split = parser.split(join({first, second, third}));
  ASSERT_EQ(split.units.size(), 3U);
  EXPECT_EQ(split.units[0].size, first.size());
  EXPECT_EQ(split.units[0].nal_type, 21);
  EXPECT_EQ(split.units[1].size, second.size());
}

Bytes sequence(bool extension, unsigned profile_level = 0x48) {
  Bytes out{0, 0, 1, 0xB3};
  append(out,
         BitWriter().u(12, 720).u(12, 576).u(4, 3).u(4, 3).u(18, 0x3FFFF).u(1, 1).u(10, 112).u(3, 0).bytes());
  if (extension) {
    append(out, {0, 0, 1, 0xB5});
    append(out, BitWriter()
                    .u(4, 1)
                    .u(8, profile_level)
                    .u(1, 0)
                    .u(2, 1)
                    .u(4, 0)
                    .u(12, 0)
                    .u(1, 1)
                    .u(8, 0)
                    .u(1, 0)
                    .u(7, 0)
                    .bytes());
  }
  return out;
}
Bytes gop(bool closed, bool broken) {
  return join({{0, 0, 1, 0xB8}, BitWriter().u(25, 0x1000).u(1, closed).u(1, broken).u(5, 0).bytes()});
}
Bytes picture(unsigned type, unsigned structure = 3, unsigned temporal = 0) {
  Bytes out{0, 0, 1, 0};
  append(out, BitWriter().u(10, temporal).u(3, type).u(16, 0xFFFF).u(3, 0).bytes());
  append(out, {0, 0, 1, 0xB5});
  append(out, BitWriter().u(4, 8).u(16, 0xFFFF).u(2, 0).u(2, structure).u(16, 0).bytes());
  return join({out, {0, 0, 1, 1, 0x55, 0x66}, {0, 0, 1, 2, 0x55, 0x66}});
}

TEST(EsVideo, Mpeg2RandomAccessIsByGopHeader) {
  const struct {
    Bytes bytes;
    RandomAccess expected;
  } cases[] = {{join({sequence(true), gop(true, false), picture(1)}), RandomAccess::clean},
               {join({sequence(true), gop(false, true), picture(1)}), RandomAccess::clean},
               {join({sequence(true), gop(false, false), picture(1)}), RandomAccess::recovery_point},
               {join({sequence(true), picture(1)}), RandomAccess::recovery_point},
               {join({gop(true, false), picture(1)}), RandomAccess::none},
               {join({sequence(true), gop(true, false), picture(2)}), RandomAccess::none},
               {picture(1), RandomAccess::none}};
  for (const auto& c : cases) {
    VideoParser parser(StreamKind::mpeg2_video);
    EXPECT_EQ(parser.inspect_start(c.bytes), c.expected);
    EXPECT_EQ(parser.split(c.bytes).units.at(0).random_access, c.expected);
  }
}

TEST(EsVideo, ReadsMpeg2SequenceAndItsObjectType) {
  const struct {
    bool extension;
    unsigned profile_level;
    const char* codec;
  } cases[] = {{true, 0x48, "mp4v.61"}, {true, 0x58, "mp4v.60"}, {true, 0x38, "mp4v.62"},
               {true, 0x26, "mp4v.63"}, {true, 0x14, "mp4v.64"}, {true, 0x85, "mp4v.65"},
               {false, 0, "mp4v.6A"}};
  for (const auto& c : cases) {
    VideoParser parser(StreamKind::mpeg2_video);
    parser.inspect_start(join({sequence(c.extension, c.profile_level), gop(true, false), picture(1)}));
    ASSERT_TRUE(parser.format());
    EXPECT_EQ(parser.format()->codec, c.codec);
    EXPECT_EQ(parser.format()->width, 720U);
    EXPECT_EQ(parser.format()->height, 576U);
    EXPECT_EQ(parser.format()->frame_rate_num, 25U);
    EXPECT_EQ(parser.format()->interlaced, c.extension);
  }
}

TEST(EsVideo, SplitsMpeg2AtPicturesAndMarksSecondFields) {
  VideoParser parser(StreamKind::mpeg2_video);
  const Bytes first = join({sequence(true), gop(true, false), picture(1, 1, 0)});
  const auto split =
      parser.split(join({first, picture(2, 2, 0), picture(3, 3, 1), join({gop(false, false), picture(1)})}));
  ASSERT_EQ(split.units.size(), 4U);
  EXPECT_EQ(split.units[0].size, first.size());
  EXPECT_FALSE(split.units[0].second_field);
  EXPECT_TRUE(split.units[1].second_field);
  EXPECT_FALSE(split.units[2].second_field);
  EXPECT_EQ(split.units[2].nal_type, 3) << "picture_coding_type B";
}

// 13818-2 5.2.3: the bits that a slice ends in may fill a byte of zeros.
TEST(EsVideo, LeavesMpeg2SlicesTheirLastZeros) {
  VideoParser parser(StreamKind::mpeg2_video);
  const Bytes first = join({sequence(true), gop(true, false), picture(1), Bytes{0, 0, 1, 1, 0x55, 0x80, 0}});
  const auto split = parser.split(join({first, picture(2)}));
  ASSERT_EQ(split.units.size(), 2U);
  EXPECT_EQ(split.units[0].size, first.size());
}

TEST(EsVideo, KindsThatAreNoVideoYieldNothing) {
  VideoParser parser(StreamKind::opus);
  EXPECT_EQ(parser.inspect_start(aud()), RandomAccess::none);
  EXPECT_TRUE(parser.split(aud()).units.empty());
  EXPECT_FALSE(parser.format());
}

}  // namespace
}  // namespace headgate::mpegts::es
