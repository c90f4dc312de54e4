#include "dataplane/bridge/pull/m3u8.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::bridge::pull {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

MediaPlaylist media(const std::string& text) {
  const auto playlist = parse_playlist(text);
  EXPECT_TRUE(playlist) << playlist.error();
  if (!playlist || !std::holds_alternative<MediaPlaylist>(*playlist)) return {};
  return std::get<MediaPlaylist>(*playlist);
}

TEST(PullM3u8, ReadsALivePlaylist) {
  const auto p = media(
      "#EXTM3U\r\n#EXT-X-VERSION:6\r\n#EXT-X-TARGETDURATION:4\r\n#EXT-X-MEDIA-SEQUENCE:7794\r\n"
      "#EXT-X-DISCONTINUITY-SEQUENCE:2\r\n#EXT-X-INDEPENDENT-SEGMENTS\r\n\r\n#EXTINF:3.84,Title, with "
      "commas\r\n"
      "a.ts?t=1\r\n#EXT-X-DISCONTINUITY\r\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\r\n#EXTINF:4,\r\nb."
      "ts\r\n"
      "#EXT-X-GAP\r\n#EXTINF:4.000,\r\nc.ts\r\n# a comment\r\n");
  EXPECT_EQ(p.target, 4s);
  EXPECT_EQ(p.sequence, 7794U);
  EXPECT_FALSE(p.ended);
  ASSERT_EQ(p.segments.size(), 3U);
  EXPECT_EQ(p.segments[0].uri, "a.ts?t=1");
  EXPECT_EQ(p.segments[0].duration, 3840ms);
  EXPECT_FALSE(p.segments[0].discontinuity);
  EXPECT_TRUE(p.segments[1].discontinuity);
  EXPECT_FALSE(p.segments[1].gap);
  EXPECT_TRUE(p.segments[2].gap);
  EXPECT_EQ(p.refused, "");
}

TEST(PullM3u8, ReadsByteRanges) {
  const auto p = media(
      "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n#EXT-X-BYTERANGE:100@20\na.ts\n#EXTINF:2,\n#EXT-X-"
      "BYTERANGE:50\n"
      "a.ts\n#EXT-X-ENDLIST\n");
  ASSERT_EQ(p.segments.size(), 2U);
  EXPECT_EQ(p.segments[0].range, (SegmentRange{20, 100}));
  EXPECT_EQ(p.segments[1].range, (SegmentRange{120, 50}));
  EXPECT_TRUE(p.ended);
  EXPECT_FALSE(parse_playlist("#EXTM3U\n#EXTINF:2,\n#EXT-X-BYTERANGE:50\na.ts\n"));
  EXPECT_FALSE(parse_playlist("#EXTM3U\n#EXTINF:2,\n#EXT-X-BYTERANGE:0@5\na.ts\n"));
  EXPECT_FALSE(parse_playlist("#EXTM3U\n#EXTINF:2,\n#EXT-X-BYTERANGE:18446744073709551615@5\na.ts\n"));
}

TEST(PullM3u8, ReadsVariantsAndRenditions) {
  const auto parsed = parse_playlist(
      "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aud,1\",NAME=\"Deutsch\",LANGUAGE=\"de\",URI=\"de.m3u8\"\n"
      "#EXT-X-STREAM-INF:AVERAGE-BANDWIDTH=9,BANDWIDTH=1280000,CODECS=\"avc1.4d401f,mp4a.40.2\",RESOLUTION="
      "640x360,"
      "AUDIO=\"aud,1\"\nlow/index.m3u8\n#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=99999999,URI=\"i.m3u8\"\n"
      "#EXT-X-STREAM-INF:BANDWIDTH=5000000\nhigh/index.m3u8\n");
  ASSERT_TRUE(parsed) << parsed.error();
  const auto& p = std::get<MultivariantPlaylist>(*parsed);
  ASSERT_EQ(p.variants.size(), 2U);
  EXPECT_EQ(p.variants[0].bandwidth, 1'280'000U);
  EXPECT_EQ(p.variants[0].resolution, "640x360");
  EXPECT_EQ(p.variants[0].audio_group, "aud,1");
  EXPECT_EQ(p.variants[1].uri, "high/index.m3u8");
  ASSERT_EQ(p.renditions.size(), 1U);
  EXPECT_EQ(p.renditions[0].uri, "de.m3u8");
  EXPECT_EQ(p.renditions[0].group, "aud,1");
  EXPECT_EQ(p.renditions[0].language, "de");
}

TEST(PullM3u8, NamesWhatIsNotSupported) {
  const std::string end = "\n#EXTINF:2,\na\n";
  const std::string head = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n";
  EXPECT_THAT(media(head + "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"" + end).refused, HasSubstr("AES-128"));
  EXPECT_THAT(media(head + "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"" + end).refused,
              HasSubstr("not supported yet"));
  EXPECT_THAT(media(head + "#EXT-X-MAP:URI=\"init.mp4\"" + end).refused, HasSubstr("MP4"));
  EXPECT_THAT(media(head + "#EXT-X-DEFINE:NAME=\"a\",VALUE=\"b\"" + end).refused, HasSubstr("EXT-X-DEFINE"));
  EXPECT_EQ(media(head + "#EXT-X-KEY:METHOD=NONE" + end).refused, "");
}

TEST(PullM3u8, RefusesWhatIsNoPlaylist) {
  const struct {
    std::string text;
    const char* why;
  } cases[] = {{"", "empty"},
               {"<html>", "#EXTM3U"},
               {"#EXTM3U8\n", "#EXTM3U"},
               {"#EXTM3U\n", "neither"},
               {"#EXTM3U\na.ts\n", "line 2"},
               {"#EXTM3U\n#EXTINF:x,\na.ts\n", "EXTINF"},
               {"#EXTM3U\n#EXTINF:-1,\na.ts\n", "EXTINF"},
               {"#EXTM3U\n#EXTINF:nan,\na.ts\n", "EXTINF"},
               {"#EXTM3U\n#EXTINF:1e9,\na.ts\n", "EXTINF"},
               {"#EXTM3U\n#EXT-X-TARGETDURATION:\n", "TARGETDURATION"},
               {"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:99999999999999999999\n", "MEDIA-SEQUENCE"},
               {"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:18446744073709551615\n", "MEDIA-SEQUENCE"},
               {"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n", "no variant"},
               {"#EXTM3U\n#EXTINF:1,\na\n#EXT-X-STREAM-INF:BANDWIDTH=1\nb\n", "both"}};
  for (const auto& c : cases) {
    const auto parsed = parse_playlist(c.text);
    ASSERT_FALSE(parsed) << c.text;
    EXPECT_THAT(parsed.error(), HasSubstr(c.why));
  }
}

TEST(PullM3u8, BoundsWhatItKeeps) {
  std::string many = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n";
  for (std::size_t i = 0; i <= kMaxSegments; ++i) many += "#EXTINF:1,\na\n";
  EXPECT_THAT(parse_playlist(many).error(), HasSubstr("too many segments"));
  EXPECT_THAT(parse_playlist(std::string(kMaxPlaylist + 1, '\n')).error(), HasSubstr("8 MiB"));
  std::string variants = "#EXTM3U\n";
  for (std::size_t i = 0; i <= kMaxVariants; ++i) variants += "#EXT-X-STREAM-INF:BANDWIDTH=1\na\n";
  EXPECT_THAT(parse_playlist(variants).error(), HasSubstr("too many variants"));
}

TEST(PullM3u8, WithoutTargetDurationTheLongestSegmentServes) {
  EXPECT_EQ(media("#EXTM3U\n#EXTINF:2,\na\n#EXTINF:3.5,\nb\n").target, 3500ms);
}

}  // namespace
}  // namespace headgate::bridge::pull
