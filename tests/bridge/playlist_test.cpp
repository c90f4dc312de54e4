#include "dataplane/bridge/hls/playlist.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "dataplane/bridge/hls/journal.h"
#include "mpegts/packet/types.h"

namespace headgate::bridge::hls {
namespace {

constexpr std::int64_t kSecond = mpegts::kTicksPerSecond;

std::vector<Entry> window() {
  // 2026-01-02T03:04:04Z
  const std::int64_t start = 1'767'323'044 * kSecond;
  return {{441830761, start, 4 * kSecond, false, true, false, "00ff", 1'000'000},
          {441830762, start + 4 * kSecond, 4 * kSecond, true, true, false, "00ff", 0},
          {441830763, start + 8 * kSecond, 3 * kSecond + kSecond / 3, false, true, true, "00fe", 2'000'000}};
}

TEST(Playlist, MediaPlaylistListsGapsAndDiscontinuities) {
  EXPECT_EQ(media_playlist(window(), 4000, 2, 1),
            "#EXTM3U\n"
            "#EXT-X-VERSION:8\n"
            "#EXT-X-TARGETDURATION:8\n"
            "#EXT-X-MEDIA-SEQUENCE:441830761\n"
            "#EXT-X-DISCONTINUITY-SEQUENCE:2\n"
            "#EXT-X-INDEPENDENT-SEGMENTS\n"
            "#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.000Z\n"
            "#EXTINF:4.00000,\n"
            "media/00ff/441830761.ts\n"
            "#EXT-X-GAP\n"
            "#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:09.000Z\n"
            "#EXTINF:4.00000,\n"
            "media/00ff/441830762.ts\n"
            "#EXT-X-DISCONTINUITY\n"
            "#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:13.000Z\n"
            "#EXTINF:3.33333,\n"
            "media/00fe/441830763.ts\n");
}

TEST(Playlist, SegmentsThatAreNotIndependentAreNotDeclaredSo) {
  auto entries = window();
  entries[0].independent = false;
  EXPECT_EQ(media_playlist(entries, 4000, 0, 0).find("INDEPENDENT"), std::string::npos);
}

TEST(Playlist, WithoutGapsVersionThreeSuffices) {
  auto entries = window();
  entries.erase(entries.begin() + 1);
  EXPECT_NE(media_playlist(entries, 4000, 0, 0).find("#EXT-X-VERSION:3\n"), std::string::npos);
}

TEST(Playlist, TargetDurationIsTwoSlotsRoundedUp) {
  EXPECT_EQ(target_duration(4000), 8U);
  EXPECT_EQ(target_duration(1300), 3U);
  EXPECT_EQ(target_duration(500), 1U);
}

TEST(Playlist, MultivariantNamesWhatIsKnown) {
  Variant variant{"avc1.64001f,mp4a.40.2", 1280, 720, 30000, 1001, 0, 0};
  measure(window(), variant);
  EXPECT_EQ(multivariant_playlist(variant, media_playlist_name(4000, 0)),
            "#EXTM3U\n#EXT-X-VERSION:3\n"
            "#EXT-X-STREAM-INF:BANDWIDTH=4800000,AVERAGE-BANDWIDTH=3272727,CODECS=\"avc1.64001f,mp4a.40.2\","
            "RESOLUTION=1280x720,FRAME-RATE=29.970\nindex.media-4000.m3u8\n");
  EXPECT_EQ(multivariant_playlist(Variant{}, media_playlist_name(500, 2)),
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-STREAM-INF:BANDWIDTH=0,AVERAGE-BANDWIDTH=0\nindex.media-500-2."
            "m3u8\n");
}

Journal journal() {
  Journal made;
  made.segment_ms = 4000;
  made.has_pdt = true;
  made.pdt_offset_s = -2;
  made.last_media = "00fe";
  made.variant.codecs = "avc1.640028,mp4a.40.2";
  made.entries = window();
  return made;
}

std::string with(const std::string& member, const std::string& value) {
  auto root = nlohmann::json::parse(to_json(journal()));
  (root.contains(member) ? root : root["entries"][0])[member] = nlohmann::json::parse(value);
  return root.dump();
}

TEST(Journal, SurvivesItsJson) {
  const auto read = parse_journal(to_json(journal()));
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(to_json(*read), to_json(journal()));
}

TEST(Journal, RefusesNumbersThatWouldOverflow) {
  const std::pair<const char*, const char*> cases[] = {{"k", "9223372036854775807"},
                                                       {"k", "-9223372036854775808"},
                                                       {"start", "9223372036854775807"},
                                                       {"duration", "9223372036854775807"},
                                                       {"duration", "-1"},
                                                       {"size", "-1"},
                                                       {"size", "1e300"},
                                                       {"k", "1e300"},
                                                       {"segment_ms", "4294967296"},
                                                       {"pdt_offset_s", "9223372036854775"},
                                                       {"width", "-1"},
                                                       {"k", "18446744073709551615"}};
  for (const auto& [member, value] : cases)
    EXPECT_FALSE(parse_journal(with(member, value))) << member << " " << value;
}

TEST(Journal, RefusesTextThatWouldWriteLinesOfItsOwn) {
  EXPECT_FALSE(parse_journal(with("codecs", R"("avc1\n#EXT-X-ENDLIST")")));
  EXPECT_FALSE(parse_journal(with("codecs", R"("a\",URI=\"x")")));
  EXPECT_FALSE(parse_journal(with("media", R"("../../etc")")));
  EXPECT_FALSE(parse_journal(with("codecs", "\"" + std::string(5000, 'a') + "\"")));
}

TEST(Journal, RefusesMoreEntriesThanAnyWindowHas) {
  Journal many = journal();
  many.entries.clear();
  for (int i = 0; i < 5000; ++i) many.entries.push_back({i, i, 1, false, true, false, "00", 1});
  EXPECT_FALSE(parse_journal(to_json(many)));
}

}  // namespace
}  // namespace headgate::bridge::hls
