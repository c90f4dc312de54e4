// Derived renditions of streams made here and of captures (HEADGATE_STREAMS), judged by the ffmpeg program.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/transcode/ladder_support.h"

namespace headgate::transcode::picture_test {
namespace {

std::vector<int> nal_types(const Bytes& unit) {
  std::vector<int> types;
  for (std::size_t i = 0; i + 3 < unit.size(); ++i) {
    if (unit[i] == 0 && unit[i + 1] == 0 && unit[i + 2] == 1) types.push_back(unit[i + 3] & 31);
  }
  return types;
}

// Mean PSNR of the luma of all frames, in order.
double luma_psnr(const std::string& ours, const std::string& theirs, const std::string& filter, int width,
                 int height, std::size_t* frames) {
  const auto raw = [&](const std::string& name, const std::string& arguments) {
    const std::string path = temporary(name);
    const std::string command = "ffmpeg -v fatal -nostdin -y " + arguments +
                                " -vsync passthrough -f rawvideo -pix_fmt gray '" + path + "'";
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    return path;
  };
  const std::string a = raw("ours.raw", "-i '" + ours + "'"),
                    b = raw("theirs.raw", "-i '" + theirs + "' -vf '" + filter + "'");
  std::ifstream one(a, std::ios::binary), two(b, std::ios::binary);
  const auto size = static_cast<std::size_t>(width * height);
  Bytes x(size), y(size);
  // ffmpeg shows what leads an open GOP; it ends with the same frame.
  const auto bytes = [](const std::string& path) { return std::filesystem::file_size(path); };
  if (bytes(b) > bytes(a)) two.seekg(static_cast<std::streamoff>(bytes(b) - bytes(a)));
  double sum = 0;
  *frames = 0;
  const auto next = [&](std::ifstream& in, Bytes& into) {
    return static_cast<bool>(
        in.read(reinterpret_cast<char*>(into.data()), static_cast<std::streamsize>(size)));
  };
  while (next(one, x) && next(two, y)) {
    for (std::size_t i = 0; i < size; ++i) sum += (x[i] - y[i]) * (x[i] - y[i]);
    ++*frames;
  }
  return 10 * std::log10(255.0 * 255 * static_cast<double>(size * *frames) / std::max(sum, 1.0));
}

std::string raw_stream(const std::vector<AccessUnit>& units, const std::string& name) {
  const std::string path = temporary(name);
  std::ofstream out(path, std::ios::binary);
  for (const AccessUnit& unit : units) {
    out.write(reinterpret_cast<const char*>(unit.bytes.data()),
              static_cast<std::streamsize>(unit.bytes.size()));
  }
  return path;
}

double bitrate(const std::vector<Frame>& frames, double fps) {
  std::size_t bytes = 0;
  for (const Frame& frame : frames) bytes += frame.unit.size();
  return static_cast<double>(bytes) * 8 * fps / static_cast<double>(frames.size());
}

TEST(LadderWorker, KeepsTimesAndRandomAccessPoints) {
  const auto units = made();
  ASSERT_EQ(units.size(), 150U);
  Ladder ladder(StreamKind::h264, 180, 300'000);
  play(ladder, units);
  EXPECT_EQ(times(ladder.frames), times(units));
  EXPECT_EQ(idr_times(ladder.frames), random_access_times(units));
  EXPECT_EQ(idr_times(ladder.frames).size(), 6U);
  expect_times_in_order(ladder.frames);
  // 2 by the decoder, which reorders, the one under way, and what x264 holds: 0.4 s in all.
  EXPECT_LE(ladder.most_held(), 11U);
  for (const Frame& frame : ladder.frames) {
    const auto types = nal_types(frame.unit);
    ASSERT_FALSE(types.empty());
    EXPECT_EQ(types.front(), 9);  // access unit delimiter
    const auto has = [&](int type) { return std::count(types.begin(), types.end(), type) > 0; };
    EXPECT_EQ(has(5), frame.idr());
    EXPECT_EQ(has(7) && has(8), frame.idr());
  }
  EXPECT_TRUE(ladder.troubles.empty());
}

TEST(LadderWorker, LooksLikeTheSourceAtTheBitrate) {
  const auto units = made("640x360");
  Ladder ladder(StreamKind::h264, 180, 400'000);
  play(ladder, units);
  std::size_t frames = 0;
  const double likeness = luma_psnr(ladder.write("ours.h264"), raw_stream(units, "source.h264"),
                                    "scale=320:180:flags=bicubic", 320, 180, &frames);
  EXPECT_EQ(frames, units.size());
  const double rate = bitrate(ladder.frames, 25);
  std::printf("%.2f dB at %.0f kbit/s\n", likeness, rate / 1000);
  EXPECT_GT(likeness, 30);
  EXPECT_NEAR(rate, 400'000, 0.15 * 400'000);
}

TEST(LadderWorker, BeginsAtARandomAccessPoint) {
  const auto units = made();
  Ladder ladder(StreamKind::h264, 180, 300'000);
  for (std::size_t i = 10; i < units.size(); ++i) ladder.packet(units[i]);
  ladder.end();
  ASSERT_FALSE(ladder.frames.empty());
  EXPECT_TRUE(ladder.frames.front().idr());
  EXPECT_EQ(times(ladder.frames), times(std::vector<AccessUnit>(units.begin() + 10, units.end())));
}

TEST(LadderWorker, GoesOnAfterALossAndMarksIt) {
  const auto units = made();
  Ladder ladder(StreamKind::h264, 180, 300'000);
  std::vector<std::int64_t> kept;
  for (std::size_t i = 0; i < units.size(); ++i) {
    if (i >= 60 && i < 65) continue;
    ladder.packet(units[i], i == 65 ? job::kLoss : 0);
  }
  ladder.end();
  const auto lost = std::count_if(ladder.frames.begin(), ladder.frames.end(),
                                  [](const Frame& frame) { return (frame.header.flags & job::kLoss) != 0; });
  EXPECT_EQ(lost, 1);
  EXPECT_EQ(idr_times(ladder.frames), random_access_times(units));
  EXPECT_GE(ladder.frames.size(), 140U);
  expect_times_in_order(ladder.frames);
}

TEST(LadderWorker, BeginsAnewWhereTimesDontJoin) {
  const auto units = made();
  Ladder ladder(StreamKind::h264, 180, 300'000);
  for (std::size_t i = 0; i < 100; ++i) ladder.packet(units[i]);
  const auto next =
      std::find_if(units.begin() + 120, units.end(), [](const auto& u) { return u.random_access; });
  for (auto unit = next; unit != units.end(); ++unit) {
    ladder.packet(*unit, unit == next ? job::kDiscontinuity : 0, -1000 * kSecond);
  }
  ladder.end();
  EXPECT_EQ(ladder.frames.size(), 100 + static_cast<std::size_t>(units.end() - next));
  const auto marked = std::find_if(ladder.frames.begin(), ladder.frames.end(), [](const Frame& frame) {
    return (frame.header.flags & job::kDiscontinuity) != 0;
  });
  ASSERT_NE(marked, ladder.frames.end());
  EXPECT_EQ(marked - ladder.frames.begin(), 100);
  EXPECT_TRUE(marked->idr());
  EXPECT_EQ(marked->header.pts, next->pts * 300 - 1000 * kSecond);
}

TEST(LadderWorker, FollowsAChangeOfSize) {
  const auto first = made();
  const auto second =
      read_units(made_stream("h264-sd",
                             "-f lavfi -i testsrc2=size=360x288:rate=25 -t 2 -vf setsar=16/15 -c:v libx264 "
                             "-preset ultrafast -g 25 -pix_fmt yuv420p"),
                 256, StreamKind::h264);
  Ladder ladder(StreamKind::h264, 144, 300'000);
  for (std::size_t i = 0; i < 100; ++i) ladder.packet(first[i]);
  const std::int64_t shift = (first[99].dts - second[0].dts + 3600 * 5) * 300;
  for (const auto& unit : second) ladder.packet(unit, 0, shift);
  ladder.end();
  EXPECT_EQ(ladder.frames.size(), 100 + second.size());
  expect_times_in_order(ladder.frames);
  const std::string path = ladder.write("sizes.h264");
  // 16:9, then 4:3.
  const std::string command = "ffprobe -v error -show_entries frame=width,height -of csv=p=0 '" + path +
                              "' | grep -o '[0-9]*,[0-9]*' | sort | uniq -c > '" + temporary("sizes.txt") +
                              "'";
  ASSERT_EQ(std::system(command.c_str()), 0);
  std::ifstream in(temporary("sizes.txt"));
  const std::string text(std::istreambuf_iterator<char>(in), {});
  EXPECT_NE(text.find("50 192,144"), std::string::npos) << text;
  EXPECT_NE(text.find("100 256,144"), std::string::npos) << text;
}

TEST(LadderWorker, SaysWhenNothingCanBeDecoded) {
  Ladder ladder(StreamKind::h264, 360, 500'000);
  AccessUnit garbage;
  garbage.bytes.assign(2000, 0x5A);
  garbage.random_access = true;
  for (int i = 0; i < 400; ++i) {
    garbage.pts = garbage.dts = i * 3600;
    ladder.packet(garbage);
  }
  ASSERT_EQ(ladder.troubles.size(), 1U);
  EXPECT_EQ(ladder.troubles[0], "the decoder makes no pictures of it");
  ladder.end();
  Ladder radio(StreamKind::ac3, 360, 500'000);
  ASSERT_EQ(radio.troubles.size(), 1U);
}

struct Broadcast {
  const char* file;
  std::uint16_t pid;
  StreamKind kind;
  const char* filter;
  int width;
};
void PrintTo(const Broadcast& broadcast, std::ostream* out) {
  *out << broadcast.file << " " << broadcast.pid;
}
class LadderCaptures : public testing::TestWithParam<Broadcast> {};

TEST_P(LadderCaptures, KeepTimesAndRandomAccessPoints) {
  const auto file = capture(GetParam().file);
  if (!file) GTEST_SKIP() << "HEADGATE_STREAMS is not set";
  auto units = read_units(*file, GetParam().pid, GetParam().kind);
  if (units.size() > 150) units.resize(150);
  // The last access unit of a capture is cut, or its second field would follow.
  units.pop_back();
  const auto second = [](const AccessUnit& unit) { return unit.second_field; };
  while (std::any_of(units.begin(), units.end(), second) && !second(units.back())) units.pop_back();
  units.erase(units.begin(),
              std::find_if(units.begin(), units.end(), [](const auto& u) { return u.random_access; }));
  Ladder ladder(GetParam().kind, 360, 1'500'000);
  play(ladder, units);
  EXPECT_EQ(times(ladder.frames), times(units));
  EXPECT_EQ(idr_times(ladder.frames), random_access_times(units));
  expect_times_in_order(ladder.frames);
  std::size_t frames = 0;
  const std::string raw = raw_stream(units, "source.raw");
  const double likeness =
      luma_psnr(ladder.write("ours.h264"), raw, GetParam().filter, GetParam().width, 360, &frames);
  std::printf("%s: %zu of %zu frames, %.2f dB, %.0f kbit/s, %zu held\n", GetParam().file, frames,
              ladder.frames.size(), likeness, bitrate(ladder.frames, 25) / 1000, ladder.most_held());
}

INSTANTIATE_TEST_SUITE_P(
    Broadcasts, LadderCaptures,
    testing::Values(Broadcast{"sd-h264i-bars-aacx2.ts", 4096, StreamKind::h264,
                              "bwdif=send_frame:auto:interlaced,scale=490:360:flags=bicubic", 490},
                    Broadcast{"dvbt-fr-hd-h264i-eac3x3-dvbsubx2.ts", 120, StreamKind::h264,
                              "bwdif=send_frame:auto:interlaced,scale=640:360:flags=bicubic", 640},
                    Broadcast{"mpts-dvbt-it-8prog.ts", 520, StreamKind::mpeg2_video,
                              "bwdif=send_frame:auto:interlaced,scale=640:360:flags=bicubic", 640},
                    Broadcast{"mpts-dvbt-it-8prog.ts", 500, StreamKind::hevc, "scale=640:360:flags=bicubic",
                              640},
                    Broadcast{"scte35-h264-bframes-aac-80s.ts", 256, StreamKind::h264,
                              "scale=640:360:flags=bicubic", 640}));

}  // namespace
}  // namespace headgate::transcode::picture_test
