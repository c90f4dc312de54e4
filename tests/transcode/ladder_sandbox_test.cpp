// Pictures and renditions in the sandbox of a worker: no file, no thread, no socket is wanted by FFmpeg or
// x264 once load_codecs() has run.
#include <gtest/gtest.h>

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "dataplane/transcode/limits.h"
#include "dataplane/transcode/syscall_filter.h"
#include "dataplane/transcode/worker.h"
#include "tests/transcode/picture_support.h"

namespace headgate::transcode::picture_test {
namespace {

constexpr std::size_t kRoom = 1024 * 1024;

// What `work` returns in a forked child that may do nothing else; -1 where it was killed.
int in_sandbox(job::Kind kind, const std::function<int()>& work) {
  const auto filter = SyscallFilter::for_workers();
  EXPECT_TRUE(filter) << filter.error();
  const pid_t child = fork();
  if (child == 0) {
    const rlimit memory{limits_of(kind).memory, limits_of(kind).memory};
    if (!kShadowMemory) setrlimit(RLIMIT_DATA, &memory);
    if (!filter->install()) _exit(99);
    _exit(work());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

struct Source {
  StreamKind kind;
  const char* name;
  const char* arguments;
};
const Source kSources[] = {
    {StreamKind::mpeg2_video, "mpeg2",
     "-vf setfield=tff -c:v mpeg2video -top 1 -flags +ilme+ildct -qscale:v 4"},
    {StreamKind::h264, "h264", "-vf setfield=tff -c:v libx264 -preset fast -top 1 -flags +ilme+ildct"},
    {StreamKind::hevc, "hevc",
     "-c:v libx265 -preset ultrafast -x265-params "
     "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc -pix_fmt yuv420p10le"},
};

std::vector<AccessUnit> units_of(const Source& source) {
  return read_units(
      made_stream(std::string("sandbox-") + source.name,
                  std::string("-f lavfi -i testsrc2=s=640x360:r=25 -frames:v 30 ") + source.arguments),
      256, source.kind);
}

TEST(Sandbox, PicturesNeedNothing) {
  load_codecs();
  for (const Source& source : kSources) {
    const auto units = units_of(source);
    ASSERT_FALSE(units.empty());
    for (const bool wants_jpeg : {false, true}) {
      const Ask asked = ask(units, 0, source.kind, wants_jpeg);
      void* shared = mmap(nullptr, kRoom, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
      ASSERT_NE(shared, MAP_FAILED);
      const std::span<std::uint8_t> out(static_cast<std::uint8_t*>(shared), kRoom);
      EXPECT_EQ(in_sandbox(job::Kind::pictures,
                           [&] { return look_at_picture(asked.request, asked.units, out) > 0 ? 7 : 8; }),
                7)
          << source.name;
      const auto result = job::read<job::PictureResult>(out);
      EXPECT_EQ(result->verdict, job::PictureVerdict::shown) << source.name;
      EXPECT_EQ(result->jpeg_size > 0, wants_jpeg) << source.name;
      munmap(shared, kRoom);
    }
  }
}

struct Count final : Output {
  int frames = 0;
  void send(job::Message kind, const ring::MessageHeader&, std::span<const std::uint8_t>) override {
    if (kind == job::Message::frame) ++frames;
  }
};

int frames_of(const Source& source, const std::vector<AccessUnit>& units) {
  Count count;
  const auto worker = make_ladder_worker(count);
  job::StreamBegin wanted;
  wanted.codec = static_cast<std::uint8_t>(source.kind);
  wanted.height = 180;
  wanted.bitrate = 300'000;
  ring::MessageHeader header;
  header.kind = static_cast<std::uint16_t>(job::Message::stream);
  worker->on_message(header, job::bytes_of(wanted));
  for (const AccessUnit& unit : units) {
    header.kind = static_cast<std::uint16_t>(job::Message::packet);
    header.pts = unit.pts * 300;
    header.dts = unit.dts * 300;
    header.flags = unit.random_access ? job::kRandomAccess : 0;
    worker->on_message(header, unit.bytes);
  }
  header.kind = static_cast<std::uint16_t>(job::Message::end);
  worker->on_message(header, {});
  return count.frames;
}

TEST(Sandbox, RenditionsNeedNothing) {
  load_codecs();
  for (const Source& source : kSources) {
    const auto units = units_of(source);
    ASSERT_EQ(units.size(), 30U);
    EXPECT_EQ(in_sandbox(job::Kind::ladder, [&] { return frames_of(source, units); }), 30) << source.name;
  }
}

}  // namespace
}  // namespace headgate::transcode::picture_test
