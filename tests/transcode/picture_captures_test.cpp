// Thumbnails of real broadcasts beside the pictures that the ffmpeg program makes of the same frames.
// The captures are no part of the tree: HEADGATE_STREAMS names their folder. Without it streams made here
// take their place (picture_test.cpp).
#include <gtest/gtest.h>

#include <cstdio>

#include "dataplane/transcode/worker.h"
#include "tests/transcode/picture_support.h"

namespace headgate::transcode::picture_test {
namespace {

struct Facts {
  const char* file;
  std::uint16_t pid;
  StreamKind kind;
  const char* matrix;  // as libswscale names it
  int width, height;   // of the thumbnail
  bool interlaced;
  double early = 0;  // s; by so much ffmpeg moves this stream's frames, to a grid that begins at 0
};

void PrintTo(const Facts& facts, std::ostream* out) { *out << facts.file << " " << facts.pid; }

class Captures : public testing::TestWithParam<Facts> {
 protected:
  static void SetUpTestSuite() { load_codecs(); }
};

// The frame at that time, deinterlaced between its neighbours, scaled, in the colours of a JPEG.
Picture reference(const Facts& facts, const std::string& file, std::int64_t pts) {
  const double seconds = static_cast<double>(pts) / 90000;
  char filter[500];
  std::snprintf(filter, sizeof filter,
                "setpts=if(lt(PTS\\,0)\\,PTS+8589934592\\,PTS),bwdif=send_frame:auto:interlaced,select="
                "between(t\\,%.4f\\,%.4f),scale=%d:%d:flags=bicubic:"
                "in_color_matrix=%s:"
                "out_color_matrix=bt601:out_range=full,format=yuvj420p",
                seconds - facts.early - 0.002, seconds - facts.early + 0.002, facts.width, facts.height,
                facts.matrix);
  return by_ffmpeg(
      "-copyts -i '" + file + "' -map 0:i:" + std::to_string(facts.pid) + " -vf '" + filter + "'",
      facts.width, facts.height);
}

TEST_P(Captures, ThumbnailIsThePictureThatFfmpegMakes) {
  const Facts& facts = GetParam();
  const auto file = capture(facts.file);
  if (!file) GTEST_SKIP() << "HEADGATE_STREAMS is not set";
  const auto units = read_units(*file, facts.pid, facts.kind);
  std::size_t seen = 0;
  for (std::size_t i = 0; i < units.size() && seen < 2; ++i) {
    if (!units[i].random_access || i + 1 == units.size()) continue;
    const Seen picture = look(ask(units, i, facts.kind));
    ASSERT_EQ(picture.result.verdict, job::PictureVerdict::shown) << "access unit " << i;
    EXPECT_EQ(picture.result.thumbnail_width, facts.width);
    EXPECT_EQ(picture.result.thumbnail_height, facts.height);
    EXPECT_EQ(picture.result.interlaced != 0, facts.interlaced);
    ++seen;
    const Likeness likeness = psnr(open_jpeg(picture), reference(facts, *file, units[i].pts));
    std::printf("%s %u, access unit %zu: %.1f dB, luma %.1f, chroma %.1f; %u bytes, %u us\n", facts.file,
                facts.pid, i, likeness.all, likeness.luma, likeness.worst_chroma, picture.result.jpeg_size,
                picture.result.decode_us);
    EXPECT_GT(likeness.luma, 35) << "access unit " << i;
    EXPECT_GT(likeness.worst_chroma, 35) << "access unit " << i;
  }
  EXPECT_GT(seen, 0U);
}

INSTANTIATE_TEST_SUITE_P(
    Broadcasts, Captures,
    testing::Values(
        Facts{"sd-h264i-bars-aacx2.ts", 4096, StreamKind::h264, "bt601", 490, 360, true},
        Facts{"dvbt-fr-hd-h264i-eac3x3-dvbsubx2.ts", 120, StreamKind::h264, "bt709", 640, 360, true},
        Facts{"hd-2services-eit-one-scrambled.ts", 1010, StreamKind::h264, "bt709", 640, 360, true},
        Facts{"mpts-dvbt-it-8prog.ts", 500, StreamKind::hevc, "bt709", 640, 360, false},
        Facts{"mpts-dvbt-it-8prog.ts", 512, StreamKind::mpeg2_video, "bt601", 640, 360, true},
        Facts{"mpts-dvbt-it-8prog.ts", 513, StreamKind::mpeg2_video, "bt601", 640, 360, true},
        Facts{"mpts-dvbt-it-8prog.ts", 514, StreamKind::mpeg2_video, "bt601", 640, 360, true},
        Facts{"mpts-dvbt-it-8prog.ts", 520, StreamKind::mpeg2_video, "bt601", 640, 360, true},
        Facts{"hevc-aac-0.ts", 256, StreamKind::hevc, "bt709", 202, 360, false},
        Facts{"obs-hevc-aac.ts", 256, StreamKind::hevc, "bt709", 640, 360, false, 1920 / 90000.0},
        Facts{"sintel-cea608.ts", 257, StreamKind::h264, "bt601", 400, 170, false},
        Facts{"cea608-multichannel.ts", 256, StreamKind::h264, "bt601", 360, 240, false},
        Facts{"scte35-h264-bframes-aac-80s.ts", 256, StreamKind::h264, "bt601", 640, 360, false},
        Facts{"h264-ac3dvb-0.ts", 256, StreamKind::h264, "bt709", 640, 360, false},
        Facts{"h264-aac-0.ts", 256, StreamKind::h264, "bt601", 320, 180, false},
        Facts{"mpeg2v-mp2-bbb.ts", 256, StreamKind::mpeg2_video, "bt709", 640, 360, false}));

}  // namespace
}  // namespace headgate::transcode::picture_test
