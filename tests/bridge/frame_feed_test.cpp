// Frames against what ffmpeg makes of the same streams: made by ffmpeg here, and captures where
// HEADGATE_STREAMS names their folder.
#include "dataplane/bridge/hub/frame_feed.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "dataplane/bridge/hub/channel_hub.h"
#include "tests/bridge/broadcast.h"
#include "tests/bridge/flv.h"
#include "tests/bridge/slots.h"

namespace headgate::bridge::hub {
namespace {

using mpegts::StreamKind;
using test::Broadcast;
using test::Bytes;
using test::FlvTag;

constexpr std::int64_t kMs = mpegts::kTicksPerSecond / 1000;

class Collect : public FrameSink {
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
  std::vector<Collect::Seen> of(bool video) const {
    std::vector<Collect::Seen> out;
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
  Collect sink;

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

TEST_F(FrameFeedTest, PutsTheFieldsOfAFrameTogether) {
  NEEDS_FFMPEG();
  const std::string file =
      make(std::string(kSource) + "-c:v libx264 -g 12 -x264-params tff=1 -c:a aac -ac 2");
  if (file.empty()) GTEST_SKIP() << "ffmpeg has no libx264";
  expect_like_ffmpeg(file);
}

}  // namespace
}  // namespace headgate::bridge::hub
