// One programme at several bitrates: which members are listed, and where their segments are (RFC 8216
// 4.3.4.2).
#include "dataplane/bridge/hls/adaptive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>

namespace headgate::bridge::hls {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::int64_t kSecond = mpegts::kTicksPerSecond;
constexpr std::int64_t kNow = 1'700'000'000'000'000'000;

class AdaptiveTest : public testing::Test {
 protected:
  struct Channel {
    std::unique_ptr<SegmentStore> store;
    std::string directory;
    std::uint64_t size;
  };
  ~AdaptiveTest() override {
    for (const Channel& channel : channels) SegmentStore::remove(channel.directory);
  }
  void make(std::uint64_t packets) {
    const std::string directory = testing::TempDir() + "bridge_adaptive_test_" + std::to_string(::getpid()) +
                                  "_" + std::to_string(channels.size());
    channels.push_back({std::make_unique<SegmentStore>(directory, 2000, 3), directory, packets * 188});
  }
  // A segment with a video file, AAC beside it, and smaller pictures unless they are missing.
  void add(Channel& channel, std::int64_t k, std::int64_t arrival, bool small = true) {
    channel.store->set_arrival(arrival, k * 2 * kSecond);
    FinishedSegment segment;
    segment.k = k;
    segment.start = k * 2 * kSecond;
    segment.duration = 2 * kSecond;
    segment.apart = true;
    const std::vector<std::uint8_t> bytes(channel.size, 0x47);
    segment.size = bytes.size();
    segment.pieces = {bytes};
    TrackFormat video{{mpegts::Pid{0x101}, 0x1B, mpegts::StreamKind::h264, "", true, ""}, {}, {}};
    video.video = mpegts::es::VideoFormat{mpegts::StreamKind::h264, 1280, 720, 25, 1, false, "avc1.64001f"};
    TrackFormat sound{{mpegts::Pid{0x110}, 0x0F, mpegts::StreamKind::aac_adts, "eng", true, ""}, {}, {}};
    TrackFormat smaller{{mpegts::Pid{0x120}, 0x1B, mpegts::StreamKind::h264, "", true, ""}, {}, {}};
    smaller.track.twin_of = mpegts::Pid{0x101};
    smaller.track.name = "abr-360p-9";
    smaller.video = mpegts::es::VideoFormat{mpegts::StreamKind::h264, 640, 360, 25, 1, false, "avc1.64001e"};
    segment.formats = {video, sound, smaller};
    const std::vector<std::uint8_t> less(188 * 5, 0x47);
    std::vector<SegmentFile> parts(2);
    parts[0].size = parts[1].size = less.size();
    parts[0].pieces = parts[1].pieces = {less};
    if (!small) parts[1].size = 0;
    segment.parts = parts;
    channel.store->on_segment(segment);
  }
  std::vector<Member> members() {
    return {{"sport", channels[0].store.get(), ""},
            {"sd", channels[1].store.get(), ""},
            {"sport", channels[0].store.get(), "abr-360p-9"}};
  }
  std::string list(std::int64_t now) {
    const auto text = adaptive.multivariant(members(), now);
    return text == nullptr ? "none" : text->content;
  }

  std::vector<Channel> channels;
  Adaptive adaptive;
};

TEST_F(AdaptiveTest, ListsTheMembersByBandwidthWithTheSoundOfTheBest) {
  make(100);
  make(300);
  EXPECT_EQ(list(kNow), "none");
  for (std::int64_t k = 100; k < 104; ++k) {
    add(channels[0], k, kNow);
    add(channels[1], k, kNow);
  }
  const std::string text = list(kNow);
  const std::size_t heavy = text.find("AUDIO=\"aac\"\nsd/index.video-2000.m3u8\n");
  const std::size_t light = text.find("AUDIO=\"aac\"\nsport/index.video-2000.m3u8\n");
  const std::size_t smallest = text.find("AUDIO=\"aac\"\nsport/index.abr-360p-9-2000.m3u8\n");
  ASSERT_NE(smallest, std::string::npos) << text;
  EXPECT_LT(heavy, light);
  EXPECT_LT(light, smallest);
  EXPECT_THAT(text, HasSubstr("CODECS=\"avc1.64001e,mp4a.40.2\",RESOLUTION=640x360"));
  EXPECT_THAT(text, HasSubstr("NAME=\"English\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,"
                              "URI=\"sport/index.aac-eng-2000.m3u8\"\n"));
  EXPECT_THAT(text, Not(HasSubstr("URI=\"sd/")));
}

TEST_F(AdaptiveTest, SegmentsAreThoseOfTheChannelItself) {
  make(100);
  make(300);
  for (std::int64_t k = 100; k < 104; ++k) add(channels[0], k, kNow);
  SegmentStore::Text text;
  ASSERT_TRUE(adaptive.find_playlist(members(), kNow, "sport", "index.aac-eng-2000.m3u8", text));
  const Entry& last = channels[0].store->entries().back();
  EXPECT_THAT(text->content, HasSubstr("\n../../sport/media/" + last.media + "/aac-eng/103.ts\n"));
  EXPECT_THAT(text->content, HasSubstr("#EXT-X-MEDIA-SEQUENCE:101\n"));
  SegmentStore::Text again;
  ASSERT_TRUE(adaptive.find_playlist(members(), kNow, "sport", "index.aac-eng-2000.m3u8", again));
  EXPECT_EQ(again, text);
  EXPECT_FALSE(adaptive.find_playlist(members(), kNow, "sport", "index.aac-fra-2000.m3u8", text));
  EXPECT_FALSE(adaptive.find_playlist(members(), kNow, "other", "index.aac-eng-2000.m3u8", text));
}

TEST_F(AdaptiveTest, AMemberThatBringsNothingLeavesTheListUntilItComesBack) {
  make(100);
  make(300);
  for (std::int64_t k = 100; k < 104; ++k) {
    add(channels[0], k, kNow);
    add(channels[1], k, kNow);
  }
  constexpr std::int64_t kLater = kNow + 11'000'000'000;
  add(channels[0], 104, kLater);
  EXPECT_THAT(list(kLater), Not(HasSubstr("sd/")));
  EXPECT_THAT(list(kLater), HasSubstr("\nsport/index.video-2000.m3u8\n"));
  SegmentStore::Text text;
  EXPECT_FALSE(adaptive.find_playlist(members(), kLater, "sd", "index.video-2000.m3u8", text))
      << "who plays it must be told to go elsewhere";
  add(channels[1], 104, kLater);
  EXPECT_THAT(list(kLater), HasSubstr("\nsd/index.video-2000.m3u8\n"));
  EXPECT_TRUE(adaptive.find_playlist(members(), kLater, "sd", "index.video-2000.m3u8", text));
  // None is left: any of them may come back.
  EXPECT_THAT(list(kLater + 60'000'000'000), HasSubstr("\nsd/index.video-2000.m3u8\n"));
}

TEST_F(AdaptiveTest, PicturesThatTheEncoderDoesNotBringLeaveTheListAlone) {
  make(100);
  make(300);
  for (std::int64_t k = 100; k < 104; ++k) add(channels[0], k, kNow);
  EXPECT_THAT(list(kNow), HasSubstr("index.abr-360p-9-2000.m3u8\n"));
  for (std::int64_t k = 104; k < 107; ++k) add(channels[0], k, kNow, false);
  EXPECT_THAT(list(kNow), Not(HasSubstr("abr-360p-9")));
  EXPECT_THAT(list(kNow), HasSubstr("\nsport/index.video-2000.m3u8\n"));
}

}  // namespace
}  // namespace headgate::bridge::hls
