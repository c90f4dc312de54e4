#include "dataplane/bridge/rtmp/flv_tag.h"

#include <gmock/gmock.h>

#include "tests/bridge/rtmp_h264.h"

namespace headgate::bridge::rtmp {
namespace {

using test::joined;
using test::Octets;
using testing::ElementsAre;

Octets text(const char* four_cc) { return {four_cc, four_cc + 4}; }

Octets bytes_of(std::span<const std::uint8_t> data) { return {data.begin(), data.end()}; }

TEST(FlvTag, ReadsTheOldFormOfH264) {
  const Octets frame{0x27, 1, 0xFF, 0xFF, 0xFE, 9, 8};
  const auto tag = parse_video_tag(frame);
  ASSERT_TRUE(tag);
  EXPECT_EQ(tag->kind, TagKind::frame);
  EXPECT_EQ(tag->codec, Codec::h264);
  EXPECT_FALSE(tag->key);
  EXPECT_EQ(tag->composition_ms, -2);
  EXPECT_THAT(bytes_of(tag->data), ElementsAre(9, 8));
  const Octets header{0x17, 0, 0, 0, 0, 1};
  EXPECT_EQ(parse_video_tag(header)->kind, TagKind::configuration);
  const Octets end{0x17, 2, 0, 0, 0};
  EXPECT_EQ(parse_video_tag(end)->kind, TagKind::nothing);
  const Octets cut{0x17, 1, 0, 0};
  EXPECT_FALSE(parse_video_tag(cut));
}

TEST(FlvTag, ReadsHevcInItsOldAndItsEnhancedForm) {
  const Octets old{0x1C, 1, 0, 0, 40, 7};
  EXPECT_EQ(parse_video_tag(old)->codec, Codec::hevc);
  EXPECT_EQ(parse_video_tag(old)->composition_ms, 40);
  const Octets coded = joined({{0x91}, text("hvc1"), {0, 0, 40, 7}});
  const auto tag = parse_video_tag(coded);
  ASSERT_TRUE(tag);
  EXPECT_EQ(tag->codec, Codec::hevc);
  EXPECT_TRUE(tag->key);
  EXPECT_EQ(tag->composition_ms, 40);
  EXPECT_THAT(bytes_of(tag->data), ElementsAre(7));
  const Octets without_composition = joined({{0xA3}, text("hvc1"), {7, 6}});
  const auto x = parse_video_tag(without_composition);
  EXPECT_EQ(x->kind, TagKind::frame);
  EXPECT_FALSE(x->key);
  EXPECT_EQ(x->composition_ms, 0);
  EXPECT_THAT(bytes_of(x->data), ElementsAre(7, 6));
  const Octets start = joined({{0x90}, text("hvc1"), {1}});
  EXPECT_EQ(parse_video_tag(start)->kind, TagKind::configuration);
  const Octets cut = joined({{0x91}, text("hvc1"), {0, 0}});
  EXPECT_FALSE(parse_video_tag(cut));
}

// FFmpeg 8.1 marks colour metadata as frame type 5 too.
TEST(FlvTag, TakesMetadataForMetadataWhateverTheFrameTypeSays) {
  const Octets metadata = joined({{0xD4}, text("hvc1"), {2, 0, 1, 'x'}});
  EXPECT_EQ(parse_video_tag(metadata)->kind, TagKind::nothing);
  const Octets command{0xD1, 0};
  EXPECT_EQ(parse_video_tag(command)->kind, TagKind::nothing);
  const Octets old_command{0x57, 0};
  EXPECT_EQ(parse_video_tag(old_command)->kind, TagKind::nothing);
}

TEST(FlvTag, PassesOverModifiers) {
  // A nanosecond offset of 500, then an unknown modifier of 256 bytes (its size escaped), then coded frames.
  const Octets body = joined(
      {{0x97, 2, 0, 1, 0xF4, 0x07, 0xFF, 0, 0xFF}, Octets(256, 3), {0x11}, text("hvc1"), {0, 0, 1, 9}});
  const auto tag = parse_video_tag(body);
  ASSERT_TRUE(tag);
  EXPECT_EQ(tag->nanoseconds, 500U);
  EXPECT_EQ(tag->composition_ms, 1);
  EXPECT_THAT(bytes_of(tag->data), ElementsAre(9));
  const Octets endless{0x97, 0xFF, 0xFF};
  EXPECT_FALSE(parse_video_tag(endless));
}

TEST(FlvTag, TakesTrackNullOfManyAndNamesTheOthers) {
  const Octets many =
      joined({{0x96, 0x11}, text("avc1"), {1, 0, 0, 4, 0, 0, 0, 8}, {0, 0, 0, 4, 0, 0, 2, 9}});
  const auto tag = parse_video_tag(many);
  ASSERT_TRUE(tag);
  EXPECT_EQ(tag->codec, Codec::h264);
  EXPECT_EQ(tag->composition_ms, 2);
  EXPECT_THAT(bytes_of(tag->data), ElementsAre(9));
  EXPECT_THAT(tag->other_tracks, ElementsAre(1));
  const Octets codecs =
      joined({{0x95, 0x21}, text("Opus"), {3, 0, 0, 1, 5}, text("mp4a"), {0, 0, 0, 2, 6, 7}});
  const auto sound = parse_audio_tag(codecs);
  ASSERT_TRUE(sound);
  EXPECT_EQ(sound->codec, Codec::aac);
  EXPECT_THAT(bytes_of(sound->data), ElementsAre(6, 7));
  EXPECT_THAT(sound->other_tracks, ElementsAre(3));
  const Octets one = joined({{0x95, 0x01}, text("ac-3"), {0, 1, 2, 3}});
  EXPECT_EQ(parse_audio_tag(one)->codec, Codec::ac3);
  EXPECT_EQ(parse_audio_tag(one)->data.size(), 3U);
  const Octets too_long = joined({{0x96, 0x11}, text("avc1"), {0, 0xFF, 0xFF, 0xFF, 1}});
  EXPECT_FALSE(parse_video_tag(too_long));
}

TEST(FlvTag, ReadsSound) {
  const Octets raw{0xAF, 1, 5};
  EXPECT_EQ(parse_audio_tag(raw)->codec, Codec::aac);
  EXPECT_EQ(parse_audio_tag(raw)->kind, TagKind::frame);
  const Octets header{0xAF, 0, 0x11, 0x90};
  EXPECT_EQ(parse_audio_tag(header)->kind, TagKind::configuration);
  const Octets mp3{0x2F, 1, 2, 3};
  EXPECT_EQ(parse_audio_tag(mp3)->codec, Codec::mp3);
  EXPECT_EQ(parse_audio_tag(mp3)->data.size(), 3U);
  const Octets eac3 = joined({{0x91}, text("ec-3"), {0x0B, 0x77}});
  EXPECT_EQ(parse_audio_tag(eac3)->codec, Codec::eac3);
  // FFmpeg announces AC-3 by its channels.
  const Octets channels = joined({{0x94}, text("ac-3"), {1, 1, 0, 0, 0, 4}});
  EXPECT_EQ(parse_audio_tag(channels)->kind, TagKind::nothing);
  EXPECT_EQ(parse_audio_tag({})->kind, TagKind::nothing);
  const Octets cut{0xAF};
  EXPECT_FALSE(parse_audio_tag(cut));
}

TEST(FlvTag, NamesWhatIsNotCarried) {
  const Octets vp6{0x14, 0};
  EXPECT_EQ(parse_video_tag(vp6)->codec, Codec::none);
  EXPECT_EQ(parse_video_tag(vp6)->name, "VP6");
  const Octets av1 = joined({{0x91}, text("av01"), {1}});
  EXPECT_EQ(parse_video_tag(av1)->name, "av01");
  const Octets speex{0xB6, 1};
  EXPECT_EQ(parse_audio_tag(speex)->name, "Speex");
}

}  // namespace
}  // namespace headgate::bridge::rtmp
