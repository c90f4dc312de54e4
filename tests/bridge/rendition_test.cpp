// Each track in a file and a playlist of its own: what the files hold, what the playlists say, and that all
// of them count alike (RFC 8216 4.3.4.1.1, 6.2.4).
#include "dataplane/bridge/hls/rendition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <map>
#include <set>

#include "dataplane/bridge/hls/language.h"
#include "dataplane/bridge/hls/segmenter.h"
#include "dataplane/bridge/hls/store.h"
#include "mpegts/packet/clock_fields.h"
#include "mpegts/packet/ts_packet.h"

namespace headgate::bridge::hls {
namespace {

using mpegts::kTicksPerSecond;
using mpegts::StreamKind;
using mpegts::es::RandomAccess;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr std::int64_t kMs = kTicksPerSecond / 1000;
constexpr std::int64_t kFrame = 40 * kMs;
constexpr std::int64_t kSegment = 2 * kTicksPerSecond;
constexpr std::int64_t kBase = 1000 * kSegment;

constexpr std::uint16_t kVideo = 0x101, kMp2 = 0x110, kAc3 = 0x111, kAacOfMp2 = 0x1F0, kAacOfAc3 = 0x1F1;

std::vector<std::uint8_t> language_descriptor(const char* code, std::uint8_t type = 0) {
  return {0x0A,
          4,
          static_cast<std::uint8_t>(code[0]),
          static_cast<std::uint8_t>(code[1]),
          static_cast<std::uint8_t>(code[2]),
          type};
}

struct Wanted {
  std::uint16_t pid;
  std::uint8_t type;
  StreamKind kind;
  const char* language;
  std::uint16_t of = 0;
};

std::shared_ptr<hub::Configuration> configure(const std::vector<Wanted>& wanted) {
  auto made = std::make_shared<hub::Configuration>();
  made->transport_stream_id = 7;
  made->pmt_pid = mpegts::Pid{0x100};
  made->pmt.program_number = 3;
  made->pmt.pcr_pid = mpegts::Pid{wanted.front().pid};
  for (const Wanted& w : wanted) {
    mpegts::PmtStream stream{w.type, mpegts::Pid{w.pid}, {}};
    if (*w.language != 0) stream.descriptors.bytes = language_descriptor(w.language);
    made->pmt.streams.push_back(stream);
    hub::Track track{mpegts::Pid{w.pid}, w.type, w.kind, w.language, true, ""};
    if (w.of != 0) track.twin_of = mpegts::Pid{w.of};
    made->carried.push_back(track);
  }
  return made;
}

const std::vector<Wanted> kTelevision{{kVideo, 0x1B, StreamKind::h264, ""},
                                      {kMp2, 0x03, StreamKind::mpeg_audio, "ger"},
                                      {kAc3, 0x06, StreamKind::ac3, "deu"},
                                      {kAacOfMp2, 0x0F, StreamKind::aac_adts, "ger", kMp2},
                                      {kAacOfAc3, 0x0F, StreamKind::aac_adts, "deu", kAc3}};

class RenditionTest : public testing::Test {
 protected:
  ~RenditionTest() override { SegmentStore::remove(directory); }
  void SetUp() override { restart(); }
  void restart() {
    segmenter.reset();
    store.reset();
    store = std::make_unique<SegmentStore>(directory, 2000, 4);
    store->set_arrival(kBase / 27 * 1000, kBase);
    SegmenterOptions options;
    options.segment = kSegment;
    segmenter = std::make_unique<Segmenter>(options, *store);
    if (const auto resume = store->resume()) segmenter->resume(resume->next_k, resume->next_start);
    if (current != nullptr) segmenter->on_configuration(current);
  }
  void begin(const std::vector<Wanted>& wanted) {
    current = configure(wanted);
    segmenter->on_configuration(current);
  }
  // One packet that begins a PES packet with this time.
  void unit(std::uint8_t track, std::int64_t time, RandomAccess access = RandomAccess::none) {
    std::vector<std::uint8_t> p(mpegts::kPacketSize, 0xFF);
    const std::uint16_t pid = current->carried[track].pid.value;
    p[0] = mpegts::kSyncByte;
    p[1] = static_cast<std::uint8_t>(0x40 | pid >> 8);
    p[2] = static_cast<std::uint8_t>(pid);
    p[3] = static_cast<std::uint8_t>(0x10 | (counters[pid]++ & 0x0F));
    const std::array<std::uint8_t, 9> header{
        0, 0, 1, track == 0 ? std::uint8_t{0xE0} : std::uint8_t{0xC0}, 0, 0, 0x80, 0x80, 5};
    std::copy(header.begin(), header.end(), p.begin() + 4);
    p[13] = 0x20;
    mpegts::put_stamp(std::span<std::uint8_t, 5>(p.data() + 13, 5),
                      mpegts::Pts90kHz{static_cast<std::uint64_t>(time / 300) % mpegts::kPtsModulus});
    segmenter->on_unit(
        {.track = track, .timed = true, .random_access = access, .dts = time, .pts = time, .packets = p});
  }
  // Pictures 40 ms apart, a random access point each second; every other track a frame with each.
  void play(std::int64_t from, std::int64_t to, std::set<std::size_t> silent = {}) {
    for (std::int64_t t = from; t < to; t += kFrame) {
      const bool key = (t - kBase) % kTicksPerSecond == 0;
      unit(0, t, key ? RandomAccess::clean : RandomAccess::none);
      for (std::size_t track = 1; track < current->carried.size(); ++track) {
        if (!silent.contains(track)) unit(static_cast<std::uint8_t>(track), t + 10 * kMs);
      }
    }
  }
  std::string playlist(const std::string& what) {
    SegmentStore::Text text;
    return store->find_playlist(media_playlist_name(2000, 0, what), text) && text ? text->content : "none";
  }
  std::vector<mpegts::TsPacket> packets(const std::shared_ptr<const MappedFile>& file) {
    std::vector<mpegts::TsPacket> out;
    if (file == nullptr) return out;
    mapped.push_back(file);  // the packets are views
    const auto* data = reinterpret_cast<const std::uint8_t*>(file->bytes().data());
    for (std::size_t at = 0; at + mpegts::kPacketSize <= file->bytes().size(); at += mpegts::kPacketSize)
      out.emplace_back(std::span<const std::uint8_t, mpegts::kPacketSize>(data + at, mpegts::kPacketSize));
    return out;
  }
  std::set<std::uint16_t> pids(const std::shared_ptr<const MappedFile>& file) {
    std::set<std::uint16_t> out;
    for (const auto& packet : packets(file)) out.insert(packet.pid().value);
    return out;
  }
  static std::string tags(const std::string& text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at);
      const std::string line = text.substr(at, end - at);
      if (line.starts_with("#EXT-X-MEDIA-SEQ") || line.starts_with("#EXT-X-DISC") ||
          line.starts_with("#EXTINF") || line.starts_with("#EXT-X-PROGRAM"))
        out += line + "\n";
      at = end + 1;
    }
    return out;
  }

  const std::string directory = testing::TempDir() + "bridge_rendition_test_" + std::to_string(::getpid());
  std::unique_ptr<SegmentStore> store;
  std::unique_ptr<Segmenter> segmenter;
  std::shared_ptr<hub::Configuration> current;
  std::map<std::uint16_t, int> counters;
  std::vector<std::shared_ptr<const MappedFile>> mapped;
};

TEST_F(RenditionTest, EachTrackHasAFileOfItsOwnAndTheGroupsNameThem) {
  begin(kTelevision);
  play(kBase, kBase + 9 * kTicksPerSecond);
  ASSERT_GE(store->entries().size(), 3U);
  const Entry& entry = store->entries().back();
  EXPECT_EQ(pids(store->find(entry.k, entry.media)), (std::set<std::uint16_t>{0, 0x100, kVideo}));
  EXPECT_EQ(pids(store->find(entry.k, entry.media, "mp2-ger")), (std::set<std::uint16_t>{0, 0x100, kMp2}));
  EXPECT_EQ(pids(store->find(entry.k, entry.media, "ac3-deu")), (std::set<std::uint16_t>{0, 0x100, kAc3}));
  EXPECT_EQ(pids(store->find(entry.k, entry.media, "aac-deu")),
            (std::set<std::uint16_t>{0, 0x100, kAacOfAc3}));
  const std::string& text = store->multivariant_text()->content;
  EXPECT_THAT(text, HasSubstr("#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aac\",NAME=\"German\",LANGUAGE=\"de\","
                              "DEFAULT=YES,AUTOSELECT=YES,URI=\"index.aac-ger-2000.m3u8\"\n"
                              "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aac\",NAME=\"German 2\",LANGUAGE=\"de\","
                              "DEFAULT=NO,AUTOSELECT=NO,URI=\"index.aac-deu-2000.m3u8\"\n"));
  // Each group has the same members: what is not there in its coding is there as AAC.
  EXPECT_THAT(text, HasSubstr("GROUP-ID=\"ac3\",NAME=\"German\",LANGUAGE=\"de\",DEFAULT=YES,AUTOSELECT=YES,"
                              "URI=\"index.aac-ger-2000.m3u8\"\n"));
  EXPECT_THAT(text, HasSubstr("GROUP-ID=\"ac3\",NAME=\"German 2\",LANGUAGE=\"de\",DEFAULT=NO,AUTOSELECT=NO,"
                              "URI=\"index.ac3-deu-2000.m3u8\"\n"));
  EXPECT_THAT(text, HasSubstr("GROUP-ID=\"mp2\",NAME=\"German\",LANGUAGE=\"de\",DEFAULT=YES,AUTOSELECT=YES,"
                              "URI=\"index.mp2-ger-2000.m3u8\"\n"));
  const std::size_t aac = text.find(",AUDIO=\"aac\"\nindex.video-2000.m3u8\n");
  ASSERT_NE(aac, std::string::npos);
  EXPECT_LT(aac, text.find("AUDIO=\"mp2\"\nindex.video-2000.m3u8\n"))
      << "what every browser plays comes first";
}

TEST_F(RenditionTest, AllPlaylistsOfAChannelCountAlike) {
  begin(kTelevision);
  play(kBase, kBase + 7 * kTicksPerSecond);
  segmenter->on_discontinuity();
  play(kBase + 7 * kTicksPerSecond + kFrame, kBase + 20 * kTicksPerSecond);
  const std::string video = tags(playlist("video"));
  EXPECT_THAT(video, HasSubstr("#EXT-X-DISCONTINUITY-SEQUENCE:1\n"));
  for (const char* name : {"aac-ger", "aac-deu", "mp2-ger", "ac3-deu"})
    EXPECT_EQ(tags(playlist(name)), video) << name;
  const std::string before = store->multivariant_text()->content;
  const std::string sound = playlist("ac3-deu");
  restart();
  EXPECT_EQ(store->multivariant_text()->content, before) << "a bridge that begins anew must say the same";
  EXPECT_EQ(playlist("ac3-deu"), sound);
  EXPECT_EQ(tags(playlist("video")), video);
}

TEST_F(RenditionTest, SoundIsCutWhereThePicturesAre) {
  begin(kTelevision);
  play(kBase, kBase + 9 * kTicksPerSecond);
  const Entry& entry = store->entries()[store->entries().size() - 2];
  std::vector<std::uint64_t> stamps;
  for (const auto& packet : packets(store->find(entry.k, entry.media, "aac-ger"))) {
    if (packet.pid().value != kAacOfMp2 || !packet.payload_unit_start()) continue;
    stamps.push_back(mpegts::stamp_at(packet.payload().subspan(9).first<5>()).ticks);
  }
  ASSERT_EQ(stamps.size(), 50U);
  const auto first = static_cast<std::uint64_t>((entry.start + 10 * kMs) / 300) % mpegts::kPtsModulus;
  EXPECT_EQ(stamps.front(), first);
  EXPECT_EQ(stamps.back(), first + 49 * 3600);
}

TEST_F(RenditionTest, AFileWithoutTheServicesClockGetsOne) {
  begin(kTelevision);
  play(kBase, kBase + 9 * kTicksPerSecond);
  const Entry& entry = store->entries().back();
  std::size_t clocks = 0;
  int counter = -1;
  std::uint64_t clock = 0;
  for (const auto& packet : packets(store->find(entry.k, entry.media, "ac3-deu"))) {
    if (packet.pid().value == 0x100) {
      const auto section = packet.payload().subspan(1);
      const auto pmt = mpegts::Pmt::parse(section.first(3 + ((section[1] & 0x0FU) << 8 | section[2])));
      ASSERT_TRUE(pmt);
      EXPECT_EQ(pmt->pcr_pid.value, kAc3);
      ASSERT_EQ(pmt->streams.size(), 1U);
      // The way ATSC says it, which players look for that don't know DVB's descriptors.
      EXPECT_EQ(pmt->streams[0].stream_type, 0x81);
      EXPECT_EQ(mpegts::stream_kind(pmt->streams[0]), StreamKind::ac3);
      EXPECT_EQ(mpegts::language(pmt->streams[0]), "deu");
    }
    if (packet.pid().value != kAc3) continue;
    if (packet.has_pcr()) {
      ++clocks;
      clock = packet.pcr()->ticks;
      EXPECT_TRUE(counter < 0 || packet.continuity_counter() == counter);
      EXPECT_FALSE(packet.has_payload());
      continue;
    }
    const std::uint64_t stamp = mpegts::stamp_at(packet.payload().subspan(9).first<5>()).ticks * 300;
    EXPECT_GT(stamp, clock);
    EXPECT_LT(stamp - clock, 27'000'000U / 2);
    EXPECT_TRUE(counter < 0 || packet.continuity_counter() == ((counter + 1) & 0x0F));
    counter = packet.continuity_counter();
  }
  EXPECT_GE(clocks, 20U) << "at least one each 100 ms";
}

TEST_F(RenditionTest, ATrackThatBringsNothingIsAGapAndHoldsUpNobody) {
  begin(kTelevision);
  play(kBase, kBase + 6 * kTicksPerSecond);
  play(kBase + 6 * kTicksPerSecond, kBase + 12 * kTicksPerSecond, {4});
  EXPECT_GE(store->entries().back().k, 1004);
  EXPECT_THAT(playlist("video"), Not(HasSubstr("EXT-X-GAP")));
  EXPECT_THAT(playlist("aac-ger"), Not(HasSubstr("EXT-X-GAP")));
  const std::string last = "/" + std::to_string(store->entries().back().k) + ".ts";
  EXPECT_THAT(playlist("video"), HasSubstr(last));
  EXPECT_THAT(playlist("aac-deu"), Not(HasSubstr(last))) << "it alone stands still, for it may come yet";
  EXPECT_THAT(playlist("aac-deu"), Not(HasSubstr("EXT-X-GAP")));
  // It goes on, and what is missing will not come any more.
  play(kBase + 12 * kTicksPerSecond, kBase + 15 * kTicksPerSecond);
  EXPECT_THAT(playlist("aac-deu"), HasSubstr("#EXT-X-GAP\n"));
  EXPECT_THAT(playlist("aac-deu"), HasSubstr("#EXT-X-VERSION:8\n"));
  EXPECT_EQ(tags(playlist("aac-deu")), tags(playlist("video")));
  const std::size_t gaps = store->entries().size();
  play(kBase + 15 * kTicksPerSecond, kBase + 25 * kTicksPerSecond);
  EXPECT_GT(store->entries().back().k, 1008);
  EXPECT_GT(gaps, 0U);
  EXPECT_THAT(playlist("aac-deu"), Not(HasSubstr("EXT-X-GAP"))) << "it is there again";
  EXPECT_THAT(playlist("video"), Not(HasSubstr("EXT-X-DISCONTINUITY")));
}

TEST_F(RenditionTest, SoundThatLeavesTheStreamOfThePicturesEndsThePlaylistOfBoth) {
  begin({kTelevision[0], kTelevision[1]});
  play(kBase, kBase + 7 * kTicksPerSecond);
  EXPECT_THAT(playlist("media"), Not(HasSubstr("ENDLIST")));
  const Entry old = store->entries().back();
  const std::int64_t last = old.k;
  begin({kTelevision[0], kTelevision[1], kTelevision[3]});
  play(kBase + 7 * kTicksPerSecond, kBase + 13 * kTicksPerSecond);
  EXPECT_THAT(playlist("media"), HasSubstr("/" + std::to_string(last + 1) + ".ts\n#EXT-X-ENDLIST\n"));
  EXPECT_NE(store->find(old.k, old.media), nullptr);
  EXPECT_THAT(playlist("video"), HasSubstr("#EXT-X-MEDIA-SEQUENCE:" + std::to_string(last + 2)));
  EXPECT_THAT(playlist("video"), Not(HasSubstr("ENDLIST")));
  EXPECT_THAT(store->multivariant_text()->content, HasSubstr("AUDIO=\"aac\"\nindex.video-2000.m3u8\n"));
  // And back: the twin is gone.
  begin({kTelevision[0], kTelevision[1]});
  play(kBase + 13 * kTicksPerSecond, kBase + 19 * kTicksPerSecond);
  EXPECT_THAT(playlist("video"), HasSubstr("#EXT-X-ENDLIST\n"));
  EXPECT_THAT(playlist("aac-ger"), HasSubstr("#EXT-X-ENDLIST\n"));
  EXPECT_THAT(playlist("media"), Not(HasSubstr("ENDLIST")));
  EXPECT_THAT(store->multivariant_text()->content, Not(HasSubstr("EXT-X-MEDIA:")));
}

TEST_F(RenditionTest, ALanguageThatComesOrGoesInterruptsNobody) {
  begin({kTelevision[0], kTelevision[1], kTelevision[3]});
  play(kBase, kBase + 7 * kTicksPerSecond);
  begin(kTelevision);
  play(kBase + 7 * kTicksPerSecond, kBase + 13 * kTicksPerSecond);
  EXPECT_THAT(playlist("video"), HasSubstr("#EXT-X-DISCONTINUITY\n"));
  EXPECT_THAT(playlist("video"), Not(HasSubstr("ENDLIST")));
  EXPECT_THAT(playlist("aac-deu"), HasSubstr("#EXT-X-GAP\n")) << "what was before it";
  EXPECT_EQ(tags(playlist("aac-deu")), tags(playlist("video")));
  begin({kTelevision[0], kTelevision[1], kTelevision[3]});
  play(kBase + 13 * kTicksPerSecond, kBase + 19 * kTicksPerSecond);
  EXPECT_EQ(tags(playlist("aac-deu")), tags(playlist("video")));
  EXPECT_THAT(playlist("aac-deu"), HasSubstr("#EXT-X-GAP\n"));
  EXPECT_THAT(store->multivariant_text()->content, Not(HasSubstr("aac-deu")));
}

TEST_F(RenditionTest, RadioHasAVariantForEachCoding) {
  begin({{kMp2, 0x03, StreamKind::mpeg_audio, "fra"}, {kAacOfMp2, 0x0F, StreamKind::aac_adts, "fra", kMp2}});
  for (std::int64_t t = kBase; t < kBase + 9 * kTicksPerSecond; t += 24 * kMs) {
    unit(0, t, RandomAccess::clean);
    unit(1, t);
  }
  const std::string& text = store->multivariant_text()->content;
  EXPECT_THAT(text, Not(HasSubstr("EXT-X-MEDIA:")));
  const std::size_t aac = text.find("CODECS=\"mp4a.40.2\"\nindex.aac-fra-2000.m3u8\n");
  ASSERT_NE(aac, std::string::npos) << text;
  EXPECT_GT(text.find("CODECS=\"mp4a.40.33\"\nindex.radio-2000.m3u8\n"), aac);
  EXPECT_EQ(tags(playlist("aac-fra")), tags(playlist("radio")));
}

TEST_F(RenditionTest, BandwidthIsThatOfThePicturesAndTheHeaviestSound) {
  const Level level{{"avc1.64001f", 1280, 720, 25, 1, 2'000'000, 1'500'000}, "v.m3u8"};
  Rendition light{"aac-eng", "aac", 0, "en", "English", false, 2, {"mp4a.40.2", 0, 0, 0, 0, 100'000, 90'000}};
  Rendition heavy{"aac-deu", "aac", 1, "de", "German", false, 2, {"mp4a.40.2", 0, 0, 0, 0, 150'000, 120'000}};
  Rendition ac3{"ac3-deu", "ac3", 1, "de", "German", false, 6, {"ac-3", 0, 0, 0, 0, 448'000, 440'000}};
  const std::string text = multivariant_playlist({&level, 1}, std::array{light, heavy, ac3},
                                                 [](const Rendition& r) { return r.name + ".m3u8"; });
  EXPECT_THAT(text, HasSubstr("BANDWIDTH=2150000,AVERAGE-BANDWIDTH=1620000,CODECS=\"avc1.64001f,mp4a.40.2\","
                              "RESOLUTION=1280x720,FRAME-RATE=25.000,AUDIO=\"aac\"\nv.m3u8\n"));
  EXPECT_THAT(text, HasSubstr("BANDWIDTH=2448000,AVERAGE-BANDWIDTH=1940000,"
                              "CODECS=\"avc1.64001f,mp4a.40.2,ac-3\","));
  EXPECT_THAT(text, HasSubstr("GROUP-ID=\"ac3\",NAME=\"German\",LANGUAGE=\"de\",DEFAULT=NO,AUTOSELECT=YES,"
                              "CHANNELS=\"6\",URI=\"ac3-deu.m3u8\""));
}

TEST(Language, IsTheShortestTagThereIs) {
  EXPECT_EQ(language_of("ger").tag, "de");
  EXPECT_EQ(language_of("DEU").tag, "de");
  EXPECT_EQ(language_of("fre").name, "French");
  EXPECT_EQ(language_of("nds").tag, "nds");
  EXPECT_EQ(language_of("qaa").name, "Original");
  EXPECT_EQ(language_of("und").tag, "");
  EXPECT_EQ(language_of("a\"b").tag, "") << "it stands between quotes";
  EXPECT_EQ(language_of("").tag, "");
}

}  // namespace
}  // namespace headgate::bridge::hls
