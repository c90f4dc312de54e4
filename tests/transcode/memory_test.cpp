// The real workers where memory is short: what a picture or a sound needs beyond its limit costs that job
// alone, and as soon as there is memory again, all is as before.
#include <sys/prctl.h>
#include <sys/resource.h>

#include <fstream>
#include <sstream>

#include "tests/transcode/picture_support.h"
#include "tests/transcode/transcode_support.h"

#if !defined(WITHOUT_MEMORY_LIMIT)
namespace headgate::transcode {
namespace {

using mpegts::StreamKind;
using picture_test::made_stream;
using picture_test::read_units;

class ShortOfMemory : public TranscodeTest {
 protected:
  ShortOfMemory() { start(); }

  // Workers that are started from now on have so much besides what the supervisor has; 0: their own limit.
  void leave(std::size_t bytes) const {
    rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
    if (bytes != 0) limit.rlim_cur = data_of(pid_) + bytes;
    ASSERT_EQ(::prlimit(pid_, RLIMIT_DATA, &limit, nullptr), 0);
  }

  static std::size_t data_of(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
    std::size_t fields[6] = {};
    for (std::size_t& field : fields) file >> field;
    return fields[5] * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  }

  static job::PictureVerdict look(Link& link, std::uint32_t asker, const picture_test::Ask& ask) {
    link.ask(asker, {ask.units.begin(), ask.units.end()}, ask.request);
    const Link::Heard heard = link.hear(std::chrono::seconds(20));
    EXPECT_EQ(heard.header.id, asker);
    const auto result = job::read<job::PictureResult>(
        {reinterpret_cast<const std::uint8_t*>(heard.text.data()), heard.text.size()});
    return result ? result->verdict : job::PictureVerdict::undecodable;
  }

  static picture_test::Ask picture(const std::string& name, const std::string& how, StreamKind kind) {
    const auto units = read_units(made_stream(name, how), 256, kind);
    EXPECT_FALSE(units.empty()) << name;
    return picture_test::ask(units, 0, kind);
  }
};

TEST_F(ShortOfMemory, APictureThatNeedsTooMuchIsNotShownAndOthersAre) {
  Link link(folder("pictures"), job::Kind::pictures, "", 4 << 20);
  ASSERT_TRUE(eventually([&] { return link.workers() > 0; }));
  const auto large = picture("memory-uhd",
                             "-f lavfi -i color=gray:size=3840x2160:rate=25 -frames:v 1 -pix_fmt yuv420p "
                             "-c:v libx264 -preset ultrafast",
                             StreamKind::h264);
  const auto small = picture("memory-small",
                             "-f lavfi -i testsrc2=size=360x288:rate=25 -frames:v 1 -pix_fmt yuv420p "
                             "-c:v libx264 -preset ultrafast",
                             StreamKind::h264);
  EXPECT_EQ(look(link, 2, small), job::PictureVerdict::shown);  // the supervisor has all that it needs itself
  leave(2 << 20);
  EXPECT_NE(look(link, 1, large), job::PictureVerdict::shown);
  EXPECT_EQ(look(link, 2, small), job::PictureVerdict::shown);
  EXPECT_NE(look(link, 1, large), job::PictureVerdict::shown);
  EXPECT_TRUE(lives(pid_));
  leave(0);
  EXPECT_EQ(look(link, 1, large), job::PictureVerdict::shown);
}

class ShortOfMemorySound : public ShortOfMemory {
 protected:
  static constexpr std::uint16_t kMany = 40;
  ShortOfMemorySound() {
    const std::string file = run_dir_.root + "/sound.mp2";
    EXPECT_EQ(std::system(("ffmpeg -v error -nostdin -f lavfi -i sine=frequency=440:sample_rate=48000 -ac 2 "
                           "-t 3 -c:a mp2 -b:a 192k '" +
                           file + "'")
                              .c_str()),
              0);
    std::ostringstream text;
    text << std::ifstream(file, std::ios::binary).rdbuf();
    bytes_ = text.str();
  }
  // Three seconds of so many tracks; how many of them AAC came of.
  std::size_t heard(Link& link, std::uint16_t tracks) {
    constexpr std::size_t kFrame = 576;
    ring::MessageHeader header;
    job::StreamBegin begin;
    begin.codec = static_cast<std::uint8_t>(StreamKind::mpeg_audio);
    begin.encode = 1;
    std::set<std::uint16_t> found;
    const auto listen = [&](std::chrono::milliseconds bound) {
      for (Link::Heard heard = link.hear(bound); !heard.text.empty(); heard = link.hear(bound)) {
        if (heard.header.kind == static_cast<std::uint16_t>(job::Message::frame))
          found.insert(heard.header.stream);
        bound = std::chrono::milliseconds(1);
      }
    };
    for (header.stream = 0; header.stream < tracks; ++header.stream)
      link.tell(job::Message::stream, header, job::bytes_of(begin));
    for (std::size_t i = 0; (i + 1) * kFrame <= bytes_.size(); ++i) {
      header.pts = header.dts = time_ + static_cast<std::int64_t>(i) * 1152 * 1125 / 2;
      for (header.stream = 0; header.stream < tracks; ++header.stream)
        link.tell(job::Message::packet, header,
                  {reinterpret_cast<const std::uint8_t*>(bytes_.data()) + i * kFrame, kFrame});
      listen(std::chrono::milliseconds(1));
    }
    for (int i = 0; i < 40 && found.size() < tracks; ++i) listen(std::chrono::milliseconds(100));
    time_ += 10 * 27'000'000LL;
    return found.size();
  }
  std::string bytes_;
  std::int64_t time_ = 27'000'000;
};

TEST_F(ShortOfMemorySound, AsManyTracksAsAChannelCarriesFitIntoTheLimit) {
  Link link(folder("sound.many"), job::Kind::sound, "many", 4 << 20);
  ASSERT_TRUE(eventually([&] { return link.workers() > 0; }));
  EXPECT_EQ(heard(link, kMany), kMany);
  EXPECT_EQ(job("sound.many")["restarts"], 0);
}

TEST_F(ShortOfMemorySound, AWorkerThatNeedsTooMuchDiesOrSaysSoAndOthersGoOn) {
  Link other(folder("sound.other"), job::Kind::sound, "other", 1 << 20);
  ASSERT_TRUE(eventually([&] { return other.workers() > 0; }));
  leave(6 << 20);
  Link link(folder("sound.many"), job::Kind::sound, "many", 4 << 20);
  ASSERT_TRUE(eventually([&] { return link.workers() > 0; }));
  EXPECT_LT(heard(link, kMany), kMany);
  EXPECT_TRUE(eventually([&] { return job("sound.many")["deaths"]["crashed"] > 0; })) << job("sound.many");
  EXPECT_EQ(heard(other, 1), 1U);
  EXPECT_EQ(job("sound.other")["restarts"], 0);
  leave(0);
  link.remove();
  // Under another name: what is made anew in the same place may get a second worker, which knows nothing of
  // what the first was told.
  Link anew(folder("sound.again"), job::Kind::sound, "again", 4 << 20);
  ASSERT_TRUE(eventually([&] { return anew.workers() > 0; }));
  EXPECT_EQ(heard(anew, kMany), kMany);
}

}  // namespace
}  // namespace headgate::transcode
#endif
