#include "dataplane/bridge/rtmp/flv_reader.h"

#include <gmock/gmock.h>

#include "dataplane/bridge/rtmp/amf0.h"
#include "tests/bridge/fake_entry.h"
#include "tests/bridge/rtmp_h264.h"

namespace headgate::bridge::rtmp {
namespace {

using mpegts::StreamKind;
using test::aac_frame;
using test::avc_frame;
using test::avc_header;
using test::avcc;
using test::joined;
using test::kAacHeader;
using test::kPps;
using test::kSps;
using test::length_prefixed;
using test::Octets;
using test::slice;

constexpr std::int64_t kMs = 27'000;

class FlvReading : public testing::Test {
 protected:
  void say(MessageType type, std::uint32_t time, const Octets& body) {
    reader.on_message({6, static_cast<std::uint8_t>(type), 1, time, body});
  }
  void video(std::uint32_t time, const Octets& body) { say(MessageType::video, time, body); }
  void audio(std::uint32_t time, const Octets& body) { say(MessageType::audio, time, body); }
  void headers() {
    video(0, avc_header(avcc(kSps, kPps)));
    audio(0, kAacHeader);
  }
  static Octets picture(bool key, std::uint8_t composition = 0) {
    return avc_frame(key, length_prefixed(slice(key)), composition);
  }
  test::FrameLog log;
  FlvReader reader{log};
};

TEST_F(FlvReading, MakesFramesOfPicturesAndSound) {
  headers();
  video(100, picture(true, 40));
  audio(110, aac_frame());
  video(140, picture(false));
  ASSERT_EQ(log.formats.size(), 1U);
  const auto& tracks = log.formats[0]->tracks;
  ASSERT_EQ(tracks.size(), 2U);
  EXPECT_EQ(tracks[0].kind, StreamKind::h264);
  EXPECT_EQ(tracks[0].video->width, 320U);
  EXPECT_EQ(tracks[0].video->height, 180U);
  EXPECT_EQ(tracks[0].configuration[0], 1);
  EXPECT_EQ(tracks[1].kind, StreamKind::aac_adts);
  EXPECT_EQ(tracks[1].audio->sample_rate, 48'000U);
  EXPECT_EQ(tracks[1].audio->channels, 2U);
  EXPECT_EQ(tracks[1].configuration, (Octets{0x11, 0x90}));
  ASSERT_EQ(log.frames.size(), 3U);
  EXPECT_TRUE(log.frames[0]->random_access);
  EXPECT_EQ(log.frames[0]->track, 0);
  EXPECT_EQ(log.frames[0]->dts, 100 * kMs);
  EXPECT_EQ(log.frames[0]->pts, 140 * kMs);
  EXPECT_EQ(log.frames[0]->data, length_prefixed(slice(true)));
  EXPECT_EQ(log.frames[1]->track, 1);
  EXPECT_EQ(log.frames[1]->dts, 110 * kMs);
  EXPECT_EQ(log.frames[1]->duration, 27'000'000LL * 1024 / 48'000);
  EXPECT_EQ(log.frames[1]->data, Octets(10, 7));
  EXPECT_FALSE(log.frames[2]->random_access);
}

TEST_F(FlvReading, LeavesParametersDelimitersAndFillerOut) {
  headers();
  const Octets nals = joined({length_prefixed({0x09, 0xF0}), length_prefixed(kSps), length_prefixed(kPps),
                              length_prefixed({0x0C, 0xFF, 0x80}), length_prefixed({0x06, 5, 1, 2, 0x80}),
                              length_prefixed(slice(true))});
  video(0, avc_frame(true, nals));
  reader.finish();
  ASSERT_EQ(log.frames.size(), 1U);
  EXPECT_EQ(log.frames[0]->data,
            joined({length_prefixed({0x06, 5, 1, 2, 0x80}), length_prefixed(slice(true))}));
}

TEST_F(FlvReading, ReadsShorterLengths) {
  video(0, avc_header(avcc(kSps, kPps, 2)));
  video(0, avc_frame(true, length_prefixed(slice(true), 2)));
  reader.finish();
  ASSERT_EQ(log.frames.size(), 1U);
  EXPECT_EQ(log.frames[0]->data, length_prefixed(slice(true)));
  EXPECT_EQ(log.formats[0]->tracks[0].configuration[4] & 3, 3);  // ours has lengths of 4 bytes
}

TEST_F(FlvReading, ReadsHevc) {
  video(0, joined({{0x90, 'h', 'v', 'c', '1'}, test::hvcc()}));
  const Octets idr{0x26, 0x01, 0xAF, 0x11};
  video(0, joined({{0x93, 'h', 'v', 'c', '1'}, length_prefixed({0x46, 0x01, 0x50}), length_prefixed(idr)}));
  video(40,
        joined({{0x2C, 1, 0, 0, 0}, length_prefixed({0x02, 0x01, 0xD0})}));  // the old form: another codec's
  reader.finish();
  ASSERT_EQ(log.formats.size(), 1U);
  EXPECT_EQ(log.formats[0]->tracks[0].kind, StreamKind::hevc);
  EXPECT_EQ(log.formats[0]->tracks[0].video->width, 320U);
  ASSERT_EQ(log.frames.size(), 2U);
  EXPECT_EQ(log.frames[0]->data, length_prefixed(idr));
}

TEST_F(FlvReading, ReadsSoundsThatNameThemselves) {
  // MPEG-1 layer III, 128 kbit/s, 48 kHz: 384 bytes; two in a message.
  Octets mp3(384, 0);
  mp3[0] = 0xFF, mp3[1] = 0xFB, mp3[2] = 0x94, mp3[3] = 0x00;
  audio(1000, joined({{0x2F}, mp3, mp3}));
  reader.finish();
  ASSERT_EQ(log.frames.size(), 2U);
  EXPECT_EQ(log.formats.at(0)->tracks.at(0).kind, StreamKind::mpeg_audio);
  EXPECT_EQ(log.formats[0]->tracks[0].audio->codec, "mp4a.40.34");
  EXPECT_EQ(log.frames[0]->data, mp3);
  EXPECT_EQ(log.frames[1]->dts - log.frames[0]->dts, 27'000'000LL * 1152 / 48'000);
  // Layer II is not what FLV's MP3 means.
  Octets mp2 = mp3;
  mp2[1] = 0xFD;
  audio(2000, joined({{0x2F}, mp2}));
  EXPECT_EQ(reader.counters().unreadable, 1U);
}

TEST_F(FlvReading, WaitsForTheOtherTrackAtTheStart) {
  audio(0, kAacHeader);
  audio(0, aac_frame());
  audio(21, aac_frame());
  EXPECT_TRUE(log.frames.empty());
  video(30, avc_header(avcc(kSps, kPps)));
  video(30, picture(true));
  EXPECT_EQ(log.formats.size(), 1U);
  ASSERT_EQ(log.frames.size(), 3U);
  EXPECT_EQ(log.frames[0]->track, 1);
}

TEST_F(FlvReading, WaitsNoLongerThanASecond) {
  audio(0, kAacHeader);
  for (std::uint32_t ms = 0; ms < 1'000; ms += 20) audio(ms, aac_frame());
  EXPECT_TRUE(log.frames.empty());
  audio(1'000, aac_frame());
  EXPECT_EQ(log.frames.size(), 51U);
  audio(1'020, aac_frame());
  EXPECT_EQ(log.frames.size(), 52U);
}

TEST_F(FlvReading, DoesNotWaitForWhatTheMetadataDoNotName) {
  say(MessageType::data_amf0, 0,
      Amf0Writer()
          .string("@setDataFrame")
          .string("onMetaData")
          .ecma_array(2)
          .key("audiocodecid")
          .number(10)
          .key("encoder")
          .string("Encoder\n1")
          .end()
          .take());
  EXPECT_EQ(reader.encoder(), "Encoder?1");
  audio(0, kAacHeader);
  audio(0, aac_frame());
  EXPECT_EQ(log.frames.size(), 1U);
}

TEST_F(FlvReading, MakesANewFormatWhenParametersChange) {
  headers();
  video(0, picture(true));
  Octets other = kSps;
  other[3] = 0x1F;  // another level
  video(40, avc_header(avcc(other, kPps)));
  video(40, picture(true));
  audio(50, aac_frame());
  ASSERT_EQ(log.formats.size(), 2U);
  EXPECT_NE(log.formats[0]->tracks[0].configuration, log.formats[1]->tracks[0].configuration);
  // The same header again changes nothing.
  video(80, avc_header(avcc(other, kPps)));
  video(80, picture(true));
  EXPECT_EQ(log.formats.size(), 2U);
  // Parameters inside the stream alone.
  video(120, avc_frame(true,
                       joined({length_prefixed(kSps), length_prefixed(kPps), length_prefixed(slice(true))})));
  EXPECT_EQ(log.formats.size(), 3U);
  EXPECT_EQ(log.formats[2]->tracks[0].configuration, log.formats[0]->tracks[0].configuration);
}

TEST_F(FlvReading, UnrollsTimesOverTheirWrapWithoutDrift) {
  headers();
  std::uint32_t ms = 0xFFFF'FFFFU - 60'000;
  const std::int64_t first = ms;
  for (int i = 0; i < 3'000; ++i, ms += 40) video(ms, picture(i == 0));
  reader.finish();
  ASSERT_EQ(log.frames.size(), 3'000U);
  for (std::size_t i = 0; i < log.frames.size(); ++i)
    ASSERT_EQ(log.frames[i]->dts, (first + 40 * static_cast<std::int64_t>(i)) * kMs);
  EXPECT_EQ(log.discontinuities, 0);
}

TEST_F(FlvReading, TellsOfJumpsAndKeepsTimesFromFalling) {
  headers();
  video(100'000, picture(true));
  audio(100'000, aac_frame());
  video(99'500, picture(false));  // a little back: an encoder's fault
  EXPECT_EQ(log.frames.back()->dts, 100'000 * kMs);
  EXPECT_EQ(log.discontinuities, 0);
  video(10'000, picture(true));
  EXPECT_EQ(log.discontinuities, 1);
  EXPECT_EQ(log.frames.back()->dts, 10'000 * kMs);
  audio(10'000, aac_frame());
  EXPECT_EQ(log.discontinuities, 1);
  video(25'000, picture(true));
  EXPECT_EQ(log.discontinuities, 2);
  EXPECT_EQ(reader.counters().discontinuities, 2U);
}

TEST_F(FlvReading, NeverShowsAPictureBeforeItIsDecoded) {
  headers();
  video(100, joined({{0x17, 1, 0xFF, 0xFF, 0xD8}, length_prefixed(slice(true))}));
  reader.finish();
  EXPECT_EQ(log.frames.at(0)->pts, 100 * kMs);
}

TEST_F(FlvReading, TakesAggregatesApart) {
  const auto sub = [](std::uint8_t type, std::uint32_t time, const Octets& body) {
    const auto size = static_cast<std::uint8_t>(body.size());
    return joined({{type, 0, 0, size, static_cast<std::uint8_t>(time >> 16),
                    static_cast<std::uint8_t>(time >> 8), static_cast<std::uint8_t>(time), 0, 0, 0, 0},
                   body,
                   {0, 0, 0, static_cast<std::uint8_t>(size + 11)}});
  };
  headers();
  say(MessageType::aggregate, 5'000, joined({sub(9, 700, picture(true)), sub(8, 720, aac_frame())}));
  reader.finish();
  ASSERT_EQ(log.frames.size(), 2U);
  EXPECT_EQ(log.frames[0]->dts, 5'000 * kMs);
  EXPECT_EQ(log.frames[1]->dts, 5'020 * kMs);
  say(MessageType::aggregate, 6'000, Octets{9, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 1});
  EXPECT_EQ(reader.counters().unreadable, 1U);
}

TEST_F(FlvReading, CountsWhatItCanNotUse) {
  video(0, picture(true));
  audio(0, aac_frame());
  EXPECT_EQ(reader.counters().unconfigured, 2U);
  audio(0, Octets{0xAF, 0});  // parameters that the encoder does not know yet
  video(0, Octets{0x17, 0, 0, 0, 0});
  EXPECT_EQ(reader.counters().unreadable, 0U);
  video(0, avc_header({1, 2, 3}));
  video(0, avc_header(joined({{1, 0x64, 0, 13, 0xFF, 0xE1, 0xFF, 0xFF}, kSps})));
  EXPECT_EQ(reader.counters().unreadable, 2U);
  headers();
  video(0, avc_frame(true, {0, 0, 0, 99, 1, 2}));
  video(0, joined({{0x17, 1, 0x40, 0, 0}, length_prefixed(slice(true))}));  // shown in an hour
  EXPECT_EQ(reader.counters().unreadable, 4U);
  video(0, Octets{0x14, 1, 2, 3});
  audio(0, Octets{0xB6, 1, 2, 3});
  EXPECT_EQ(reader.counters().not_carried, 2U);
  ASSERT_EQ(reader.left_out().size(), 2U);
  EXPECT_EQ(reader.left_out()[0].reason, "the encoder sends VP6, which is not taken here");
  reader.finish();
  EXPECT_TRUE(log.frames.empty());
  for (int i = 0; i < 1'000; ++i)
    video(0, Octets{0x96, 0x11, 'a', 'v', 'c', '1', static_cast<std::uint8_t>(i | 1), 0, 0, 0});
  EXPECT_LE(reader.left_out().size(), FlvReader::kMaxLeftOut);
}

// One message of what would cost more than any encoder's.
TEST_F(FlvReading, TakesSoManyUnitsOfAMessageAndNoMore) {
  headers();
  const auto many = [](const Octets& piece) {
    Octets out;
    for (int i = 0; i < 3'000; ++i) out.insert(out.end(), piece.begin(), piece.end());
    return out;
  };
  const Octets body = aac_frame(4);
  const auto size = static_cast<std::uint8_t>(body.size());
  const Octets tag = joined({{8, 0, 0, size, 0, 0, 0, 0, 0, 0, 0}, body, {0, 0, 0, 17}});
  const Message aggregate{6, static_cast<std::uint8_t>(MessageType::aggregate), 1, 40, many(tag)};
  EXPECT_GE(reader.on_message(aggregate), FlvReader::kMaxUnits);
  reader.finish();
  EXPECT_EQ(log.frames.size(), FlvReader::kMaxUnits);
  EXPECT_EQ(reader.counters().unreadable, 1U);
  Octets mp3(24, 0);  // MPEG-2 layer III, 8 kbit/s, 24 kHz
  mp3[0] = 0xFF, mp3[1] = 0xF3, mp3[2] = 0x14;
  audio(80, joined({{0x2F}, many(mp3)}));
  EXPECT_EQ(log.frames.size(), 2 * FlvReader::kMaxUnits);
  EXPECT_EQ(reader.counters().unreadable, 2U);
  video(120, avc_frame(true, many(length_prefixed({0x65}))));
  EXPECT_EQ(log.frames.size(), 2 * FlvReader::kMaxUnits + 1) << "slices as small as they like";
  video(160, avc_frame(true, joined({many(length_prefixed({0x65})), many(length_prefixed({0x65})),
                                     many(length_prefixed({0x65}))})));
  EXPECT_EQ(log.frames.size(), 2 * FlvReader::kMaxUnits + 1);
  EXPECT_EQ(reader.counters().unreadable, 3U);
  EXPECT_EQ(reader.on_message({6, static_cast<std::uint8_t>(MessageType::audio), 1, 200, aac_frame()}), 1U);
}

// They are sent again before each key frame.
TEST_F(FlvReading, TakesNoParametersOfMegabytes) {
  Octets record = avcc(kSps, kPps);
  Octets pps(60'000, 0x5A);
  pps[0] = 0x68, pps[1] = 0x48;
  record[record.size() - kPps.size() - 3] = 3;  // numOfPictureParameterSets
  for (int i = 0; i < 2; ++i) record = joined({record, {0xEA, 0x60}, pps});
  video(0, avc_header(record));
  EXPECT_EQ(reader.counters().unreadable, 1U);
  headers();
  Octets nals;
  for (std::uint8_t id = 0; id < 60; ++id) {
    pps[1] = 0x04, pps[2] = static_cast<std::uint8_t>(id << 2);  // other numbers
    pps.resize(3'000);
    nals = joined({nals, length_prefixed(pps)});
  }
  video(0, avc_frame(true, joined({nals, length_prefixed(slice(true))})));
  reader.finish();
  ASSERT_FALSE(log.frames.empty());
  EXPECT_LE(log.formats.back()->tracks[0].configuration.size(), hub::ParameterSets::kMaxBytes + 1'000);
  EXPECT_GT(log.frames.back()->data.size(), 100'000U) << "what has no room stays in its frame";
}

TEST_F(FlvReading, KeepsTimesInTheirRangeHoweverFarTheyLeap) {
  headers();
  std::uint32_t time = 0;
  for (int i = 0; i < 6'000; ++i) video(time += 0x7FFF'FFFF, picture(true));
  reader.finish();
  ASSERT_EQ(log.frames.size(), 6'000U);
  for (const auto& frame : log.frames) ASSERT_LT(frame->dts, std::int64_t{1} << 56);
  EXPECT_GE(reader.counters().discontinuities, 5'999U);
}

TEST_F(FlvReading, HoldsLittleBack) {
  audio(0, kAacHeader);
  for (int i = 0; i < 5'000; ++i) audio(0, aac_frame(1));
  EXPECT_GE(log.frames.size(), 4'000U);
}

}  // namespace
}  // namespace headgate::bridge::rtmp
