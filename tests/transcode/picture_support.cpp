#include "tests/transcode/picture_support.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "dataplane/transcode/worker.h"
#include "mpegts/pes/pes_packet.h"

namespace headgate::transcode::picture_test {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "headgate-pictures-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  fs::path path_;
};

struct Collector final : mpegts::PesSink {
  explicit Collector(StreamKind kind) : parser(kind) {}
  mpegts::es::VideoParser parser;
  std::vector<AccessUnit> units;
  void on_pes(mpegts::Pid, const mpegts::PesPacket& pes) override {
    const auto split = parser.split(pes.payload);
    for (std::size_t i = 0; i < split.units.size(); ++i) {
      const auto& unit = split.units[i];
      const auto bytes = pes.payload.subspan(unit.offset, unit.size);
      if (i == 0 && split.continues) {
        if (units.empty()) continue;
        units.back().bytes.insert(units.back().bytes.end(), bytes.begin(), bytes.end());
        continue;
      }
      AccessUnit& made = units.emplace_back();
      made.bytes.assign(bytes.begin(), bytes.end());
      // Several in a payload: the time belongs to the first; a second field shares its frame's.
      const auto ticks = [](const auto& time) { return static_cast<std::int64_t>(time ? time->ticks : 0); };
      made.pts = ticks(pes.header.pts);
      made.dts = pes.header.dts ? ticks(pes.header.dts) : made.pts;
      made.random_access = unit.random_access != mpegts::es::RandomAccess::none;
      made.second_field = unit.second_field;
    }
  }
};

Bytes run(const std::string& command) {
  Bytes out;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return out;
  std::uint8_t buffer[65536];
  for (std::size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) {
    out.insert(out.end(), buffer, buffer + n);
  }
  const int status = pclose(pipe);
  EXPECT_EQ(status, 0) << command;
  return out;
}

}  // namespace

std::string temporary(const std::string& name) {
  static const Folder folder;
  return (folder.path_ / name).string();
}

std::optional<std::string> capture(const std::string& name) {
  const char* folder = std::getenv("HEADGATE_STREAMS");
  if (folder == nullptr) return std::nullopt;
  const std::string path = (fs::path(folder) / name).string();
  EXPECT_TRUE(fs::exists(path)) << path << " is missing in HEADGATE_STREAMS";
  return path;
}

std::vector<AccessUnit> read_units(const std::string& file, std::uint16_t pid, StreamKind kind) {
  std::ifstream in(file, std::ios::binary);
  const Bytes stream(std::istreambuf_iterator<char>(in), {});
  Collector collector(kind);
  mpegts::PesAssembler assembler{mpegts::Pid{pid}};
  for (std::size_t at = 0; at + mpegts::kPacketSize <= stream.size(); at += mpegts::kPacketSize) {
    const mpegts::TsPacket packet(
        std::span<const std::uint8_t, mpegts::kPacketSize>(stream.data() + at, mpegts::kPacketSize));
    if (packet.has_sync() && packet.pid() == mpegts::Pid{pid}) assembler.on_packet(packet, collector);
  }
  assembler.flush(collector);
  return std::move(collector.units);
}

std::string made_stream(const std::string& name, const std::string& arguments) {
  const std::string path = temporary(name + ".ts");
  if (!fs::exists(path)) {
    run("ffmpeg -v error -nostdin -y " + arguments + " -f mpegts '" + path + "'");
    EXPECT_TRUE(fs::exists(path)) << arguments;
  }
  return path;
}

Ask ask(const std::vector<AccessUnit>& units, std::size_t index, StreamKind kind, bool wants_jpeg,
        int height) {
  Ask made;
  made.request.codec = static_cast<std::uint8_t>(kind);
  made.request.wants_jpeg = wants_jpeg ? 1 : 0;
  made.request.thumbnail_height = static_cast<std::uint16_t>(height);
  made.units = units[index].bytes;
  if (index + 1 < units.size()) {
    made.units.insert(made.units.end(), units[index + 1].bytes.begin(), units[index + 1].bytes.end());
  }
  return made;
}

Seen look(const Ask& ask, std::size_t room) {
  Bytes out(room);
  out.resize(look_at_picture(ask.request, ask.units, out));
  Seen seen;
  const auto result = job::read<job::PictureResult>(out);
  EXPECT_TRUE(result);
  if (!result) return seen;
  seen.result = *result;
  seen.jpeg.assign(out.begin() + sizeof(job::PictureResult), out.end());
  EXPECT_EQ(seen.jpeg.size(), seen.result.jpeg_size);
  return seen;
}

Picture by_ffmpeg(const std::string& arguments, int width, int height) {
  Picture picture{width, height, {}};
  picture.samples =
      run("ffmpeg -v fatal -nostdin " + arguments + " -frames:v 1 -f rawvideo -pix_fmt yuvj420p -");
  const std::size_t chroma = static_cast<std::size_t>((width + 1) / 2 * ((height + 1) / 2));
  EXPECT_EQ(picture.samples.size(), static_cast<std::size_t>(width * height) + 2 * chroma) << arguments;
  return picture;
}

Picture open_jpeg(const Seen& seen) {
  const std::string path = temporary("seen.jpg");
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(seen.jpeg.data()), static_cast<std::streamsize>(seen.jpeg.size()));
  return by_ffmpeg("-i '" + path + "'", seen.result.thumbnail_width, seen.result.thumbnail_height);
}

Likeness psnr(const Picture& a, const Picture& b) {
  Likeness likeness;
  if (a.samples.size() != b.samples.size() || a.samples.empty()) return likeness;
  const auto between = [&](std::size_t from, std::size_t to) {
    double sum = 0;
    for (std::size_t i = from; i < to; ++i) {
      const double d = a.samples[i] - b.samples[i];
      sum += d * d;
    }
    return sum == 0 ? 99.0 : 10 * std::log10(255.0 * 255.0 * static_cast<double>(to - from) / sum);
  };
  const std::size_t luma = static_cast<std::size_t>(a.width * a.height), all = a.samples.size();
  const std::size_t chroma = (all - luma) / 2;
  likeness.all = between(0, all);
  likeness.luma = between(0, luma);
  likeness.worst_chroma = std::min(between(luma, luma + chroma), between(luma + chroma, all));
  return likeness;
}

}  // namespace headgate::transcode::picture_test
