// Thumbnails, figures and tiles of pictures made here.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "dataplane/transcode/picture/decode.h"
#include "dataplane/transcode/picture/light.h"
#include "dataplane/transcode/worker.h"
#include "tests/transcode/picture_support.h"

namespace headgate::transcode::picture_test {
namespace {

using job::PictureVerdict;

struct Codec {
  const char* name;
  StreamKind kind;
  const char* arguments;
};
constexpr Codec kMpeg2{"mpeg2", StreamKind::mpeg2_video, "-c:v mpeg2video -qscale:v 2"};
constexpr Codec kH264{"h264", StreamKind::h264, "-c:v libx264 -preset ultrafast -crf 12"};
constexpr Codec kHevc{"hevc", StreamKind::hevc,
                      "-c:v libx265 -preset ultrafast -x265-params log-level=none:crf=12"};

std::vector<AccessUnit> made(const std::string& name, const Codec& codec, const std::string& source,
                             const std::string& more = "-frames:v 1 -pix_fmt yuv420p") {
  load_codecs();
  const std::string file =
      made_stream(name + "-" + codec.name, "-f lavfi -i '" + source + "' " + more + " " + codec.arguments);
  return read_units(file, 256, codec.kind);
}

Seen look_at(const std::string& name, const Codec& codec, const std::string& source, bool wants_jpeg = true,
             int height = 360) {
  const auto units = made(name, codec, source);
  if (units.empty()) {
    ADD_FAILURE() << name;
    return {};
  }
  return look(ask(units, 0, codec.kind, wants_jpeg, height));
}

class EachCodec : public testing::TestWithParam<Codec> {};
INSTANTIATE_TEST_SUITE_P(Codecs, EachCodec, testing::Values(kMpeg2, kH264, kHevc),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST_P(EachCodec, FiguresOfPlainPictures) {
  const struct {
    const char* colour;
    int luma;
  } cases[] = {{"black", 0}, {"gray", 128}, {"white", 255}};
  for (const auto& c : cases) {
    for (const bool wants_jpeg : {false, true}) {
      const auto seen = look_at(std::string("plain-") + c.colour, GetParam(),
                                std::string("color=") + c.colour + ":s=352x288", wants_jpeg);
      ASSERT_EQ(seen.result.verdict, PictureVerdict::shown) << c.colour;
      EXPECT_NEAR(seen.result.mean, c.luma, 1) << c.colour;
      EXPECT_NEAR(seen.result.darkest, c.luma, 1) << c.colour;
      EXPECT_NEAR(seen.result.brightest, c.luma, 1) << c.colour;
      EXPECT_LE(seen.result.detail, 1) << c.colour;
      for (const std::uint8_t cell : seen.result.grid) EXPECT_NEAR(cell, c.luma, 1) << c.colour;
      EXPECT_EQ(seen.jpeg.empty(), !wants_jpeg);
      EXPECT_EQ(seen.result.width, 352);
      EXPECT_EQ(seen.result.height, 288);
      EXPECT_EQ(seen.result.interlaced, 0);
      EXPECT_EQ(seen.result.hdr, 0);
      EXPECT_GT(seen.result.decode_us, 0U);
    }
  }
}

TEST_P(EachCodec, GridFollowsThePicture) {
  // Left half black, right half white.
  const auto seen =
      look_at("halves", GetParam(), "color=black:s=640x360,drawbox=x=320:y=0:w=320:h=360:color=white:t=fill");
  for (std::size_t i = 0; i < seen.result.grid.size(); ++i) {
    EXPECT_NEAR(seen.result.grid[i], i % job::kGridWidth < 16 ? 0 : 255, 2) << i;
  }
  EXPECT_NEAR(seen.result.mean, 128, 2);
  EXPECT_LE(seen.result.darkest, 1);
  EXPECT_GE(seen.result.brightest, 254);
}

TEST_P(EachCodec, FiguresAreTheSameWithoutAJpeg) {
  for (const char* size : {"720x576", "1280x720"}) {
    const std::string source = std::string("testsrc2=s=") + size;
    const auto with = look_at(std::string("test") + size, GetParam(), source);
    const auto without = look_at(std::string("test") + size, GetParam(), source, false);
    ASSERT_EQ(without.result.verdict, PictureVerdict::shown);
    EXPECT_NEAR(with.result.mean, without.result.mean, 2);
    EXPECT_NEAR(with.result.darkest, without.result.darkest, 6);
    EXPECT_NEAR(with.result.brightest, without.result.brightest, 6);
    EXPECT_EQ(with.result.width, without.result.width);
    EXPECT_EQ(with.result.height, without.result.height);
    double difference = 0;
    for (std::size_t i = 0; i < with.result.grid.size(); ++i) {
      difference += std::abs(with.result.grid[i] - without.result.grid[i]);
    }
    EXPECT_LT(difference / static_cast<double>(with.result.grid.size()), 3) << size;
    EXPECT_GT(with.result.detail, 10);
    EXPECT_NEAR(with.result.detail, without.result.detail, 4);
  }
}

// Red, green, blue and white in the four corners of the tile.
TEST_P(EachCodec, TileHasTheColoursOfThePicture) {
  const auto seen = look_at(
      "quarters", GetParam(),
      "color=red:s=640x360,drawbox=x=320:y=0:w=320:h=180:color=lime:t=fill,"
      "drawbox=x=0:y=180:w=320:h=180:color=blue:t=fill,drawbox=x=320:y=180:w=320:h=180:color=white:t=fill");
  const auto expect = [&](int x, int y, int r, int g, int b) {
    const std::uint8_t* pixel = &seen.result.tile[static_cast<std::size_t>((y * 192 + x) * 3)];
    EXPECT_NEAR(pixel[0], r, 6) << x << "," << y;
    EXPECT_NEAR(pixel[1], g, 6) << x << "," << y;
    EXPECT_NEAR(pixel[2], b, 6) << x << "," << y;
  };
  expect(40, 25, 255, 0, 0);
  expect(150, 25, 0, 255, 0);
  expect(40, 80, 0, 0, 255);
  expect(150, 80, 255, 255, 255);
  expect(2, 2, 255, 0, 0);
}

TEST_P(EachCodec, WhatIsCutOffIsUndecodable) {
  const auto units = made("test720x576", GetParam(), "testsrc2=s=720x576");
  for (const std::size_t part : {1, 10, 50, 90, 97}) {
    Ask cut = ask({units[0]}, 0, GetParam().kind);
    cut.units.resize(cut.units.size() * part / 100);
    const auto seen = look(cut);
    EXPECT_EQ(seen.result.verdict, PictureVerdict::undecodable) << part;
    EXPECT_TRUE(seen.jpeg.empty());
  }
  Ask garbage = ask({units[0]}, 0, GetParam().kind);
  for (std::size_t i = 0; i < garbage.units.size(); ++i) {
    garbage.units[i] = static_cast<std::uint8_t>((i * 2654435761U) >> 13);
  }
  EXPECT_EQ(look(garbage).result.verdict, PictureVerdict::undecodable);
}

TEST_P(EachCodec, WritesNothingBeyondItsRoom) {
  const auto units = made("noisy", GetParam(), "testsrc2=s=720x576,noise=alls=60:allf=t");
  const Ask asked = ask(units, 0, GetParam().kind);
  Bytes out;
  for (const std::size_t room : {std::size_t{0}, sizeof(job::PictureResult) - 1}) {
    out.assign(sizeof(job::PictureResult) + 100, 0xA5);
    EXPECT_EQ(look_at_picture(asked.request, asked.units, std::span(out).first(room)), 0U);
    EXPECT_EQ(std::count(out.begin(), out.end(), 0xA5), static_cast<std::ptrdiff_t>(out.size()));
  }
  const std::size_t whole = look(asked).jpeg.size();
  // Room for a coarser JPEG, then for none.
  const auto coarse = look(asked, sizeof(job::PictureResult) + whole / 2);
  EXPECT_GT(coarse.result.jpeg_size, 0U);
  EXPECT_LE(coarse.result.jpeg_size, whole / 2);
  const auto none = look(asked, sizeof(job::PictureResult) + 1000);
  EXPECT_EQ(none.result.jpeg_size, 0U);
  EXPECT_EQ(none.result.verdict, PictureVerdict::shown);
}

TEST(Picture, AnUnknownCodecIsUndecodable) {
  Ask asked;
  asked.units.assign(100, 0);
  for (const int codec : {0, static_cast<int>(StreamKind::ac3), 200}) {
    asked.request.codec = static_cast<std::uint8_t>(codec);
    EXPECT_EQ(look(asked).result.verdict, PictureVerdict::undecodable);
  }
}

TEST(Picture, ThumbnailHasTheDisplayAspectRatio) {
  const struct {
    const char* name;
    const char* source;
    int width, height;
  } cases[] = {
      {"sd-4-3", "testsrc2=s=720x576,setsar=16/15", 480, 360},
      {"sd-16-9", "testsrc2=s=720x576,setsar=64/45", 640, 360},
      {"ntsc-4-3", "testsrc2=s=720x480,setsar=8/9", 480, 360},
      {"hd-1440", "testsrc2=s=1440x1080,setsar=4/3", 640, 360},
      {"hd", "testsrc2=s=1920x1080", 640, 360},
      {"tiny", "testsrc2=s=320x240", 320, 240},
      {"upright", "testsrc2=s=720x1280", 202, 360},
      {"senseless", "testsrc2=s=640x360,setsar=1/100", 640, 360},
  };
  for (const auto& c : cases) {
    const auto seen = look_at(c.name, kH264, c.source);
    EXPECT_EQ(seen.result.thumbnail_width, c.width) << c.name;
    EXPECT_EQ(seen.result.thumbnail_height, c.height) << c.name;
    const Picture opened = open_jpeg(seen);
    EXPECT_EQ(opened.samples.size(), static_cast<std::size_t>(c.width * c.height * 3 / 2)) << c.name;
  }
  const auto mpeg2 = look_at("aspect", kMpeg2, "testsrc2=s=720x576,setdar=16/9");
  EXPECT_EQ(mpeg2.result.thumbnail_width, 640);
}

TEST(Picture, TileIsLetterboxed) {
  // White, 4:3: 144 of 192 columns.
  const auto narrow = look_at("white-4-3", kH264, "color=white:s=720x576,setsar=16/15");
  const auto at = [](const Seen& seen, int x, int y) {
    return seen.result.tile[static_cast<std::size_t>((y * 192 + x) * 3)];
  };
  EXPECT_EQ(at(narrow, 23, 50), 0);
  EXPECT_GT(at(narrow, 25, 50), 250);
  EXPECT_GT(at(narrow, 166, 50), 250);
  EXPECT_EQ(at(narrow, 168, 50), 0);
  // 2.4:1: 80 of 108 lines.
  const auto wide = look_at("white-wide", kH264, "color=white:s=960x400");
  EXPECT_EQ(at(wide, 96, 13), 0);
  EXPECT_GT(at(wide, 96, 15), 250);
  EXPECT_GT(at(wide, 96, 92), 250);
  EXPECT_EQ(at(wide, 96, 94), 0);
}

// Open GOPs: B pictures that are shown before the I picture follow it, and their references never came.
TEST(Picture, TakesThePictureOfTheRandomAccessPointNotOneThatLeadsIt) {
  for (const char* codec :
       {"-c:v libx264 -preset fast -x264-params open-gop=1:keyint=12:bframes=3:b-adapt=0:scenecut=0 -crf 16",
        "-c:v libx265 -preset ultrafast -x265-params "
        "log-level=none:open-gop=1:keyint=12:min-keyint=12:bframes=3:b-adapt=0:scenecut=0:crf=14",
        "-c:v mpeg2video -bf 2 -g 12 -qscale:v 2"}) {
    const std::string text = codec;
    const StreamKind kind = text.find("264") != std::string::npos   ? StreamKind::h264
                            : text.find("265") != std::string::npos ? StreamKind::hevc
                                                                    : StreamKind::mpeg2_video;
    const Codec used{to_string(kind), kind, codec};
    const auto units = made("open", used, "testsrc2=s=320x180:r=25", "-frames:v 40 -pix_fmt yuv420p");
    std::size_t seen = 0;
    for (std::size_t i = 1; i + 1 < units.size(); ++i) {
      if (!units[i].random_access) continue;
      EXPECT_LT(units[i + 1].pts, units[i].pts) << text << ": no leading picture";
      const auto picture = look(ask(units, i, kind));
      ASSERT_EQ(picture.result.verdict, PictureVerdict::shown) << text;
      const auto number =
          (units[i].pts - std::min_element(units.begin(), units.end(),
                                           [](const auto& a, const auto& b) { return a.pts < b.pts; })
                              ->pts) /
          3600;
      const Picture original =
          by_ffmpeg("-f lavfi -i testsrc2=s=320x180:r=25 -vf 'select=eq(n\\," + std::to_string(number) +
                        "),scale=320:180:out_color_matrix=bt601:out_range=full,format=yuvj420p'",
                    320, 180);
      EXPECT_GT(psnr(open_jpeg(picture), original).luma, 32) << text << " " << i;
      ++seen;
    }
    EXPECT_GE(seen, 2U) << text;
  }
}

// Alternate lines of two times, as a camera's: the first one is shown, without a comb.
TEST(Picture, InterlacedPicturesAreDeinterlaced) {
  const std::string moving = "testsrc2=s=720x576:r=50,crop=704:560:8*mod(n\\,2):0,scale=720:576";
  for (const Codec& codec :
       {Codec{"mpeg2", StreamKind::mpeg2_video, "-c:v mpeg2video -top 1 -flags +ilme+ildct -qscale:v 2"},
        Codec{"h264", StreamKind::h264, "-c:v libx264 -preset fast -top 1 -flags +ilme+ildct -crf 10"}}) {
    const auto units = made("moving", codec, moving + ",tinterlace=interleave_top,setfield=tff");
    const auto seen = look(ask(units, 0, codec.kind, true, 576));
    EXPECT_EQ(seen.result.interlaced, 1);
    const auto original =
        by_ffmpeg("-f lavfi -i '" + moving + "' -vf 'scale=" + std::to_string(seen.result.thumbnail_width) +
                      ":576:out_color_matrix=bt601:out_range=full,format=yuvj420p'",
                  seen.result.thumbnail_width, 576);
    const Picture shown = open_jpeg(seen);
    // A comb: lines that differ from both neighbours in the same direction.
    const auto combed = [](const Picture& picture) {
      std::size_t count = 0;
      for (int y = 1; y + 1 < picture.height; ++y) {
        for (int x = 0; x < picture.width; ++x) {
          const auto at = [&](int line) {
            return int{picture.samples[static_cast<std::size_t>(line * picture.width + x)]};
          };
          if ((at(y) - at(y - 1)) * (at(y) - at(y + 1)) > 1000) ++count;
        }
      }
      return static_cast<double>(count) / (picture.width * picture.height);
    };
    const double likeness = psnr(shown, original).luma;
    std::printf("%s: %.1f dB, combs %.4f of the picture, original %.4f\n", codec.name, likeness,
                combed(shown), combed(original));
    EXPECT_GT(likeness, 26);
    EXPECT_LT(combed(shown), combed(original) + 0.01);
  }
}

TEST(Picture, HdrIsToneMapped) {
  using picture::grey_through_light;
  using picture::Transfer;
  const struct {
    const char* name;
    const char* parameters;
    Transfer transfer;
    int luma;  // 10 bits, limited range
  } cases[] = {
      // BT.2408: 203 cd/m2 is 58 % of PQ and 75 % of HLG.
      {"pq-white", "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc", Transfer::pq, 572},
      {"pq-bright", "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc", Transfer::pq, 723},
      {"pq-dark", "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc", Transfer::pq, 200},
      // As DVB does it, for receivers that know no HLG: only an SEI tells.
      {"hlg-sei", "colorprim=bt2020:transfer=bt2020-10:colormatrix=bt2020nc:atc-sei=18", Transfer::hlg, 721},
      {"hlg-white", "colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc", Transfer::hlg, 721},
  };
  for (const auto& c : cases) {
    const std::string arguments =
        std::string("-c:v libx265 -preset ultrafast -x265-params log-level=none:crf=10:") + c.parameters;
    const Codec codec{"hevc", StreamKind::hevc, arguments.c_str()};
    const auto units =
        made(c.name, codec,
             "color=gray:s=320x180,format=yuv420p10le,geq=lum=" + std::to_string(c.luma) + ":cb=512:cr=512",
             "-frames:v 2 -pix_fmt yuv420p10le");
    const auto seen = look(ask(units, 0, codec.kind));
    ASSERT_EQ(seen.result.verdict, PictureVerdict::shown) << c.name;
    EXPECT_EQ(seen.result.hdr, 1);
    EXPECT_NEAR(seen.result.mean, 255 * grey_through_light((c.luma - 64) / 876.0, c.transfer), 2) << c.name;
    const std::uint8_t* pixel = &seen.result.tile[(54 * 192 + 96) * 3];
    EXPECT_NEAR(pixel[0], pixel[1], 3) << c.name;
    EXPECT_NEAR(pixel[2], pixel[1], 3) << c.name;
  }
  for (const Transfer transfer : {Transfer::pq, Transfer::hlg}) {
    EXPECT_NEAR(grey_through_light(0, transfer), 0, 0.01);
    // White keeps room for what is brighter, and is no grey.
    const double white = grey_through_light(transfer == Transfer::pq ? 0.58 : 0.75, transfer);
    EXPECT_GT(white, 0.80);
    EXPECT_LT(white, 0.95);
    EXPECT_NEAR(grey_through_light(transfer == Transfer::pq ? 0.752 : 1, transfer), 1, 0.01);
    double before = -1;
    for (int i = 0; i <= 100; ++i) {
      const double now = grey_through_light(i / 100.0, transfer);
      EXPECT_GE(now, before);
      before = now;
    }
  }
}

// The same colours in the primaries and coefficients of BT.2020, by zscale.
TEST(Picture, WideColoursAreThoseOfAStandardPicture) {
  const std::string quarters =
      "color=0xC06060:s=320x180,drawbox=x=160:y=0:w=160:h=90:color=0x60A060:t=fill,drawbox=x=0:y=90:w=160:h="
      "90:color=0x5060B0:t=fill";
  const Codec codec{"hevc", StreamKind::hevc,
                    "-c:v libx265 -preset ultrafast -x265-params "
                    "log-level=none:crf=4:colorprim=bt2020:transfer=bt709:colormatrix=bt2020nc"};
  const auto units = made(
      "wide", codec,
      quarters + ",format=gbrp,zscale=pin=709:tin=709:min=gbr:p=2020:t=709:m=2020_ncl:r=limited:rin=full",
      "-frames:v 2 -pix_fmt yuv420p10le");
  const auto seen = look(ask(units, 0, codec.kind));
  ASSERT_EQ(seen.result.verdict, PictureVerdict::shown);
  EXPECT_EQ(seen.result.hdr, 0);
  const auto expect = [&](int x, int y, int r, int g, int b) {
    const std::uint8_t* pixel = &seen.result.tile[static_cast<std::size_t>((y * 192 + x) * 3)];
    EXPECT_NEAR(pixel[0], r, 10) << x << "," << y;
    EXPECT_NEAR(pixel[1], g, 10) << x << "," << y;
    EXPECT_NEAR(pixel[2], b, 10) << x << "," << y;
  };
  expect(40, 25, 0xC0, 0x60, 0x60);
  expect(150, 25, 0x60, 0xA0, 0x60);
  expect(40, 80, 0x50, 0x60, 0xB0);
}

TEST(ShownSize, IsNeverHigherThanTheSource) {
  using picture::shown_size;
  using picture::Size;
  EXPECT_EQ(shown_size({16, 9}, 1080, 360), (Size{640, 360}));
  EXPECT_EQ(shown_size({4, 3}, 576, 360), (Size{480, 360}));
  EXPECT_EQ(shown_size({16, 9}, 270, 360), (Size{480, 270}));
  EXPECT_EQ(shown_size({1000, 1}, 360, 360), (Size{1920, 16}));
  EXPECT_EQ(shown_size({1, 1000}, 360, 360), (Size{16, 360}));
  EXPECT_EQ(shown_size({0, 0}, 360, 360), (Size{640, 360}));
}

}  // namespace
}  // namespace headgate::transcode::picture_test
