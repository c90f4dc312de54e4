// What is made of frames, judged by ffmpeg: publishers as ffmpeg writes them (FLV, with its times in whole
// milliseconds) and captures through the hub. Frames decoded, bit by bit, and the distance of sound and
// pictures are the source's. Skipped without the ffmpeg program.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "dataplane/bridge/hub/channel_hub.h"
#include "dataplane/bridge/hub/frame_feed.h"
#include "tests/bridge/flv.h"
#include "tests/bridge/ingest_support.h"
#include "tests/bridge/slots.h"

namespace headgate::bridge {
namespace {

using mpegts::StreamKind;
using test::kMs;
using Bytes = std::vector<std::uint8_t>;

Bytes read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Gives what a hub makes to an entry, as a publisher would.
class Forward : public hub::FrameSink {
 public:
  explicit Forward(hub::FrameSink& to) : to_(to) {}
  void on_format(std::shared_ptr<const hub::FrameFormat> format) override {
    format_ = format;
    to_.on_format(std::move(format));
  }
  void on_frame(std::shared_ptr<const hub::Frame> frame) override {
    // Where the muxer puts it: the picture on the first PID, sounds in their order.
    std::uint16_t pid = 0x100;
    if (!format_->tracks[frame->track].is_video()) {
      for (std::size_t i = 0; i <= frame->track; ++i) {
        if (!format_->tracks[i].is_video()) ++pid;
      }
    }
    pts[pid].push_back(frame->pts);
    to_.on_frame(std::move(frame));
  }
  void on_discontinuity() override { to_.on_discontinuity(); }
  std::map<std::uint16_t, std::vector<std::int64_t>> pts;

 private:
  std::shared_ptr<const hub::FrameFormat> format_;
  hub::FrameSink& to_;
};

class IngestByFfmpeg : public test::IngestTest {
 protected:
  void SetUp() override {
    if (!test::has_ffmpeg()) GTEST_SKIP() << "needs the ffmpeg program";
    entry = &only();
    ASSERT_TRUE(entry->attach("encoder", {}));
  }

  std::string file(const std::string& name) const { return dir_ + "/" + name; }
  bool make(const std::string& arguments, const std::string& name) const {
    return std::system(("ffmpeg -v error -y " + arguments + " " + file(name)).c_str()) == 0;
  }
  static std::string text_of(const std::string& command) {
    const auto bytes = test::output_of(command);
    return {bytes.begin(), bytes.end()};
  }

  // The tags of an FLV in their order, at their times.
  void publish_flv(const std::string& path, StreamKind sound) {
    const auto tags = test::parse_flv(read_file(path));
    auto format = std::make_shared<hub::FrameFormat>();
    std::map<bool, std::uint8_t> track_of;
    for (const auto& tag : tags) {
      if (!tag.header || track_of.contains(tag.video)) continue;
      track_of[tag.video] = static_cast<std::uint8_t>(format->tracks.size());
      hub::FrameTrack track;
      track.kind = tag.video ? StreamKind::h264 : sound;
      track.configuration = tag.data;
      if (tag.video) {
        track.video.emplace();
      } else {
        track.audio.emplace();
        track.audio->sample_rate = 48'000;
        track.audio->samples_per_frame = 1024;
      }
      format->tracks.push_back(std::move(track));
    }
    entry->frames().on_format(format);
    for (const auto& tag : tags) {
      if (tag.header) continue;
      auto frame = std::make_shared<hub::Frame>();
      frame->track = track_of.at(tag.video);
      frame->random_access = tag.key || !tag.video;
      frame->dts = tag.dts_ms * kMs;
      frame->pts = tag.pts_ms * kMs;
      frame->data = tag.data;
      entry->frames().on_frame(frame);
      drain();
    }
    finish();
  }
  void finish() {
    entry->detach("");
    drain();
    std::ofstream(file("made.ts"), std::ios::binary)
        .write(reinterpret_cast<const char*>(seen.bytes.data()),
               static_cast<std::streamsize>(seen.bytes.size()));
  }

  static std::string decoded(const std::string& path, const std::string& stream) {
    return text_of("ffmpeg -v error -i " + path + " -map 0:" + stream +
                   ":0 -vsync passthrough -f hash - 2>&1");
  }
  static std::vector<double> pts_of(const std::string& path, const std::string& stream) {
    std::istringstream lines(text_of("ffprobe -v error -select_streams " + stream +
                                     ":0 -show_entries packet=pts_time -of csv=p=0 " + path));
    std::vector<double> out;
    for (std::string line; std::getline(lines, line);) {
      if (!line.empty() && line[0] != 'N') out.push_back(std::strtod(line.c_str(), nullptr));
    }
    return out;
  }
  // As the source at `path`: every frame, all that is decoded, each time within a millisecond.
  void expect_like(const std::string& path) {
    const std::string ours = file("made.ts");
    EXPECT_EQ(text_of("ffmpeg -v warning -xerror -i " + ours + " -f null - 2>&1"), "");
    std::map<std::string, std::vector<double>> mine, theirs;
    for (const std::string stream : {"v", "a"}) {
      EXPECT_EQ(decoded(ours, stream), decoded(path, stream)) << stream;
      mine[stream] = pts_of(ours, stream);
      theirs[stream] = pts_of(path, stream);
      ASSERT_EQ(mine[stream].size(), theirs[stream].size()) << stream;
      ASSERT_GT(mine[stream].size(), 20U);
    }
    // From the first picture on, sound too: so their distance is the source's.
    for (const std::string stream : {"v", "a"}) {
      for (std::size_t i = 0; i < mine[stream].size(); ++i) {
        ASSERT_NEAR(mine[stream][i] - mine["v"][0], theirs[stream][i] - theirs["v"][0], 0.00102)
            << stream << i;
      }
    }
    const auto report = seen.report();
    EXPECT_EQ(report.cc_errors, 0U);
    EXPECT_EQ(report.crc_errors, 0U);
    EXPECT_EQ(report.tr101290[mpegts::Indicator::pcr_repetition_error], 0U);
    for (const auto& [reason, count] : entry->status().drops) EXPECT_EQ(count, 0U) << reason;
  }
  // Each whole unit is there before its DTS, by the times that PCR and position give.
  void expect_in_time() {
    const auto times = seen.times();
    for (const std::uint16_t pid : std::array<std::uint16_t, 2>{0x100, 0x101}) {
      for (const auto& pes : seen.pes(pid)) {
        auto dts = static_cast<std::int64_t>(pes.dts()) * 300;
        while (dts < times[pes.last] - static_cast<std::int64_t>(mpegts::kPcrModulus) / 2)
          dts += static_cast<std::int64_t>(mpegts::kPcrModulus);
        ASSERT_LE(times[pes.last], dts) << pid;
      }
    }
  }

  ingest::Entry* entry = nullptr;
};

constexpr const char* kSource =
    "-f lavfi -i testsrc2=size=320x180:rate=30:duration=6 -f lavfi -i "
    "sine=frequency=440:sample_rate=48000:duration=6 ";

TEST_F(IngestByFfmpeg, ARightStreamOfAPublisherWithBFrames) {
  if (!make(std::string(kSource) + "-c:v libx264 -preset veryfast -g 60 -bf 3 -c:a aac -ac 2 -f flv",
            "a.flv"))
    GTEST_SKIP() << "ffmpeg has no libx264";
  publish_flv(file("a.flv"), StreamKind::aac_adts);
  expect_like(file("a.flv"));
  expect_in_time();
  EXPECT_EQ(seen.pes(0x100).size(), 180U);
}

TEST_F(IngestByFfmpeg, ARightStreamOfALargeVariableRate) {
  if (!make(std::string(kSource) +
                "-t 4 -vf noise=alls=40:allf=t -c:v libx264 -preset ultrafast -qp 26 -g 250 " +
                "-c:a aac -ac 2 -f flv",
            "a.flv"))
    GTEST_SKIP() << "ffmpeg has no libx264";
  publish_flv(file("a.flv"), StreamKind::aac_adts);
  expect_like(file("a.flv"));
  expect_in_time();
}

TEST_F(IngestByFfmpeg, ARightStreamWhoseSoundBeginsLater) {
  if (!make("-f lavfi -i testsrc2=size=320x240:rate=25:duration=6 -itsoffset 0.317 -f lavfi -i "
            "sine=frequency=440:sample_rate=48000:duration=5 -c:v libx264 -g 25 -c:a aac -ac 1 -f flv",
            "a.flv"))
    GTEST_SKIP() << "ffmpeg has no libx264";
  publish_flv(file("a.flv"), StreamKind::aac_adts);
  expect_like(file("a.flv"));
  expect_in_time();
}

class IngestCaptures : public IngestByFfmpeg, public testing::WithParamInterface<const char*> {};

// A capture's frames, muxed anew, are the frames that ffmpeg decodes from the capture.
TEST_P(IngestCaptures, KeepTheirFrames) {
  const char* folder = std::getenv("HEADGATE_STREAMS");
  if (folder == nullptr) GTEST_SKIP() << "HEADGATE_STREAMS is not set";
  const std::string path = std::string(folder) + "/" + GetParam();
  hub::FrameFeed feed;
  hub::ChannelHub demux{feed};
  test::Slots source{[&](const ring::Slot& slot) { demux.on_slot(slot); }};
  Forward forward{entry->frames()};
  feed.add(&forward);
  source.packets(read_file(path));
  source.flush();
  demux.flush();
  feed.on_silence();
  feed.remove(&forward);
  finish();
  ASSERT_GE(forward.pts.size(), 1U);
  const auto& [first_pid, first_pts] = *forward.pts.begin();
  const auto origin = seen.pes(first_pid);
  ASSERT_FALSE(origin.empty());
  for (const auto& [pid, pts] : forward.pts) {
    const auto made_pes = seen.pes(pid);
    ASSERT_EQ(made_pes.size(), pts.size()) << pid;
    for (std::size_t i = 0; i < pts.size(); ++i) {
      constexpr auto kTurn = static_cast<std::int64_t>(mpegts::kPtsModulus);
      std::int64_t apart =
          static_cast<std::int64_t>(made_pes[i].pts()) - static_cast<std::int64_t>(origin[0].pts());
      apart = (apart + kTurn + kTurn / 2) % kTurn - kTurn / 2;
      ASSERT_NEAR(static_cast<double>(apart) * 300, static_cast<double>(pts[i] - first_pts[0]), 1.01 * kMs)
          << pid << " " << i;
    }
  }
  EXPECT_EQ(seen.report().cc_errors, 0U);
  EXPECT_EQ(seen.report().tr101290[mpegts::Indicator::pcr_repetition_error], 0U);
  expect_in_time();
}
INSTANTIATE_TEST_SUITE_P(Each, IngestCaptures,
                         testing::Values("h264-aac-0.ts", "scte35-h264-bframes-aac-80s.ts", "hevc-aac-0.ts",
                                         "h264-ac3dvb-0.ts", "obs-hevc-aac.ts", "h264-mp2.ts", "latm-aac.ts",
                                         "dvbt-fr-hd-h264i-eac3x3-dvbsubx2.ts", "h264-bframes-pcr-wrap.ts"),
                         [](const auto& p) {
                           std::string name = p.param;
                           std::erase_if(name, [](char c) { return std::isalnum(c) == 0; });
                           return name;
                         });

}  // namespace
}  // namespace headgate::bridge
