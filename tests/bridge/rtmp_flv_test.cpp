#include "dataplane/bridge/rtmp/flv.h"

#include <gtest/gtest.h>

#include "dataplane/bridge/rtmp/amf0.h"
#include "dataplane/bridge/rtmp/command.h"

namespace headgate::bridge::rtmp {
namespace {

using Bytes = std::vector<std::uint8_t>;
using mpegts::StreamKind;

Bytes bytes_of(const TagHead& head) { return {head.span().begin(), head.span().end()}; }

hub::FrameTrack video(StreamKind kind) {
  hub::FrameTrack track{mpegts::Pid{100}, kind, "", {1, 2, 3}, mpegts::es::VideoFormat{}, {}};
  track.video->width = 1280;
  track.video->height = 720;
  track.video->frame_rate_num = 50;
  track.video->frame_rate_den = 1;
  return track;
}

hub::FrameTrack audio(StreamKind kind, const std::string& codec, std::uint16_t pid = 101) {
  hub::FrameTrack track{
      mpegts::Pid{pid}, kind, "deu", {}, {}, mpegts::es::AudioFormat{kind, 48000, 2, 1024, codec}};
  if (kind == StreamKind::aac_adts) track.configuration = {0x11, 0x90};
  return track;
}

TEST(RtmpFlv, VideoHeadsAreTheKnownBytes) {
  EXPECT_EQ(bytes_of(video_head(Codec::h264, true, 80)), (Bytes{0x17, 1, 0, 0, 80}));
  EXPECT_EQ(bytes_of(video_head(Codec::h264, false, -1)), (Bytes{0x27, 1, 0xFF, 0xFF, 0xFF}));
  EXPECT_EQ(bytes_of(video_head(Codec::hevc, true, 80)), (Bytes{0x91, 'h', 'v', 'c', '1', 0, 0, 80}));
  EXPECT_EQ(bytes_of(video_head(Codec::hevc, false, 0)), (Bytes{0xA1, 'h', 'v', 'c', '1', 0, 0, 0}));
  EXPECT_EQ(bytes_of(video_head(Codec::h264, false, 1 << 30)), (Bytes{0x27, 1, 0x7F, 0xFF, 0xFF}));
  EXPECT_EQ(bytes_of(video_head(Codec::h264, false, -(1 << 30))), (Bytes{0x27, 1, 0x80, 0, 0}));
}

TEST(RtmpFlv, AudioHeadsAreTheKnownBytes) {
  mpegts::es::AudioFormat format{StreamKind::mpeg_audio, 44100, 2, 1152, "mp4a.40.34"};
  EXPECT_EQ(bytes_of(audio_head(Codec::aac, format)), (Bytes{0xAF, 1}));
  EXPECT_EQ(bytes_of(audio_head(Codec::mp3, format)), Bytes{0x2F});
  format.sample_rate = 22050;
  format.channels = 1;
  EXPECT_EQ(bytes_of(audio_head(Codec::mp3, format)), Bytes{0x2A});
  EXPECT_EQ(bytes_of(audio_head(Codec::ac3, format)), (Bytes{0x91, 'a', 'c', '-', '3'}));
  EXPECT_EQ(bytes_of(audio_head(Codec::eac3, format)), (Bytes{0x91, 'e', 'c', '-', '3'}));
}

TEST(RtmpFlv, SequenceHeadersAndEndsAreTheKnownBytes) {
  const Bytes configuration{1, 2};
  EXPECT_EQ(sequence_header(Codec::h264, configuration), (Bytes{0x17, 0, 0, 0, 0, 1, 2}));
  EXPECT_EQ(sequence_header(Codec::hevc, configuration), (Bytes{0x90, 'h', 'v', 'c', '1', 1, 2}));
  EXPECT_EQ(sequence_header(Codec::aac, configuration), (Bytes{0xAF, 0, 1, 2}));
  EXPECT_TRUE(sequence_header(Codec::mp3, configuration).empty());
  EXPECT_EQ(sequence_end(Codec::h264), (Bytes{0x17, 2, 0, 0, 0}));
  EXPECT_EQ(sequence_end(Codec::hevc), (Bytes{0x92, 'h', 'v', 'c', '1'}));
}

TEST(RtmpFlv, TakesAacBeforeMp3BeforeAc3) {
  const auto ac3 = audio(StreamKind::ac3, "ac-3", 1);
  const auto mp3 = audio(StreamKind::mpeg_audio, "mp4a.40.34", 2);
  const auto aac = audio(StreamKind::aac_adts, "mp4a.40.2", 3);
  EXPECT_EQ(choose({{ac3, mp3, aac}})->audio_track, 2);
  EXPECT_EQ(choose({{ac3, mp3}})->audio_track, 1);
  EXPECT_EQ(choose({{ac3}})->audio, Codec::ac3);
  EXPECT_FALSE(choose({{ac3}})->video_track);
}

TEST(RtmpFlv, NamesWhatIsNotCarriedAndWhy) {
  const auto carriage = choose({{video(StreamKind::h264), audio(StreamKind::mpeg_audio, "mp4a.40.33", 7),
                                 video(StreamKind::mpeg2_video), audio(StreamKind::aac_adts, "mp4a.40.2", 8),
                                 audio(StreamKind::aac_adts, "mp4a.40.2", 9)}});
  EXPECT_EQ(carriage->audio_track, 3);
  ASSERT_EQ(carriage->left_out.size(), 3U);
  EXPECT_EQ(carriage->left_out[0].track.pid.value, 7);
  EXPECT_EQ(carriage->left_out[0].reason, "RTMP has no MPEG audio layer I and II, only layer III");
  EXPECT_EQ(carriage->left_out[1].reason, "RTMP has no MPEG-2 video");
  EXPECT_EQ(carriage->left_out[2].reason, "RTMP carries one video and one sound, and another was taken");
}

TEST(RtmpFlv, MetadataNamesTheStreams) {
  const auto values =
      parse_amf0(choose({{video(StreamKind::h264), audio(StreamKind::aac_adts, "mp4a.40.2")}})->metadata);
  ASSERT_TRUE(values);
  ASSERT_EQ(values->size(), 2U);
  EXPECT_EQ((*values)[0].text, "onMetaData");
  EXPECT_EQ((*values)[1].number_of("width"), 1280);
  EXPECT_EQ((*values)[1].number_of("height"), 720);
  EXPECT_EQ((*values)[1].number_of("framerate"), 50);
  EXPECT_EQ((*values)[1].number_of("videocodecid"), 7);
  EXPECT_EQ((*values)[1].number_of("audiocodecid"), 10);
  EXPECT_EQ((*values)[1].number_of("audiosamplerate"), 48000);
  EXPECT_EQ((*values)[1].text_of("encoder"), "Headgate");
  const auto hevc = parse_amf0(choose({{video(StreamKind::hevc)}})->metadata);
  EXPECT_EQ((*hevc)[1].number_of("videocodecid"), 0x68766331);
}

TEST(RtmpFlv, ConvertsEachTimeByItself) {
  EXPECT_EQ(to_ms(0), 0);
  EXPECT_EQ(to_ms(13'499), 0);
  EXPECT_EQ(to_ms(13'500), 1);
  EXPECT_EQ(to_ms(-13'500), 0);
  EXPECT_EQ(to_ms(-13'501), -1);
  // 90,000 frames of 29.97 Hz: no drift.
  EXPECT_EQ(to_ms(std::int64_t{90'000} * 900'900), 3'003'000);
}

TEST(RtmpCommand, ReadsCodecsThatTheClientLists) {
  const auto codecs = [](const Bytes& object) { return codecs_of((*parse_amf0(object))[0]); };
  EXPECT_TRUE(codecs(Amf0Writer().object().end().take()).hvc1);
  const Bytes list{3, 0, 10, 'f', 'o', 'u', 'r', 'C', 'c', 'L', 'i', 's', 't', 10,
                   0, 0, 0,  1,   2,   0,   4,   'h', 'v', 'c', '1', 0,   0,   9};
  EXPECT_TRUE(codecs(list).hvc1);
  EXPECT_FALSE(codecs(list).ac3);
  const auto map = [&](const char* name, double mask) {
    return codecs(
        Amf0Writer().object().key("videoFourCcInfoMap").object().key(name).number(mask).end().end().take());
  };
  EXPECT_TRUE(map("hvc1", 1).hvc1);
  EXPECT_TRUE(map("*", 5).hvc1);
  EXPECT_FALSE(map("hvc1", 4).hvc1);  // forwards, can't decode
  EXPECT_FALSE(map("av01", 1).hvc1);
}

TEST(RtmpCommand, FindsTheChannelInAStreamName) {
  EXPECT_EQ(channel_of("news"), "news");
  EXPECT_EQ(channel_of("news?token=1&x=2"), "news");
  EXPECT_EQ(channel_of("mp4:news"), "news");
  EXPECT_EQ(channel_of("flv:news?a"), "news");
  EXPECT_EQ(channel_of(""), "");
}

TEST(RtmpCommand, Amf3CommandsHaveAZeroInFront) {
  const Bytes command = Amf0Writer().string("play").number(3).null().string("news").take();
  Bytes amf3{0};
  amf3.insert(amf3.end(), command.begin(), command.end());
  ASSERT_TRUE(parse_command(command, false));
  ASSERT_TRUE(parse_command(amf3, true));
  EXPECT_EQ(parse_command(amf3, true)->text(0), "news");
  EXPECT_FALSE(parse_command(command, true));
  EXPECT_FALSE(parse_command({}, true));
}

}  // namespace
}  // namespace headgate::bridge::rtmp
