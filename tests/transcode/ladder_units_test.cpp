// Derived renditions of streams whose PES packets don't hold one access unit each, whose pictures are single
// fields, or whose times are not those of a clockwork.
#include <array>
#include <cmath>

#include "tests/transcode/ladder_support.h"

namespace headgate::transcode::picture_test {
namespace {

std::vector<std::int64_t> expected_pairs(const std::vector<AccessUnit>& fields) {
  auto all = times(fields);
  std::vector<std::int64_t> first;
  for (std::size_t i = 0; i < all.size(); i += 2) first.push_back(all[i]);
  return first;
}

// "WIDTHxHEIGHT SAR interlaced" of each frame, and how often.
std::string shapes(const Ladder& ladder) {
  const std::string path = ladder.write("shape.h264"), out = temporary("shape.txt");
  const std::string command =
      "ffprobe -v error -show_entries frame=width,height,sample_aspect_ratio,interlaced_frame -of "
      "default=nk=1:nw=1 '" +
      path + "' | paste -d' ' - - - - | sort | uniq -c | tr -s ' ' > '" + out + "'";
  EXPECT_EQ(std::system(command.c_str()), 0);
  std::ifstream in(out);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(LadderUnits, SeveralInOnePayloadAreEachAPicture) {
  const auto units = made();
  Ladder ladder(StreamKind::h264, 180, 300'000);
  for (std::size_t i = 0; i < units.size();) {
    Bytes payload = units[i].bytes;
    std::size_t next = i + 1;
    for (; next < units.size() && next < i + 4 && !units[next].random_access; ++next) {
      payload.insert(payload.end(), units[next].bytes.begin(), units[next].bytes.end());
    }
    ladder.payload(payload, units[i].pts, units[i].dts, units[i].random_access);
    i = next;
  }
  ladder.end();
  EXPECT_EQ(times(ladder.frames), times(units));
  EXPECT_EQ(idr_times(ladder.frames), random_access_times(units));
  expect_times_in_order(ladder.frames);
}

// As multiplexers cut that fill their packets: the time is that of the first unit that begins in each.
TEST(LadderUnits, OneOverSeveralPayloadsIsOnePicture) {
  for (const std::size_t size : {700U, 5000U}) {
    const auto units = made();
    Bytes whole;
    std::vector<std::size_t> begins;
    for (const AccessUnit& unit : units) {
      begins.push_back(whole.size());
      whole.insert(whole.end(), unit.bytes.begin(), unit.bytes.end());
    }
    Ladder ladder(StreamKind::h264, 180, 300'000);
    std::size_t unit = 0;
    for (std::size_t at = 0; at < whole.size();) {
      // The bridge cuts so that a random access point begins a payload.
      std::size_t end = std::min(at + size, whole.size());
      std::size_t after = unit;
      while (after < units.size() && begins[after] < end) {
        if (units[after].random_access && begins[after] > at) {
          end = begins[after];
          break;
        }
        ++after;
      }
      const bool timed = after > unit;
      const bool joinable = timed && begins[unit] == at && units[unit].random_access;
      ladder.payload(std::span(whole).subspan(at, end - at),
                     timed ? std::optional(units[unit].pts) : std::nullopt,
                     timed ? std::optional(units[unit].dts) : std::nullopt, joinable);
      unit = after;
      at = end;
    }
    ladder.end();
    EXPECT_EQ(times(ladder.frames), times(units)) << size;
    EXPECT_EQ(idr_times(ladder.frames), random_access_times(units)) << size;
    expect_times_in_order(ladder.frames);
  }
}

TEST(LadderUnits, APictureWithoutATimeFollowsTheOneBefore) {
  const auto units = made();
  Ladder ladder(StreamKind::h264, 180, 300'000);
  for (std::size_t i = 0; i < units.size(); ++i) {
    const bool timed = units[i].random_access || i % 5 == 0;
    ladder.payload(units[i].bytes, timed ? std::optional(units[i].pts) : std::nullopt,
                   timed ? std::optional(units[i].dts) : std::nullopt, units[i].random_access);
  }
  ladder.end();
  EXPECT_EQ(times(ladder.frames), times(units));
  EXPECT_EQ(idr_times(ladder.frames), random_access_times(units));
}

// The end of one and the beginning of the next are lost: the rest of the latter is none.
TEST(LadderUnits, ALossEndsTheUnitUnderWay) {
  const auto units = made();
  Ladder ladder(StreamKind::h264, 180, 300'000);
  std::vector<std::int64_t> expected = times(units);
  std::erase(expected, units[61].pts * 300);
  for (std::size_t i = 0; i < units.size(); ++i) {
    const auto bytes = std::span(units[i].bytes);
    const std::size_t half = bytes.size() / 2;
    if (i != 61) ladder.payload(bytes.first(half), units[i].pts, units[i].dts, units[i].random_access);
    if (i == 60) continue;
    ladder.payload(bytes.subspan(half), std::nullopt, std::nullopt, false, i == 61 ? job::kLoss : 0);
  }
  ladder.end();
  const auto seen = times(ladder.frames);
  std::vector<std::int64_t> missing, more;
  std::set_difference(expected.begin(), expected.end(), seen.begin(), seen.end(),
                      std::back_inserter(missing));
  std::set_difference(seen.begin(), seen.end(), expected.begin(), expected.end(), std::back_inserter(more));
  EXPECT_TRUE(missing.empty()) << missing.size() << " "
                               << (missing.front() - units[60].pts * 300) / 1'080'000;
  EXPECT_TRUE(more.empty()) << more.size() << " " << (more.front() - units[60].pts * 300) / 1'080'000;
  EXPECT_EQ(idr_times(ladder.frames), random_access_times(units));
}

std::vector<AccessUnit> hevc_fields(const char* order) {
  const std::string top = std::string(order) == "tff" ? "top" : "bottom";
  const std::string file = made_stream(
      std::string("hevc-fields-") + order,
      "-f lavfi -i testsrc2=size=640x360:rate=50 -t 4 -vf tinterlace=interleave_" + top +
          ",separatefields -c:v libx265 -preset ultrafast -x265-params interlace=" + order +
          ":keyint=48:min-keyint=48:scenecut=0:bframes=3:open-gop=0:log-level=none -pix_fmt yuv420p");
  return read_units(file, 256, StreamKind::hevc);
}

TEST(LadderUnits, FieldsOfHevcBecomeFramesOfTheRightShape) {
  for (const char* order : {"tff", "bff"}) {
    const auto units = hevc_fields(order);
    ASSERT_EQ(units.size(), 200U);
    Ladder ladder(StreamKind::hevc, 180, 400'000);
    play(ladder, units);
    EXPECT_EQ(times(ladder.frames), expected_pairs(units)) << order;
    EXPECT_EQ(idr_times(ladder.frames), random_access_times(units)) << order;
    expect_times_in_order(ladder.frames);
    EXPECT_EQ(shapes(ladder), " 100 320 180 1:1 0\n") << order;
  }
}

// A field that is missing leaves one alone; those after it are pairs again.
TEST(LadderUnits, AFieldAloneIsAFrame) {
  auto units = hevc_fields("tff");
  const auto random = random_access_times(units);
  ASSERT_GE(random.size(), 3U);
  std::sort(units.begin() + 1, units.end(), [](const auto& a, const auto& b) { return a.dts < b.dts; });
  // The last one before the second random access point, which no other refers to.
  std::size_t second = 1;
  while (!units[second].random_access) ++second;
  std::size_t last = 1;
  for (std::size_t i = 1; i < second; ++i) {
    if (units[i].pts > units[last].pts) last = i;
  }
  const std::int64_t lost = units[last].pts * 300;
  units.erase(units.begin() + static_cast<std::ptrdiff_t>(last));
  Ladder ladder(StreamKind::hevc, 180, 400'000);
  play(ladder, units);
  EXPECT_EQ(ladder.frames.size(), 100U);
  EXPECT_EQ(idr_times(ladder.frames), random);
  const auto seen = times(ladder.frames);
  EXPECT_EQ(std::count(seen.begin(), seen.end(), lost - kSecond / 50), 1);
}

// MPEG-2 of flat pictures, each two fields of their own: no encoder at hand makes such.
class FieldWriter {
 public:
  explicit FieldWriter(int rows) : rows_(rows) {}
  Bytes field(int structure, int luma, bool first) {
    bytes_.clear();
    if (first) {
      code(0xB3);
      bits(kColumns * 16, 12), bits(static_cast<unsigned>(rows_) * 32, 12), bits(3, 4), bits(3, 4);
      bits(5000, 18), bits(1, 1), bits(100, 10), bits(0, 3);
      code(0xB5);
      bits(1, 4), bits(0x48, 8), bits(0, 1), bits(1, 2), bits(0, 4), bits(0, 12), bits(1, 1), bits(0, 16);
      code(0xB8);
      bits(0, 25), bits(1, 1), bits(0, 1);
    }
    code(0);
    bits(0, 10), bits(1, 3), bits(0xFFFF, 16), bits(0, 1);
    code(0xB5);
    bits(8, 4), bits(0xFFFF, 16), bits(0, 2), bits(static_cast<unsigned>(structure), 2), bits(0, 10);
    for (int row = 0; row < rows_; ++row) slice(row, luma);
    align();
    return bytes_;
  }

 private:
  static constexpr unsigned kColumns = 20;
  void slice(int row, int luma) {
    code(static_cast<unsigned>(row) + 1);
    bits(8, 5), bits(0, 1);
    for (unsigned column = 0; column < kColumns; ++column) {
      bits(1, 1), bits(1, 1);  // the next one; intra
      const int difference = column == 0 ? luma - 128 : 0;
      for (int block = 0; block < 4; ++block) {
        dc(block == 0 ? difference : 0);
        bits(2, 2);
      }
      bits(2, 4), bits(2, 4);  // no difference, end, of each chroma
    }
  }
  // Table B-12.
  void dc(int difference) {
    static constexpr std::array<std::array<unsigned, 2>, 8> kCodes{
        {{4, 3}, {0, 2}, {1, 2}, {5, 3}, {6, 3}, {14, 4}, {30, 5}, {62, 6}}};
    unsigned size = 0;
    while (std::abs(difference) >> size != 0) ++size;
    bits(kCodes[size][0], kCodes[size][1]);
    if (size > 0)
      bits(static_cast<unsigned>(difference > 0 ? difference : difference + (1 << size) - 1), size);
  }
  void code(unsigned value) {
    align();
    bits(0x000001, 24), bits(value, 8);
  }
  void bits(unsigned value, unsigned count) {
    while (count-- > 0) {
      if (used_ == 0) bytes_.push_back(0);
      if ((value >> count & 1) != 0) bytes_.back() = static_cast<std::uint8_t>(bytes_.back() | 0x80 >> used_);
      used_ = (used_ + 1) % 8;
    }
  }
  void align() { used_ = 0; }
  int rows_;
  Bytes bytes_;
  unsigned used_ = 0;
};

TEST(LadderUnits, PairsOfFieldsOfMpeg2BecomeFrames) {
  FieldWriter writer(6);
  Ladder ladder(StreamKind::mpeg2_video, 180, 300'000);
  std::vector<std::int64_t> expected, random;
  for (int i = 0; i < 40; ++i) {
    const std::int64_t pts = 90'000 + i * 3600;
    const bool first = i % 10 == 0;
    const int luma = 60 + 3 * i;
    expected.push_back(pts * 300);
    if (first) random.push_back(pts * 300);
    // By turns: each field in a packet of its own, and both in one.
    Bytes upper = writer.field(1, luma, first), lower = writer.field(2, luma, false);
    if (i % 4 < 2) {
      ladder.payload(upper, pts, pts, first);
      ladder.payload(lower, i % 2 == 0 ? std::optional(pts + 1800) : std::nullopt, pts + 1800, false);
    } else {
      upper.insert(upper.end(), lower.begin(), lower.end());
      ladder.payload(upper, pts, pts, first);
    }
  }
  ladder.end();
  EXPECT_EQ(times(ladder.frames), expected);
  EXPECT_EQ(idr_times(ladder.frames), random);
  EXPECT_EQ(shapes(ladder), " 40 320 180 1:1 0\n");
  // Both fields are there: the mean of each picture is what was sent.
  const std::string raw = temporary("means.gray");
  const std::string command = "ffmpeg -v error -nostdin -y -i '" + ladder.write("means.h264") +
                              "' -vsync passthrough -vf scale=2:2:flags=area -f rawvideo -pix_fmt yuv420p '" +
                              raw + "'";
  ASSERT_EQ(std::system(command.c_str()), 0);
  std::ifstream in(raw, std::ios::binary);
  const Bytes means(std::istreambuf_iterator<char>(in), {});
  ASSERT_EQ(means.size(), 40U * 6);
  for (int i = 0; i < 40; ++i) {
    EXPECT_NEAR(means[static_cast<std::size_t>(i) * 6], 60 + 3 * i, 3) << i;
  }
}

// Film in MPEG-2: every other picture is shown for three fields (13818-2 6.3.10). Only random access points
// have times.
TEST(LadderUnits, FilmWithRepeatedFieldsKeepsItsTimes) {
  auto units =
      read_units(made_stream("film",
                             "-f lavfi -i testsrc2=size=320x192:rate=30000/1001 -t 3 -c:v mpeg2video "
                             "-flags +ildct+ilme -g 12 -bf 2 -sc_threshold 1000000000 -b:v 2M"),
                 256, StreamKind::mpeg2_video);
  ASSERT_GE(units.size(), 80U);
  std::vector<std::size_t> shown(units.size());
  for (std::size_t i = 0; i < units.size(); ++i) shown[i] = i;
  std::sort(shown.begin(), shown.end(),
            [&](std::size_t a, std::size_t b) { return units[a].pts < units[b].pts; });
  std::int64_t fields = 0;
  for (std::size_t n = 0; n < shown.size(); ++n) {
    AccessUnit& unit = units[shown[n]];
    const bool repeat = n % 2 == 0;
    unit.pts = 90'000 + (fields * 3003 + 1) / 2;
    bool patched = false;
    for (std::size_t i = 0; i + 9 < unit.bytes.size() && !patched; ++i) {
      auto* at = unit.bytes.data() + i;
      if (at[0] != 0 || at[1] != 0 || at[2] != 1 || at[3] != 0xB5 || at[4] >> 4 != 8) continue;
      at[7] = static_cast<std::uint8_t>((at[7] & ~0x82) | (fields % 2 == 0 ? 0x80 : 0) | (repeat ? 2 : 0));
      at[8] = static_cast<std::uint8_t>(at[8] | 0x80);
      patched = true;
    }
    ASSERT_TRUE(patched);
    fields += repeat ? 3 : 2;
  }
  for (const bool all_timed : {true, false}) {
    Ladder ladder(StreamKind::mpeg2_video, 192, 400'000);
    for (const AccessUnit& unit : units) {
      const bool timed = all_timed || unit.random_access;
      ladder.payload(unit.bytes, timed ? std::optional(unit.pts) : std::nullopt,
                     timed ? std::optional(unit.pts) : std::nullopt, unit.random_access);
    }
    ladder.end();
    const auto expected = times(units), seen = times(ladder.frames);
    ASSERT_EQ(seen.size(), expected.size());
    for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_LE(std::abs(seen[i] - expected[i]), 600) << i;
    EXPECT_EQ(idr_times(ladder.frames), random_access_times(units));
    expect_times_in_order(ladder.frames);
  }
}

TEST(LadderUnits, PicturesAtIrregularTimesKeepThem) {
  auto units = made();
  // As of a camera in a telephone: now 25 a second, now 8; decoding goes at the same pace.
  const auto warped = [&](std::int64_t time) {
    const std::int64_t from = time - units.front().dts, turn = 90'000;
    return units.front().dts + (from < turn ? from : turn + (from - turn) * 3 + (from - turn) % 7);
  };
  std::vector<AccessUnit> irregular = units;
  for (AccessUnit& unit : irregular) unit.pts = warped(unit.pts), unit.dts = warped(unit.dts);
  Ladder ladder(StreamKind::h264, 180, 300'000);
  play(ladder, irregular);
  EXPECT_EQ(times(ladder.frames), times(irregular));
  EXPECT_EQ(idr_times(ladder.frames), random_access_times(irregular));
  expect_times_in_order(ladder.frames);
}

TEST(LadderUnits, FollowsAChangeOfFrameRateAndOfAspect) {
  const auto part = [](const char* name, const char* rate, const char* aspect) {
    return read_units(made_stream(name, std::string("-f lavfi -i testsrc2=size=360x288:rate=") + rate +
                                            " -t 2 -vf setsar=" + aspect +
                                            " -c:v libx264 -preset ultrafast -g 25 -bf 2 -pix_fmt yuv420p"),
                      256, StreamKind::h264);
  };
  const std::vector<std::vector<AccessUnit>> parts{part("narrow", "25", "16/15"), part("wide", "25", "64/45"),
                                                   part("fast", "50", "64/45")};
  std::vector<AccessUnit> all;
  for (const auto& units : parts) {
    const std::int64_t shift = all.empty() ? 0 : times(all).back() / 300 + 3600 - units.front().pts;
    for (AccessUnit unit : units) {
      unit.pts += shift;
      unit.dts += shift;
      all.push_back(std::move(unit));
    }
  }
  Ladder ladder(StreamKind::h264, 144, 300'000);
  play(ladder, all);
  EXPECT_EQ(times(ladder.frames), times(all));
  EXPECT_EQ(idr_times(ladder.frames), random_access_times(all));
  expect_times_in_order(ladder.frames);
  EXPECT_EQ(shapes(ladder), " 50 192 144 1:1 0\n 150 256 144 1:1 0\n");
}

}  // namespace
}  // namespace headgate::transcode::picture_test
