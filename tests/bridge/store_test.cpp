// The window and its discontinuity sequence (RFC 8216 6.2.2), over restarts too.
#include "dataplane/bridge/hls/store.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <regex>

namespace headgate::bridge::hls {
namespace {

constexpr std::int64_t kSecond = mpegts::kTicksPerSecond;

class StoreTest : public testing::Test {
 protected:
  ~StoreTest() override { SegmentStore::remove(directory); }
  std::unique_ptr<SegmentStore> make(std::uint32_t window = 3) {
    auto made = std::make_unique<SegmentStore>(directory, 2000, window);
    made->set_arrival(k0 * 2 * 1'000'000'000, k0 * 2 * kSecond);
    return made;
  }
  void add(SegmentStore& store, std::int64_t k, bool discontinuity = false) {
    FinishedSegment segment;
    segment.k = k;
    segment.start = k * 2 * kSecond;
    segment.duration = 2 * kSecond;
    segment.discontinuity = discontinuity;
    segment.size = bytes.size();
    segment.pieces = {bytes};
    store.on_segment(segment);
  }
  static std::string head(const SegmentStore& store) {
    const std::string& text = store.media_text()->content;
    return text.substr(0, text.find("#EXT-X-PROGRAM"));
  }
  const std::string directory = testing::TempDir() + "bridge_store_test_" + std::to_string(::getpid());
  const std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(188, 0x47);
  static constexpr std::int64_t k0 = 850'000'000;
};

TEST_F(StoreTest, TheDiscontinuitySequenceGrowsOnlyWhenAMarkLeavesThePlaylist) {
  auto store = make();
  add(*store, k0);
  add(*store, k0 + 1, true);
  add(*store, k0 + 2);
  EXPECT_EQ(head(*store),
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:850000000\n"
            "#EXT-X-INDEPENDENT-SEGMENTS\n");
  add(*store, k0 + 3);
  // The marked segment is first now; its mark stands before it and is not counted yet.
  EXPECT_EQ(head(*store),
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:850000001\n"
            "#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-DISCONTINUITY\n");
  add(*store, k0 + 4);
  const std::string counted =
      "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:850000002\n"
      "#EXT-X-DISCONTINUITY-SEQUENCE:1\n#EXT-X-INDEPENDENT-SEGMENTS\n";
  EXPECT_EQ(head(*store), counted);
  const std::string before = store->media_text()->content;
  const std::string etag = store->media_text()->etag;
  store = make();
  EXPECT_EQ(store->media_text()->content, before);
  EXPECT_EQ(store->media_text()->etag, etag);
  // Until it leaves the disk too, and after: the same count.
  for (std::int64_t k = k0 + 5; k < k0 + 16; ++k) add(*store, k);
  EXPECT_NE(head(*store).find("#EXT-X-DISCONTINUITY-SEQUENCE:1\n"), std::string::npos);
  store = make();
  EXPECT_NE(head(*store).find("#EXT-X-DISCONTINUITY-SEQUENCE:1\n"), std::string::npos);
}

TEST_F(StoreTest, NumbersThatLeapBeginAnewBehindAMarkAndTheCountGoesOn) {
  auto store = make();
  add(*store, k0, true);
  add(*store, k0 + 1);
  add(*store, k0 - 500'000, true);
  EXPECT_EQ(store->listed(), 1U);
  EXPECT_EQ(head(*store),
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:849500000\n"
            "#EXT-X-DISCONTINUITY-SEQUENCE:1\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-DISCONTINUITY\n");
}

TEST_F(StoreTest, NumbersNeverGoBackUnderOneAddress) {
  auto store = make();
  add(*store, k0);
  add(*store, k0 + 1);
  const std::string old_name = store->media_name();
  const std::string old_media = store->entries().back().media;
  const std::string old_text = store->media_text()->content;
  add(*store, k0 - 500'000, true);
  EXPECT_NE(store->media_name(), old_name);
  EXPECT_NE(store->entries().back().media, old_media)
      << "a cache would serve the old bytes under the new address";
  EXPECT_TRUE(store->multivariant_text()->content.ends_with("\n" + store->media_name() + "\n"));
  // Who plays the old one sees its end, and can fetch what it lists.
  SegmentStore::Text text;
  ASSERT_TRUE(store->find_playlist(old_name, text));
  EXPECT_EQ(text->content, old_text + "#EXT-X-ENDLIST\n");
  EXPECT_NE(store->find(k0 + 1, old_media), nullptr);
  ASSERT_TRUE(store->find_playlist(store->media_name(), text));
  EXPECT_EQ(text->content.find("ENDLIST"), std::string::npos);
  const std::string name = store->media_name();
  store = make();
  EXPECT_EQ(store->media_name(), name) << "a restart forgot that numbers went back";
}

TEST_F(StoreTest, WhatWasRetiredStaysUntilItsViewersHavePlayedIt) {
  using namespace std::chrono_literals;
  auto store = make();
  EXPECT_EQ(store->retire(), nullptr);
  for (std::int64_t k = k0; k < k0 + 5; ++k) add(*store, k);
  const std::string media = store->entries().back().media;
  const std::string name = store->media_name();
  auto retired = store->retire();
  ASSERT_NE(retired, nullptr);
  store.reset();
  store = std::make_unique<SegmentStore>(directory, 4000, 3);
  store->adopt(std::move(retired));
  EXPECT_NE(store->media_name(), name);
  SegmentStore::Text text;
  ASSERT_TRUE(store->find_playlist(store->media_name(), text));
  EXPECT_EQ(text, nullptr);
  EXPECT_FALSE(store->find_playlist("index.media-1.m3u8", text));
  const auto now = std::chrono::steady_clock::now();
  store->on_tick(now);
  store->on_tick(now + 14s);  // (2 * 3 + 1) segments of 2 s
  ASSERT_TRUE(store->find_playlist(name, text));
  EXPECT_TRUE(text->content.ends_with("#EXT-X-ENDLIST\n"));
  ASSERT_NE(store->find(k0 + 4, media), nullptr);
  EXPECT_EQ(store->find(k0 + 4, media)->bytes().size(), bytes.size());
  store->on_tick(now + 15s);
  EXPECT_FALSE(store->find_playlist(name, text));
  EXPECT_EQ(store->find(k0 + 4, media), nullptr);
}

TEST_F(StoreTest, AGapThatCarriesNoMarkCountsNothing) {
  auto store = make();
  add(*store, k0);
  store->on_gap(k0 + 1, (k0 + 1) * 2 * kSecond, 2 * kSecond);
  for (std::int64_t k = k0 + 2; k < k0 + 8; ++k) add(*store, k);
  EXPECT_EQ(head(*store).find("DISCONTINUITY-SEQUENCE"), std::string::npos);
}

TEST_F(StoreTest, AnotherWindowKeepsSegmentsAndShowsAsManyAsItSays) {
  auto store = make(3);
  for (std::int64_t k = k0; k < k0 + 7; ++k) add(*store, k);
  EXPECT_EQ(store->listed(), 3U);
  store->set_window(6);
  EXPECT_EQ(store->listed(), 6U);
  EXPECT_NE(head(*store).find("#EXT-X-MEDIA-SEQUENCE:850000001\n"), std::string::npos);
  EXPECT_NE(store->find(k0 + 1, store->entries().front().media), nullptr);
  store->set_window(4);
  EXPECT_NE(head(*store).find("#EXT-X-MEDIA-SEQUENCE:850000003\n"), std::string::npos);
}

// A channel with MP2 and the AAC made of it, which is awaited where the test says so.
class TwinStoreTest : public StoreTest {
 protected:
  TwinStoreTest() {
    const auto track = [&](std::uint16_t pid, mpegts::StreamKind kind) {
      hub::Track made{mpegts::Pid{pid}, 0, kind, "deu", true, ""};
      configuration.carried.push_back(made);
      formats.push_back({made, {}, {}});
    };
    track(0x100, mpegts::StreamKind::h264);
    track(0x101, mpegts::StreamKind::mpeg_audio);
    track(0x901, mpegts::StreamKind::aac_adts);
    formats[2].track.twin_of = configuration.carried[2].twin_of = mpegts::Pid{0x101};
  }
  void add(SegmentStore& store, std::int64_t k, bool awaited) {
    FinishedSegment segment;
    segment.k = k;
    segment.start = k * 2 * kSecond;
    segment.duration = 2 * kSecond;
    segment.formats = formats;
    segment.size = bytes.size();
    segment.pieces = {bytes};
    segment.apart = true;
    const std::vector<SegmentFile> parts{original ? file(1) : SegmentFile{1, 0, {}, {}},
                                         awaited ? SegmentFile{2, 0, {}, {}} : file(2)};
    segment.parts = parts;
    segment.awaited = {false, awaited};
    segment.configuration = &configuration;
    store.on_segment(segment);
  }
  SegmentFile file(std::size_t track) const { return {track, bytes.size(), {bytes}, {}}; }
  static std::string aac(const SegmentStore& store) {
    SegmentStore::Text text;
    EXPECT_TRUE(store.find_playlist(store.part_name("aac-deu"), text));
    return text == nullptr ? "" : text->content;
  }
  static std::string number(std::int64_t k) { return "/" + std::to_string(k) + ".ts\n"; }
  // BANDWIDTH is measured.
  static std::string offer(const SegmentStore& store) {
    const auto text = store.multivariant_text();
    return text == nullptr ? "" : std::regex_replace(text->content, std::regex("BANDWIDTH=[0-9]+"), "");
  }
  hub::Configuration configuration;
  std::vector<TrackFormat> formats;
  bool original = true;  // comes
};

// Broadcasters name languages all day long that they send in the evening.
TEST_F(TwinStoreTest, SoundThatNeverComesIsNotOffered) {
  auto store = make(4);
  original = false;
  add(*store, k0, false);
  add(*store, k0 + 1, false);
  EXPECT_EQ(offer(*store), "") << "it may yet come";
  add(*store, k0 + 2, false);
  EXPECT_NE(offer(*store).find("GROUP-ID=\"aac\""), std::string::npos);
  EXPECT_EQ(offer(*store).find("mp2"), std::string::npos);
  original = true;
  add(*store, k0 + 3, false);
  EXPECT_NE(offer(*store).find("GROUP-ID=\"mp2\""), std::string::npos);
  original = false;
  for (std::int64_t k = k0 + 4; k < k0 + 7; ++k) add(*store, k, false);
  EXPECT_NE(offer(*store).find("mp2"), std::string::npos) << "players may still hear it";
  add(*store, k0 + 7, false);
  EXPECT_EQ(offer(*store).find("mp2"), std::string::npos);
  SegmentStore::Text mp2;
  EXPECT_TRUE(store->find_playlist(store->part_name("mp2-deu"), mp2)) << "who plays it plays on";
}

TEST_F(TwinStoreTest, OnlyThePlaylistOfALateTwinStandsStillAndThenGoesOn) {
  auto store = make(4);
  for (std::int64_t k = k0; k < k0 + 4; ++k) add(*store, k, false);
  const std::string before = aac(*store), offered = offer(*store);
  EXPECT_TRUE(before.ends_with(number(k0 + 3)));
  for (std::int64_t k = k0 + 4; k < k0 + 7; ++k) add(*store, k, true);
  EXPECT_EQ(aac(*store), before);
  EXPECT_EQ(offer(*store), offered);
  EXPECT_TRUE(store->media_text()->content.ends_with(number(k0 + 6)));
  SegmentStore::Text mp2;
  ASSERT_TRUE(store->find_playlist(store->part_name("mp2-deu"), mp2));
  EXPECT_TRUE(mp2->content.ends_with(number(k0 + 6)));
  store->on_part(k0 + 4, 1, file(2));
  EXPECT_TRUE(aac(*store).ends_with(number(k0 + 4)));
  EXPECT_NE(aac(*store).find("MEDIA-SEQUENCE:" + std::to_string(k0 + 1) + "\n"), std::string::npos);
  EXPECT_NE(store->find(k0 + 4, store->entries().back().media, "aac-deu"), nullptr);
  // One that never came, and the next.
  store->on_part(k0 + 5, 1, {2, 0, {}, {}});
  EXPECT_NE(aac(*store).find("#EXT-X-GAP\n"), std::string::npos);
  store->on_part(k0 + 6, 1, file(2));
  EXPECT_TRUE(aac(*store).ends_with(number(k0 + 6)));
  EXPECT_EQ(store->media_text()->content.find("GAP"), std::string::npos);
  EXPECT_EQ(store->media_text()->content.find("DISCONTINUITY"), std::string::npos);
  EXPECT_EQ(offer(*store), offered);
}

TEST_F(TwinStoreTest, WhatIsAwaitedWhenTheBridgeDiesIsAGap) {
  auto store = make(4);
  for (std::int64_t k = k0; k < k0 + 3; ++k) add(*store, k, k == k0 + 2);
  store = make(4);
  EXPECT_NE(aac(*store).find("#EXT-X-GAP\n"), std::string::npos);
  EXPECT_TRUE(aac(*store).ends_with(number(k0 + 2)));
}

TEST_F(TwinStoreTest, NothingIsOfferedBeforeEachOfItsPlaylistsHasASegment) {
  auto store = make(4);
  add(*store, k0, true);
  EXPECT_EQ(store->multivariant_text(), nullptr);
  EXPECT_NE(store->media_text(), nullptr);
  store->on_part(k0, 1, file(2));
  EXPECT_NE(offer(*store).find("GROUP-ID=\"aac\""), std::string::npos);
}

TEST_F(TwinStoreTest, AnIdleTwinIsNotOfferedAndItsPlaylistGoesOn) {
  auto store = make(4);
  add(*store, k0, false);
  const std::string media = store->entries().back().media;
  configuration.idle_twins = {mpegts::Pid{0x901}};
  add(*store, k0 + 1, false);
  EXPECT_EQ(offer(*store).find("aac"), std::string::npos);
  EXPECT_NE(offer(*store).find("GROUP-ID=\"mp2\""), std::string::npos);
  EXPECT_TRUE(aac(*store).ends_with(number(k0 + 1)));
  EXPECT_EQ(store->entries().back().media, media);
  EXPECT_EQ(store->media_text()->content.find("DISCONTINUITY"), std::string::npos);
  store = make(4);
  EXPECT_EQ(offer(*store).find("aac"), std::string::npos) << "forgotten by a restart";
  configuration.idle_twins.clear();
  add(*store, k0 + 2, false);
  EXPECT_NE(offer(*store).find("GROUP-ID=\"aac\""), std::string::npos);
}

}  // namespace
}  // namespace headgate::bridge::hls
