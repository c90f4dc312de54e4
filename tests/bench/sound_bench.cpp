// What a sound worker costs: CPU time for a second of one channel's audio. Sources are made here by
// libavcodec's encoders; HEADGATE_BENCH_SOUND names a file of 32 bit float samples, two channels, 48 kHz, to
// take instead of made music.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>

#include "tests/transcode/sound_support.h"

namespace {

using namespace headgate;
using namespace headgate::transcode::sound_test;

constexpr double kSeconds = 10;

Planes programme(int channels) {
  const char* name = std::getenv("HEADGATE_BENCH_SOUND");
  if (name == nullptr) return music(channels, 48000, kSeconds);
  std::ifstream file(name, std::ios::binary);
  Planes planes(static_cast<std::size_t>(channels));
  float pair[2];
  while (planes[0].size() < static_cast<std::size_t>(48000 * kSeconds) &&
         file.read(reinterpret_cast<char*>(pair), sizeof pair)) {
    for (std::size_t c = 0; c < planes.size(); ++c) planes[c].push_back(pair[c % 2] * (c < 2 ? 1.0F : 0.5F));
  }
  return planes;
}

struct Kind {
  const char* encoder;
  int channels, rate;
  std::int64_t bitrate;
};
constexpr Kind kKinds[] = {{"mp2", 2, 48000, 192000},  {"mp2", 1, 48000, 96000},  {"mp2", 2, 44100, 192000},
                           {"ac3", 2, 48000, 192000},  {"ac3", 6, 48000, 448000}, {"eac3", 2, 48000, 128000},
                           {"eac3", 6, 48000, 384000}, {"aac", 2, 48000, 128000}};

const Source& source_of(std::size_t kind) {
  static std::map<std::size_t, Source> made;
  auto& source = made[kind];
  const Kind& k = kKinds[kind];
  if (source.frames.empty()) source = coded(k.encoder, programme(k.channels), k.rate, k.bitrate);
  return source;
}

struct Nothing final : transcode::Output {
  void send(job::Message, const ring::MessageHeader&, std::span<const std::uint8_t> payload) override {
    bytes += payload.size();
  }
  std::size_t bytes = 0;
};

// One iteration is a second of sound; so the time of one is the share of a core.
void run(benchmark::State& state, std::size_t kind, job::StreamBegin wanted) {
  const Source& source = source_of(kind);
  Nothing out;
  const auto worker = transcode::make_sound_worker(out);
  ring::MessageHeader header;
  header.kind = static_cast<std::uint16_t>(job::Message::stream);
  wanted.codec = static_cast<std::uint8_t>(source.kind);
  worker->on_message(header, job::bytes_of(wanted));
  header.kind = static_cast<std::uint16_t>(job::Message::packet);
  std::size_t at = 0;
  std::int64_t fed = 0;
  double due = 0;
  for (auto _ : state) {
    due += static_cast<double>(source.rate);
    while (static_cast<double>(fed) < due) {
      header.pts = header.dts = fed * kSecond / source.rate;
      worker->on_message(header, source.frames[at]);
      at = (at + 1) % source.frames.size();
      fed += source.samples;
    }
  }
  state.SetLabel(std::string(kKinds[kind].encoder) + " " + std::to_string(kKinds[kind].channels) + " ch " +
                 std::to_string(kKinds[kind].rate) + " Hz");
  state.counters["kbit/s"] = static_cast<double>(out.bytes) * 8 / 1000 /
                             static_cast<double>(std::max<std::int64_t>(state.iterations(), 1));
  state.counters["jobs on two cores"] = benchmark::Counter(2, benchmark::Counter::kIsIterationInvariantRate);
}

void BM_Transcode(benchmark::State& state) {
  run(state, static_cast<std::size_t>(state.range(0)), Rig::encoding());
}
BENCHMARK(BM_Transcode)->DenseRange(0, std::size(kKinds) - 1)->Unit(benchmark::kMillisecond);

void BM_MeasureAll(benchmark::State& state) {
  run(state, static_cast<std::size_t>(state.range(0)), Rig::measuring());
}
BENCHMARK(BM_MeasureAll)->DenseRange(0, std::size(kKinds) - 1)->Unit(benchmark::kMillisecond);

void BM_MeasureSampled(benchmark::State& state) {
  run(state, static_cast<std::size_t>(state.range(0)),
      Rig::measuring(static_cast<std::uint16_t>(state.range(1))));
}
BENCHMARK(BM_MeasureSampled)->ArgsProduct({{0, 3, 4, 7}, {100, 200, 400}})->Unit(benchmark::kMillisecond);

}  // namespace
