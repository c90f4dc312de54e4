// CPU time of one thumbnail and of one frame of a derived rendition, by source: headgate_picture_bench.
// Captures are taken from HEADGATE_STREAMS; what they don't have is made by ffmpeg, in a folder that goes at
// the end.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "dataplane/transcode/picture/colour.h"
#include "dataplane/transcode/picture/decode.h"
#include "dataplane/transcode/picture/deinterlace.h"
#include "dataplane/transcode/picture/jpeg.h"
#include "dataplane/transcode/picture/scale.h"
#include "dataplane/transcode/worker.h"
#include "tests/transcode/picture_support.h"

namespace headgate::transcode::picture_test {
namespace {

struct Source {
  const char* name;
  StreamKind kind;
  const char* capture;  // or null
  std::uint16_t pid;
  const char* made;  // ffmpeg's arguments
};
// Moving pictures with noise, which costs a decoder what a broadcast does.
constexpr Source kSources[] = {
    {"mpeg2-576i", StreamKind::mpeg2_video, "mpts-dvbt-it-8prog.ts", 512, nullptr},
    {"h264-576i", StreamKind::h264, "sd-h264i-bars-aacx2.ts", 4096, nullptr},
    {"h264-1080i", StreamKind::h264, "hd-2services-eit-one-scrambled.ts", 1010, nullptr},
    {"h264-1080p50", StreamKind::h264, nullptr, 256,
     "-f lavfi -i testsrc2=s=1920x1080:r=50 -t 2 -vf noise=alls=8:allf=t -c:v libx264 -preset veryfast -b:v "
     "8M -maxrate 9M -bufsize 8M -pix_fmt yuv420p"},
    {"hevc-720p50-10bit", StreamKind::hevc, "mpts-dvbt-it-8prog.ts", 500, nullptr},
    {"hevc-2160p-hdr", StreamKind::hevc, nullptr, 256,
     "-f lavfi -i testsrc2=s=3840x2160:r=50 -frames:v 12 -vf noise=alls=8:allf=t -c:v libx265 -preset "
     "ultrafast -b:v 25M -x265-params "
     "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc -pix_fmt yuv420p10le"},
};

const std::vector<AccessUnit>& units_of(const Source& source) {
  static std::map<std::string, std::vector<AccessUnit>> known;
  auto [at, fresh] = known.try_emplace(source.name);
  if (fresh) {
    load_codecs();
    const auto file = source.capture != nullptr ? capture(source.capture)
                                                : std::optional(made_stream(source.name, source.made));
    if (file) at->second = read_units(*file, source.pid, source.kind);
  }
  return at->second;
}

std::optional<Ask> ask_of(const Source& source, bool wants_jpeg) {
  const auto& units = units_of(source);
  for (std::size_t i = 0; i + 1 < units.size(); ++i) {
    if (!units[i].random_access) continue;
    Ask asked = ask(units, i, source.kind, wants_jpeg);
    Bytes out(2 * 1024 * 1024);
    look_at_picture(asked.request, asked.units, out);
    if (job::read<job::PictureResult>(out)->verdict == job::PictureVerdict::shown) return asked;
  }
  return std::nullopt;
}

void whole(benchmark::State& state, const Source& source, bool wants_jpeg) {
  const auto asked = ask_of(source, wants_jpeg);
  if (!asked) return state.SkipWithError("HEADGATE_STREAMS is not set");
  Bytes out(2 * 1024 * 1024);
  for (auto _ : state) benchmark::DoNotOptimize(look_at_picture(asked->request, asked->units, out));
}

// Where the time goes.
void parts(benchmark::State& state, const Source& source, const std::string& part) {
  const auto asked = ask_of(source, true);
  if (!asked) return state.SkipWithError("HEADGATE_STREAMS is not set");
  const auto decode = [&] { return picture::decode_random_access(source.kind, asked->units, false); };
  const auto decoded = decode();
  const auto colour = picture::colour_of(*decoded.frame, decoded.height);
  const auto size = picture::shown_size(decoded.shape, decoded.height, 360);
  const auto scale = [&] {
    picture::Scaler scaler;
    const AvFrame scaled =
        scaler.scale(*decoded.frame, size.width, size.height, picture::format_before(colour), SWS_BICUBIC);
    return picture::to_jpeg_colours(*scaled, colour);
  };
  const AvFrame shown = scale();
  Bytes out(1024 * 1024);
  for (auto _ : state) {
    if (part == "decode") benchmark::DoNotOptimize(decode());
    if (part == "deinterlace") picture::deinterlace(*decoded.frame);
    if (part == "scale") benchmark::DoNotOptimize(scale());
    if (part == "jpeg") benchmark::DoNotOptimize(picture::write_jpeg(*shown, out));
  }
}

struct Sink final : Output {
  std::size_t frames = 0;
  void send(job::Message kind, const ring::MessageHeader&, std::span<const std::uint8_t>) override {
    if (kind == job::Message::frame) ++frames;
  }
};

// One iteration: the whole stream. core%: of one core, at the source's own pace.
void ladder(benchmark::State& state, const Source& source, std::uint32_t height, std::uint32_t bitrate,
            double fps) {
  const auto& units = units_of(source);
  if (units.empty()) return state.SkipWithError("HEADGATE_STREAMS is not set");
  std::size_t frames = 0;
  for (auto _ : state) {
    Sink sink;
    const auto worker = make_ladder_worker(sink);
    job::StreamBegin wanted;
    wanted.codec = static_cast<std::uint8_t>(source.kind);
    wanted.height = height;
    wanted.bitrate = bitrate;
    ring::MessageHeader header;
    header.kind = static_cast<std::uint16_t>(job::Message::stream);
    worker->on_message(header, job::bytes_of(wanted));
    header.kind = static_cast<std::uint16_t>(job::Message::packet);
    for (const AccessUnit& unit : units) {
      header.pts = unit.pts * 300;
      header.dts = unit.dts * 300;
      header.flags = unit.random_access ? job::kRandomAccess : 0;
      worker->on_message(header, unit.bytes);
    }
    header.kind = static_cast<std::uint16_t>(job::Message::end);
    worker->on_message(header, {});
    frames += sink.frames;
  }
  // Seconds of CPU a frame, times frames a second.
  state.counters["core%"] = benchmark::Counter(static_cast<double>(frames) / fps / 100,
                                               benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

const int kRegistered = [] {
  using benchmark::RegisterBenchmark;
  for (const Source& source : kSources) {
    const std::string name = source.name;
    const auto add = [&](const std::string& what, auto function) {
      RegisterBenchmark((what + "/" + name).c_str(), function)->Unit(benchmark::kMillisecond);
    };
    add("thumbnail", [&](benchmark::State& state) { whole(state, source, true); });
    add("figures", [&](benchmark::State& state) { whole(state, source, false); });
    for (const std::string part : {"decode", "deinterlace", "scale", "jpeg"}) {
      add("part/" + part, [&source, part](benchmark::State& state) { parts(state, source, part); });
    }
    if (name == "h264-576i") continue;  // bars: too cheap to tell
    const double fps =
        name.find("p50") != std::string::npos || name.find("2160p") != std::string::npos ? 50 : 25;
    for (const auto& [height, bitrate] :
         {std::pair{360U, 800'000U}, {540U, 1'500'000U}, {720U, 3'000'000U}}) {
      add("ladder" + std::to_string(height),
          [&source, height = height, bitrate = bitrate, fps](benchmark::State& state) {
            ladder(state, source, height, bitrate, fps);
          });
    }
  }
  return 0;
}();

}  // namespace
}  // namespace headgate::transcode::picture_test
