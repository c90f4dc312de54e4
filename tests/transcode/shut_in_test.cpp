// The real workers in their sandbox: whatever FFmpeg and x264 need of the system, they may do.
#include <fstream>
#include <set>
#include <sstream>

#include "tests/transcode/picture_support.h"
#include "tests/transcode/transcode_support.h"

namespace headgate::transcode {
namespace {

using mpegts::StreamKind;
using picture_test::made_stream;
using picture_test::read_units;

constexpr const char* kPictures = "-f lavfi -i testsrc2=size=360x288:rate=25 -t 2 -pix_fmt yuv420p ";

class ShutIn : public TranscodeTest {
 protected:
  ShutIn() { start(); }
  void expect_alive(const std::string& name) {
    const nlohmann::json status = job(name);
    ASSERT_TRUE(status.is_object());
    for (const auto& [reason, count] : status["deaths"].items()) EXPECT_EQ(count, 0) << reason << status;
  }
  // A frame made by the worker; levels do as well where `kind` says so.
  static bool comes(Link& link, job::Message kind) {
    for (int i = 0; i < 400; ++i) {
      const Link::Heard heard = link.hear(std::chrono::seconds(10));
      if (heard.header.kind == static_cast<std::uint16_t>(kind)) return true;
      if (heard.header.kind == static_cast<std::uint16_t>(job::Message::trouble))
        ADD_FAILURE() << "trouble: " << heard.text;
      if (heard.text.empty()) return false;
    }
    return false;
  }
};

TEST_F(ShutIn, PicturesOfEachCodecAreDecodedScaledAndCompressed) {
  Link link(folder("pictures"), job::Kind::pictures, "", 4 << 20);
  ASSERT_TRUE(eventually([&] { return link.workers() > 0; }));
  for (const auto& [name, kind, codec] :
       {std::tuple{"shut-h264", StreamKind::h264, "-c:v libx264 -preset ultrafast -g 12"},
        std::tuple{"shut-hevc", StreamKind::hevc,
                   "-c:v libx265 -x265-params log-level=none:keyint=12 -preset ultrafast"},
        std::tuple{"shut-mpeg2", StreamKind::mpeg2_video,
                   "-c:v mpeg2video -flags +ildct+ilme -top 1 -g 12"}}) {
    const auto units = read_units(made_stream(name, std::string(kPictures) + codec), 256, kind);
    ASSERT_FALSE(units.empty()) << name;
    const picture_test::Ask ask = picture_test::ask(units, 0, kind);
    link.ask(1, {ask.units.begin(), ask.units.end()}, ask.request);
    const Link::Heard heard = link.hear();
    const auto result = job::read<job::PictureResult>(
        {reinterpret_cast<const std::uint8_t*>(heard.text.data()), heard.text.size()});
    ASSERT_TRUE(result.has_value()) << name;
    EXPECT_EQ(result->verdict, job::PictureVerdict::shown) << name;
    EXPECT_GT(result->jpeg_size, 1000U) << name;
  }
  expect_alive("pictures");
}

TEST_F(ShutIn, SoundOfEachCodecBecomesAac) {
  for (const auto& [name, kind, codec, frame, samples] :
       {std::tuple{"mp2", StreamKind::mpeg_audio, "-c:a mp2 -b:a 192k", 576, 1152},
        std::tuple{"ac3", StreamKind::ac3, "-c:a ac3 -b:a 192k", 768, 1536},
        std::tuple{"eac3", StreamKind::eac3, "-c:a eac3 -b:a 192k", 768, 1536}}) {
    const std::string file = run_dir_.root + "/sound." + name;
    ASSERT_EQ(
        std::system(("ffmpeg -v error -nostdin -f lavfi -i sine=frequency=440:sample_rate=48000 -ac 2 -t 3 " +
                     std::string(codec) + " '" + file + "'")
                        .c_str()),
        0);
    std::ostringstream text;
    text << std::ifstream(file, std::ios::binary).rdbuf();
    const std::string bytes = text.str();
    Link link = sound(name);
    ASSERT_TRUE(eventually([&] { return link.workers() > 0; }));
    ring::MessageHeader header;
    header.stream = 1;
    job::StreamBegin begin;
    begin.codec = static_cast<std::uint8_t>(kind);
    begin.encode = 1;
    link.tell(job::Message::stream, header, job::bytes_of(begin));
    const auto size = static_cast<std::size_t>(frame);
    for (std::size_t i = 0; (i + 1) * size <= bytes.size(); ++i) {
      header.pts = header.dts = static_cast<std::int64_t>(i) * samples * 1125 / 2;
      link.tell(job::Message::packet, header,
                {reinterpret_cast<const std::uint8_t*>(bytes.data()) + i * size, size});
    }
    EXPECT_TRUE(comes(link, job::Message::frame)) << name;
    EXPECT_TRUE(comes(link, job::Message::levels)) << name;
    expect_alive(std::string("sound.") + name);
  }
}

TEST_F(ShutIn, ALadderEncodes) {
  const auto units =
      read_units(made_stream("shut-h264", std::string(kPictures) + "-c:v libx264 -preset ultrafast -g 12"),
                 256, StreamKind::h264);
  ASSERT_FALSE(units.empty());
  Link link(folder("ladder.r.144"), job::Kind::ladder, "r", 4 << 20);
  ASSERT_TRUE(eventually([&] { return link.workers() > 0; }));
  ring::MessageHeader header;
  job::StreamBegin begin;
  begin.codec = static_cast<std::uint8_t>(StreamKind::h264);
  begin.height = 144;
  begin.bitrate = 300'000;
  link.tell(job::Message::stream, header, job::bytes_of(begin));
  for (const picture_test::AccessUnit& unit : units) {
    header.pts = unit.pts * 300;
    header.dts = unit.dts * 300;
    header.flags = unit.random_access ? job::kRandomAccess : 0;
    link.tell(job::Message::packet, header, unit.bytes);
  }
  link.tell(job::Message::end, header, {});
  EXPECT_TRUE(comes(link, job::Message::frame));
  expect_alive("ladder.r.144");
}

}  // namespace
}  // namespace headgate::transcode
