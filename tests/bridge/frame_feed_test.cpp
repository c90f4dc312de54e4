// Frames against what ffmpeg makes of the same streams: made by ffmpeg here, and captures where
// HEADGATE_STREAMS names their folder.
#include "dataplane/bridge/hub/frame_feed.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "dataplane/bridge/hub/channel_hub.h"
#include "tests/bridge/broadcast.h"
#include "tests/bridge/flv.h"
#include "tests/bridge/slots.h"
#include "tests/bridge/transcode_support.h"

namespace headgate::bridge::hub {
namespace {

using mpegts::StreamKind;
using test::Broadcast;
using test::Bytes;
using test::FlvTag;

constexpr std::int64_t kMs = mpegts::kTicksPerSecond / 1000;

class FrameCollect : public FrameSink {
 public:
  void on_format(std::shared_ptr<const FrameFormat> f) override { formats.push_back(std::move(f)); }
  void on_frame(std::shared_ptr<const Frame> f) override {
    ASSERT_FALSE(formats.empty());
    ASSERT_LT(f->track, formats.back()->tracks.size());
    frames.push_back({formats.back()->tracks[f->track].pid, formats.size() - 1, std::move(f)});
  }
  void on_discontinuity() override { ++discontinuities; }
  void on_end() override { ended = true; }
  struct Seen {
    mpegts::Pid pid;
    std::size_t format;
    std::shared_ptr<const Frame> frame;
  };
  std::vector<std::shared_ptr<const FrameFormat>> formats;
  std::vector<Seen> frames;
  std::size_t discontinuities = 0;
  bool ended = false;
};

Bytes read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Parameter sets, delimiters and filler left out, as in a Frame.
Bytes without_sets(const Bytes& data, StreamKind kind) {
  Bytes out;
  for (std::size_t at = 0; at + 4 < data.size();) {
    const std::size_t size = static_cast<std::size_t>(data[at]) << 24 |
                             static_cast<std::size_t>(data[at + 1]) << 16 |
                             static_cast<std::size_t>(data[at + 2]) << 8 | data[at + 3];
    const unsigned avc = data[at + 4] & 0x1F, hevc = data[at + 4] >> 1 & 0x3F;
    const bool left_out = kind == StreamKind::h264 ? (avc >= 7 && avc <= 9) || avc == 12
                                                   : (hevc >= 32 && hevc <= 35) || hevc == 38;
    const std::size_t end = std::min(data.size(), at + 4 + size);
    if (!left_out) test::append(out, std::span(data).subspan(at, end - at));
    at = end;
  }
  return out;
}

// Of an avcC's parameter sets: ffmpeg keeps trailing_zero_8bits (H.264 B.1.1), which belong to no NAL unit.
Bytes without_trailing_zeros(const Bytes& record) {
  Bytes out(record.begin(), record.begin() + 6);
  std::size_t at = 6;
  for (const bool pps : {false, true}) {
    const unsigned count = pps ? record[at] : record[5] & 0x1FU;
    if (pps) out.push_back(record[at++]);
    for (unsigned i = 0; i < count; ++i) {
      const std::size_t size = static_cast<std::size_t>(record[at] << 8 | record[at + 1]);
      Bytes set(record.begin() + static_cast<std::ptrdiff_t>(at + 2),
                record.begin() + static_cast<std::ptrdiff_t>(at + 2 + size));
      while (!set.empty() && set.back() == 0) set.pop_back();
      out.push_back(static_cast<std::uint8_t>(set.size() >> 8));
      out.push_back(static_cast<std::uint8_t>(set.size()));
      test::append(out, set);
      at += 2 + size;
    }
  }
  test::append(out, std::span(record).subspan(at));
  return out;
}

class FrameFeedTest : public testing::Test {
 protected:
  void TearDown() override {
    if (!made_.empty()) std::filesystem::remove(made_);
  }
  void play(const Bytes& bytes) {
    slots.packets(bytes);
    slots.flush();
  }
  void end() {
    hub.flush();
    feed.on_silence();
  }
  // A stream made by ffmpeg; empty where it can't.
  std::string make(const std::string& arguments) {
    made_ =
        (std::filesystem::temp_directory_path() / ("frames-" + std::to_string(::getpid()) + ".ts")).string();
    const std::string command = "ffmpeg -v error -y " + arguments + " -f mpegts " + made_;
    return std::system(command.c_str()) == 0 ? made_ : "";
  }
  // Frames of the video, or of the first sound.
  std::vector<FrameCollect::Seen> of(bool video) const {
    std::vector<FrameCollect::Seen> out;
    std::optional<mpegts::Pid> pid;
    for (const FrameTrack& track : sink.formats.back()->tracks) {
      if (!pid && track.is_video() == video) pid = track.pid;
    }
    for (const auto& seen : sink.frames) {
      if (seen.pid == pid) out.push_back(seen);
    }
    return out;
  }
  void expect_like_ffmpeg(const std::string& file);

  FrameFeed feed;
  ChannelHub hub{feed};
  test::Slots slots{[this](const ring::Slot& slot) { hub.on_slot(slot); }};
  FrameCollect sink;

 private:
  std::string made_;
};

// Every frame of ffmpeg's FLV is here with the same bytes and times, every configuration is the same.
void FrameFeedTest::expect_like_ffmpeg(const std::string& file) {
  feed.add(&sink);
  play(read_file(file));
  end();
  const auto flv = test::parse_flv(
      test::output_of("ffmpeg -v quiet -i " + file + " -c copy -map 0:v:0 -map 0:a:0 -f flv -"));
  ASSERT_GT(flv.size(), 20U);
  for (const bool video : {true, false}) {
    const auto ours = of(video);
    std::vector<FlvTag> theirs;
    for (const FlvTag& tag : flv) {
      if (tag.video != video) continue;
      if (tag.header) {
        const Bytes& made = sink.formats[ours.at(0).format]->tracks[ours[0].frame->track].configuration;
        EXPECT_EQ(made, video ? without_trailing_zeros(tag.data) : tag.data);
      } else {
        theirs.push_back(tag);
      }
    }
    ASSERT_FALSE(ours.empty());
    ASSERT_FALSE(theirs.empty());
    // Either may have begun earlier: here media before the first PCR has no time.
    const auto bytes = [&](const FlvTag& tag) {
      return video ? without_sets(tag.data, StreamKind::h264) : tag.data;
    };
    std::size_t at = 0, k = 0;
    bool found = false;
    for (; k < std::min<std::size_t>(theirs.size(), 60) && !found; ++k) {
      const Bytes wanted = bytes(theirs[k]);
      for (at = 0; at < ours.size() && !found; ++at) {
        const Bytes& data = ours[at].frame->data;
        found = data.size() >= wanted.size() && std::equal(wanted.begin(), wanted.end(), data.begin());
      }
    }
    ASSERT_TRUE(found) << (video ? "video" : "sound");
    --at, --k;
    const std::int64_t origin = ours[at].frame->dts - theirs[k].dts_ms * kMs;
    for (; k < theirs.size() && at < ours.size(); ++k, ++at) {
      const Frame& frame = *ours[at].frame;
      const FlvTag& first = theirs[k];
      Bytes data = bytes(theirs[k]);
      // ffmpeg leaves the fields of a frame apart.
      while (data.size() < frame.data.size() && k + 1 < theirs.size()) test::append(data, bytes(theirs[++k]));
      if (k + 1 == theirs.size() && data.size() < frame.data.size()) break;
      ASSERT_EQ(frame.data, data) << k;
      ASSERT_NEAR(static_cast<double>(frame.dts - origin) / kMs, static_cast<double>(first.dts_ms), 1.01)
          << k;
      ASSERT_NEAR(static_cast<double>(frame.pts - origin) / kMs, static_cast<double>(first.pts_ms), 1.01)
          << k;
      if (video && first.key) {
        EXPECT_TRUE(frame.random_access) << k;
      }
    }
    EXPECT_LE(theirs.size() - k, 2U) << "frames are missing at the end";
    EXPECT_LE(ours.size() - at, 2U);
  }
}

#define NEEDS_FFMPEG() \
  if (!test::has_ffmpeg()) GTEST_SKIP() << "needs the ffmpeg program"

class FrameFeedCaptures : public FrameFeedTest, public testing::WithParamInterface<const char*> {};

TEST_P(FrameFeedCaptures, GiveTheFramesThatFfmpegFinds) {
  NEEDS_FFMPEG();
  const char* folder = std::getenv("HEADGATE_STREAMS");
  if (folder == nullptr) GTEST_SKIP() << "HEADGATE_STREAMS is not set";
  expect_like_ffmpeg(std::string(folder) + "/" + GetParam());
}
INSTANTIATE_TEST_SUITE_P(H264WithAac, FrameFeedCaptures,
                         testing::Values("h264-aac-0.ts", "h264-aac-1.ts", "h264-aac-2.ts",
                                         "bbb-1s-h264-aac.ts", "sd-h264i-bars-aacx2.ts",
                                         "scte35-h264-bframes-aac-80s.ts"),
                         [](const auto& p) {
                           std::string name = p.param;
                           std::erase_if(name, [](char c) { return std::isalnum(c) == 0; });
                           return name;
                         });

constexpr const char* kSource =
    "-f lavfi -i testsrc2=size=320x240:rate=25:duration=4 -f lavfi -i "
    "sine=frequency=440:sample_rate=48000:duration=4 ";

TEST_F(FrameFeedTest, GivesFramesOfHighProfileWithBFramesAndAac) {
  NEEDS_FFMPEG();
  const std::string file =
      make(std::string(kSource) + "-c:v libx264 -g 25 -bf 3 -profile:v high -c:a aac -ac 2");
  if (file.empty()) GTEST_SKIP() << "ffmpeg has no libx264";
  expect_like_ffmpeg(file);
}

TEST_F(FrameFeedTest, GivesFramesOfInterlacedVideo) {
  NEEDS_FFMPEG();
  const std::string file =
      make(std::string(kSource) + "-c:v libx264 -g 12 -x264-params tff=1 -c:a aac -ac 2");
  if (file.empty()) GTEST_SKIP() << "ffmpeg has no libx264";
  expect_like_ffmpeg(file);
}

// The record's fields, not its bytes: ffmpeg leaves array_completeness to the container's sample entry.
TEST_F(FrameFeedTest, GivesTheConfigurationOfHevcThatFfmpegWrites) {
  NEEDS_FFMPEG();
  const std::string file = make(
      std::string(kSource) + "-c:v libx265 -preset ultrafast -x265-params keyint=25:log-level=none -c:a aac");
  if (file.empty()) GTEST_SKIP() << "ffmpeg has no libx265";
  feed.add(&sink);
  play(read_file(file));
  end();
  const auto mp4 =
      test::output_of("ffmpeg -v quiet -i " + file +
                      " -c copy -map 0:v:0 -tag:v hvc1 -movflags frag_keyframe+empty_moov -f mp4 -");
  const Bytes theirs = test::find_box(mp4, "hvcC");
  const auto video = of(true);
  ASSERT_GE(video.size(), 95U);
  EXPECT_TRUE(video[0].frame->random_access);
  const Bytes& ours = sink.formats[video[0].format]->tracks[video[0].frame->track].configuration;
  ASSERT_GT(theirs.size(), 23U);
  ASSERT_GT(ours.size(), 23U);
  EXPECT_TRUE(std::equal(ours.begin(), ours.begin() + 19, theirs.begin())) << "profile to bit depths";
  EXPECT_EQ(ours[21], theirs[21]) << "temporal layers, lengthSizeMinusOne";
  const auto sets = [](const Bytes& record) {
    std::map<int, std::vector<Bytes>> found;
    for (std::size_t at = 23; at + 3 <= record.size();) {
      const int type = record[at] & 0x3F;
      const int count = record[at + 1] << 8 | record[at + 2];
      at += 3;
      for (int i = 0; i < count; ++i) {
        const auto size = static_cast<std::size_t>(record[at] << 8 | record[at + 1]);
        found[type].emplace_back(record.begin() + static_cast<std::ptrdiff_t>(at + 2),
                                 record.begin() + static_cast<std::ptrdiff_t>(at + 2 + size));
        at += 2 + size;
      }
    }
    return found;
  };
  auto wanted = sets(theirs);
  wanted.erase(39);  // ffmpeg puts the encoder's SEI there, too
  EXPECT_EQ(sets(ours), wanted);
}

// H.264 by hand: parameter sets whose contents nobody decodes.
class HandMadeFrames : public FrameFeedTest {
 protected:
  void SetUp() override { feed.add(&sink); }
  void TearDown() override { feed.remove(&sink); }
  static Bytes sps(std::uint8_t height) {  // Baseline, 5 macroblocks wide
    // profile 66, level 30, then ue: 0 0 0 0 1, 0, ue(4), ue(height - 1), 1 (frames only), 1, 0, 0, stop.
    Bytes nal{0, 0, 0, 1, 0x67, 66, 0, 30};
    std::string bits =
        "1"
        "1"
        "1"
        "1"
        "010"
        "0"
        "00101";
    bits += height == 3 ? "011" : "00100";
    bits +=
        "1"
        "1"
        "0"
        "0"
        "1";
    while (bits.size() % 8 != 0) bits += '0';
    for (std::size_t at = 0; at < bits.size(); at += 8) {
      nal.push_back(static_cast<std::uint8_t>(std::stoi(bits.substr(at, 8), nullptr, 2)));
    }
    return nal;
  }
  static Bytes unit(std::uint8_t height, bool idr, std::uint8_t mark) {
    Bytes out{0, 0, 0, 1, 9, 0x10};
    if (idr) {
      test::append(out, sps(height));
      test::append(out, Bytes{0, 0, 0, 1, 0x68, 0xCE, 0x38, 0x80});
    }
    test::append(out, Bytes{0, 0, 0, 1, static_cast<std::uint8_t>(idr ? 0x65 : 0x41), 0x88, 0x84, mark});
    return out;
  }
  void picture(bool idr, std::uint8_t height = 3, bool timed = true) {
    if (idr) air.tables({{1, 0x20, 0x100, {{0x100, 0x1B}, {0x101, 0x0F}}}});
    ++mark_;
    const Bytes payload = unit(height, idr, mark_);
    if (timed) air.pes({0x100, 0xE0, pts, payload, std::nullopt, pts - 9000});
    pts += 3600;
  }
  // Frames of ADTS, 1024 samples at 48 kHz.
  void sound(std::uint64_t at, int count) {
    Bytes payload;
    for (int i = 0; i < count; ++i)
      test::append(payload, Bytes{0xFF, 0xF1, 0x4C, 0x80, 0x01, 0x7F, 0xFC, 0x21, 0x10, 0x04, 0x60});
    air.pes({0x101, 0xC0, at, payload, std::nullopt, std::nullopt, true});
  }
  void send() { play(air.take()); }
  Broadcast air;
  std::uint64_t pts = 900'000;
  std::uint8_t mark_ = 0;
};

TEST_F(HandMadeFrames, CarryParameterSetsAndDelimitersOutOfBand) {
  picture(true);
  picture(false);
  send();
  end();
  const auto video = of(true);
  ASSERT_EQ(video.size(), 2U);
  EXPECT_EQ(video[0].frame->data, (Bytes{0, 0, 0, 4, 0x65, 0x88, 0x84, 1}));
  EXPECT_EQ(video[1].frame->data, (Bytes{0, 0, 0, 4, 0x41, 0x88, 0x84, 2}));
  EXPECT_TRUE(video[0].frame->random_access);
  EXPECT_FALSE(video[1].frame->random_access);
  const Bytes& record = sink.formats[0]->tracks[0].configuration;
  EXPECT_EQ(Bytes(record.begin(), record.begin() + 6), (Bytes{1, 66, 0, 30, 0xFF, 0xE1}));
}

// Frames of four bytes, all at one time, while no picture comes: what they cost counts, not their bytes.
TEST_F(HandMadeFrames, OfAFewBytesAreNotKeptByTheMillion) {
  picture(true);
  const std::uint64_t at = pts;
  for (int i = 0; i < 900; ++i) sound(at, 100);
  send();
  EXPECT_GT(sink.frames.size(), 60'000U) << "too many wait";
  EXPECT_LE(feed.group().size(), FrameFeed::kMaxCachedBytes / 256);
}

TEST_F(HandMadeFrames, ANewParameterSetMakesAFormatBeforeItsPicture) {
  picture(true, 3);
  picture(false, 3);
  picture(true, 4);
  picture(false, 4);
  send();
  end();
  const auto video = of(true);
  ASSERT_EQ(video.size(), 4U);
  EXPECT_EQ(video[1].format, 0U);
  EXPECT_EQ(video[2].format, 1U);
  EXPECT_EQ(video[3].format, 1U);
  EXPECT_EQ(sink.formats[0]->tracks[0].video->height, 48U);
  EXPECT_EQ(sink.formats[1]->tracks[0].video->height, 64U);
}

TEST_F(HandMadeFrames, SeveralUnitsOfAPesPacketGetTheirTimesUpToTheNext) {
  picture(true);
  Bytes three;
  for (std::uint8_t i = 0; i < 3; ++i) test::append(three, unit(3, false, static_cast<std::uint8_t>(10 + i)));
  air.pes({0x100, 0xE0, pts, three, std::nullopt, pts - 9000});
  pts += 3 * 3600;
  picture(false);
  send();
  end();
  const auto video = of(true);
  ASSERT_EQ(video.size(), 5U);
  for (std::size_t i = 1; i < 5; ++i) EXPECT_EQ(video[i].frame->dts - video[i - 1].frame->dts, 40 * kMs) << i;
}

TEST_F(HandMadeFrames, SoundHasItsTimesBySamplesAndIsOrderedWithVideo) {
  for (int i = 0; i < 50; ++i) {
    picture(i % 25 == 0);
    if (i % 10 == 9) sound(pts - 10 * 3600, 18);
  }
  send();
  end();
  ASSERT_EQ(sink.formats.size(), 1U);
  ASSERT_EQ(sink.formats[0]->tracks.size(), 2U);
  EXPECT_EQ(sink.formats[0]->tracks[1].configuration, (Bytes{0x11, 0x90}));
  const auto audio = of(false);
  ASSERT_EQ(audio.size(), 5U * 18U);
  EXPECT_EQ(audio[0].frame->data, (Bytes{0x21, 0x10, 0x04, 0x60}));
  for (std::size_t i = 1; i < 18; ++i) {
    EXPECT_EQ(audio[i].frame->dts - audio[0].frame->dts,
              static_cast<std::int64_t>(i) * 1024 * mpegts::kTicksPerSecond / 48'000);
    EXPECT_EQ(audio[i].frame->duration, 1024 * mpegts::kTicksPerSecond / 48'000);
  }
  for (std::size_t i = 1; i < sink.frames.size(); ++i)
    EXPECT_GE(sink.frames[i].frame->dts, sink.frames[i - 1].frame->dts) << i;
}

TEST_F(HandMadeFrames, SoundThatNeverComesHoldsVideoUpForABoundedTimeOnly) {
  for (int i = 0; i < 50; ++i) picture(i % 25 == 0);
  send();
  EXPECT_TRUE(sink.frames.empty());
  for (int i = 0; i < 50; ++i) picture(i % 25 == 0);
  send();
  EXPECT_GE(sink.frames.size(), 95U);
  ASSERT_EQ(feed.left_out().size(), 1U);
  EXPECT_EQ(feed.left_out()[0].track.pid.value, 0x101);
  EXPECT_NE(feed.left_out()[0].reason, "");
}

TEST_F(HandMadeFrames, TheGroupBeginsWithTheLastPictureToBeginWith) {
  for (int i = 0; i < 130; ++i) picture(i % 25 == 0);
  send();
  ASSERT_FALSE(feed.group().empty());
  EXPECT_TRUE(feed.group().front()->random_access);
  EXPECT_LE(feed.group().size(), 25U);
  EXPECT_EQ(feed.group().back(), sink.frames.back().frame);
}

TEST_F(HandMadeFrames, ALossEmptiesTheGroupAndIsTold) {
  for (int i = 0; i < 130; ++i) picture(i % 25 == 0);
  send();
  slots.lose(5);
  picture(false);
  picture(false);
  send();
  EXPECT_EQ(sink.discontinuities, 1U);
  EXPECT_TRUE(feed.group().empty());
  for (int i = 0; i < 100; ++i) picture(i % 25 == 0);
  send();
  EXPECT_FALSE(feed.group().empty());
}

// MP2 and the AAC made of it, which comes when the test says so.
class TwinFrames : public testing::Test {
 protected:
  TwinFrames() {
    const auto made = std::make_shared<Configuration>();
    made->carried.push_back({mpegts::Pid{0x101}, 0x03, StreamKind::mpeg_audio, "deu", true, ""});
    made->carried.push_back({mpegts::Pid{0x901}, 0x0F, StreamKind::aac_adts, "deu", true, ""});
    made->carried[1].twin_of = mpegts::Pid{0x101};
    configuration = made;
    feed.on_configuration(made);
    feed.add(&sink);
  }
  void unit(std::uint8_t track, std::int64_t time, const Bytes& frame) {
    Broadcast air;
    const std::uint16_t pid = configuration->carried[track].pid.value;
    air.pes({pid, 0xC0, static_cast<std::uint64_t>(time / 300), frame});
    const Bytes packets = air.take();
    Unit made;
    made.track = track;
    made.timed = true;
    made.dts = made.pts = time;
    made.packets = packets;
    feed.on_unit(made);
  }
  void original(std::int64_t time) { unit(0, time, test::audio_frame()); }
  void twin(std::int64_t time) { unit(1, time, test::adts_frame()); }
  std::vector<std::int64_t> times(std::uint16_t pid) const {
    std::vector<std::int64_t> out;
    for (const auto& seen : sink.frames) {
      if (seen.pid.value == pid) out.push_back(seen.frame->dts / kMs);
    }
    return out;
  }

  std::shared_ptr<const Configuration> configuration;
  FrameFeed feed;
  FrameCollect sink;
};

TEST_F(TwinFrames, ATwinThatStopsHoldsNothingUpAndWhatComesTooLateOfItGoesNowhere) {
  std::int64_t t = 10'000;
  for (; t < 12'000; t += 24) {
    original(t * kMs);
    twin(t * kMs);
  }
  for (; t < 16'000; t += 24) original(t * kMs);
  EXPECT_GE(times(0x101).back(), 16'000 - 48) << "held up for a twin that is late";
  const std::size_t before = times(0x901).size();
  for (std::int64_t late = 12'000; late < 16'000; late += 24) twin(late * kMs);
  original(t * kMs);
  const auto of_twin = times(0x901);
  EXPECT_NEAR(static_cast<double>(of_twin.size() - before), 41, 3) << "what is less than a second late";
  EXPECT_GE(of_twin[before], 14'950);
  EXPECT_NEAR(static_cast<double>(feed.counters().late_twins), 125, 5);
  EXPECT_EQ(sink.discontinuities, 0U);
  EXPECT_EQ(feed.counters().dropped_frames, 0U);
}

TEST_F(TwinFrames, AnIdleTwinLeavesTheFormatAndReturns) {
  for (std::int64_t t = 10'000; t < 11'000; t += 24) {
    original(t * kMs);
    twin(t * kMs);
  }
  ASSERT_EQ(feed.format()->tracks.size(), 2U);
  auto idle = std::make_shared<Configuration>(*configuration);
  idle->idle_twins = {mpegts::Pid{0x901}};
  feed.on_configuration(idle);
  for (std::int64_t t = 11'000; t < 12'000; t += 24) original(t * kMs);
  ASSERT_EQ(feed.format()->tracks.size(), 1U);
  ASSERT_EQ(feed.left_out().size(), 1U);
  EXPECT_EQ(feed.left_out()[0].reason, "its sound worker brings nothing");
  feed.on_configuration(configuration);
  for (std::int64_t t = 12'000; t < 13'000; t += 24) {
    original(t * kMs);
    twin(t * kMs);
  }
  EXPECT_EQ(feed.format()->tracks.size(), 2U);
}

TEST(FrameFeed, TellsItsSinksThatItEnds) {
  FrameCollect sink;
  {
    FrameFeed feed;
    feed.add(&sink);
  }
  EXPECT_TRUE(sink.ended);
}

}  // namespace
}  // namespace headgate::bridge::hub
