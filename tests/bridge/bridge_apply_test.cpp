// The desired state and its changes: what a change touches, and what it must not.
#include "dataplane/bridge/app/bridge.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

namespace headgate::bridge::app {
namespace {

namespace fs = std::filesystem;

class BridgeApplyTest : public testing::Test {
 protected:
  BridgeApplyTest() { fs::create_directories(directory); }
  ~BridgeApplyTest() override { fs::remove_all(directory); }

  static protocol::BridgeChannel channel(const std::string& id, std::uint32_t handle) {
    protocol::BridgeChannel made;
    made.id = id;
    made.handle = handle;
    made.hls = protocol::HlsState{2000, 7};
    return made;
  }
  // A finished segment, as if media had come.
  static void add_segments(Channel& channel, std::int64_t first, int count) {
    const std::vector<std::uint8_t> bytes(188, 0x47);
    for (std::int64_t k = first; k < first + count; ++k) {
      hls::FinishedSegment segment;
      segment.k = k;
      segment.start = k * 2 * mpegts::kTicksPerSecond;
      segment.duration = 2 * mpegts::kTicksPerSecond;
      segment.size = bytes.size();
      segment.pieces = {bytes};
      channel.store().on_segment(segment);
    }
  }
  const std::string directory = testing::TempDir() + "bridge_apply_test_" + std::to_string(::getpid());
  Bridge bridge{directory};
  protocol::BridgeState state;
};

TEST_F(BridgeApplyTest, OtherChannelsAreNotTouched) {
  state.channels = {channel("a", 1), channel("b", 2)};
  bridge.apply(state);
  Channel* a = bridge.find("a");
  add_segments(*a, 1000, 3);
  const auto text = a->store().media_text();
  state.channels[1].hls->segment_ms = 4000;
  state.channels.push_back(channel("c", 3));
  bridge.apply(state);
  EXPECT_EQ(bridge.find("a"), a);
  EXPECT_EQ(a->store().media_text(), text);
  state.channels = {channel("a", 1)};
  bridge.apply(state);
  EXPECT_EQ(bridge.find("a"), a);
  EXPECT_EQ(a->store().media_text(), text);
  EXPECT_EQ(bridge.channels().size(), 1U);
}

TEST_F(BridgeApplyTest, ARemovedChannelsFilesGo) {
  state.channels = {channel("a", 1), channel("b", 2)};
  bridge.apply(state);
  add_segments(*bridge.find("b"), 1000, 3);
  EXPECT_TRUE(fs::exists(directory + "/b/journal.json"));
  state.channels.pop_back();
  bridge.apply(state);
  EXPECT_EQ(bridge.find("b"), nullptr);
  EXPECT_FALSE(fs::exists(directory + "/b"));
  EXPECT_TRUE(fs::exists(directory + "/a"));
}

TEST_F(BridgeApplyTest, AChannelThatNoLongerServesHlsIsGone) {
  state.channels = {channel("a", 1)};
  bridge.apply(state);
  add_segments(*bridge.find("a"), 1000, 3);
  state.channels[0].hls.reset();
  bridge.apply(state);
  EXPECT_EQ(bridge.find("a"), nullptr);
  EXPECT_FALSE(fs::exists(directory + "/a"));
}

TEST_F(BridgeApplyTest, NameAndWindowChangeWithoutLosingASegment) {
  state.channels = {channel("a", 1)};
  bridge.apply(state);
  Channel* a = bridge.find("a");
  add_segments(*a, 1000, 12);
  EXPECT_EQ(a->store().listed(), 7U);
  state.channels[0].name = "Another name";
  state.channels[0].hls->window = 10;
  bridge.apply(state);
  EXPECT_EQ(bridge.find("a"), a);
  EXPECT_EQ(a->display_name(), "Another name");
  EXPECT_EQ(a->store().listed(), 10U);
  EXPECT_NE(a->store().media_text()->content.find("#EXT-X-MEDIA-SEQUENCE:1002\n"), std::string::npos);
}

TEST_F(BridgeApplyTest, AnotherHandleKeepsTheSegments) {
  state.channels = {channel("a", 1)};
  bridge.apply(state);
  add_segments(*bridge.find("a"), 1000, 4);
  const std::string before = bridge.find("a")->store().media_text()->content;
  state.channels[0].handle = 9;
  bridge.apply(state);
  ASSERT_NE(bridge.find("a")->store().media_text(), nullptr);
  EXPECT_EQ(bridge.find("a")->store().media_text()->content, before);
}

TEST_F(BridgeApplyTest, AnotherSegmentDurationBeginsAnew) {
  state.channels = {channel("a", 1)};
  bridge.apply(state);
  add_segments(*bridge.find("a"), 1000, 4);
  state.channels[0].hls->segment_ms = 4000;
  bridge.apply(state);
  EXPECT_EQ(bridge.find("a")->store().media_text(), nullptr);
  for (const auto& item : fs::directory_iterator(directory + "/a")) {
    EXPECT_NE(item.path().extension(), ".ts") << item.path();
  }
}

TEST_F(BridgeApplyTest, ViewersOfTheOldSegmentDurationSeeTheEndOfTheirPlaylist) {
  state.channels = {channel("a", 1)};
  bridge.apply(state);
  add_segments(*bridge.find("a"), 1000, 3);
  const std::string name = bridge.find("a")->store().media_name();
  const std::string media = bridge.find("a")->store().entries().back().media;
  state.channels[0].hls->segment_ms = 4000;
  bridge.apply(state);
  hls::SegmentStore& store = bridge.find("a")->store();
  EXPECT_NE(store.media_name(), name);
  hls::SegmentStore::Text text;
  ASSERT_TRUE(store.find_playlist(name, text));
  EXPECT_TRUE(text->content.ends_with("#EXT-X-ENDLIST\n"));
  EXPECT_NE(store.find(1002, media), nullptr);
}

TEST_F(BridgeApplyTest, SlotsOfHandlesThatNobodyHasAreCounted) {
  state.channels = {channel("a", 1)};
  bridge.apply(state);
  ring::Slot slot{};
  slot.channel = 7;
  bridge.on_slot(slot);
  EXPECT_EQ(bridge.slots(), 1U);
  EXPECT_EQ(bridge.unknown_slots(), 1U);
}

// What ends with a feed.
struct Ended : hub::FrameSink, hub::TsSink {
  void on_format(std::shared_ptr<const hub::FrameFormat>) override {}
  void on_frame(std::shared_ptr<const hub::Frame>) override {}
  void on_discontinuity() override {}
  void on_chunk(const std::shared_ptr<const hub::TsChunk>&) override {}
  void on_end() override { ++ends; }
  int ends = 0;
};

TEST_F(BridgeApplyTest, EachOutputComesAndGoesByItself) {
  state.channels = {channel("a", 1)};
  state.channels[0].hls.reset();
  state.channels[0].http_ts = state.channels[0].rtmp = true;
  state.channels[0].srt = protocol::SrtServeState{};
  bridge.apply(state);
  Channel* a = bridge.find("a");
  ASSERT_NE(a, nullptr);
  EXPECT_FALSE(a->serves_hls());
  ASSERT_NE(a->frames(), nullptr);
  ASSERT_NE(a->ts(), nullptr);
  Ended rtmp, srt;
  a->frames()->add(&rtmp);
  a->ts()->add(&srt);
  const auto viewer = a->open_ts();
  state.channels[0].srt.reset();
  state.channels[0].hls = protocol::HlsState{2000, 7};
  bridge.apply(state);
  EXPECT_EQ(bridge.find("a"), a);
  EXPECT_TRUE(a->serves_hls());
  EXPECT_EQ(srt.ends, 1);
  EXPECT_EQ(a->ts(), nullptr);
  EXPECT_EQ(rtmp.ends, 0);
  EXPECT_FALSE(viewer->ended());
  state.channels[0].http_ts = false;
  bridge.apply(state);
  EXPECT_TRUE(viewer->ended());
  EXPECT_EQ(rtmp.ends, 0);
  EXPECT_EQ(a->outputs().size(), 1U);
  state.channels.clear();
  bridge.apply(state);
  EXPECT_EQ(rtmp.ends, 1);
  EXPECT_EQ(srt.ends, 1);
}

TEST_F(BridgeApplyTest, FilesOfAChannelWithoutHlsGo) {
  state.channels = {channel("a", 1)};
  state.channels[0].rtmp = true;
  bridge.apply(state);
  add_segments(*bridge.find("a"), 1000, 3);
  EXPECT_TRUE(fs::exists(directory + "/a"));
  state.channels[0].hls.reset();
  bridge.apply(state);
  EXPECT_FALSE(fs::exists(directory + "/a"));
  EXPECT_NE(bridge.find("a"), nullptr);
}

}  // namespace
}  // namespace headgate::bridge::app
