// What the tests of the sound worker share: an Output that keeps everything, sources made by libavcodec's
// encoders, and decoding and comparing that use nothing of the code under test.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dataplane/job/message.h"
#include "dataplane/transcode/worker.h"
#include "mpegts/psi/tables.h"

namespace headgate::transcode::sound_test {

using Bytes = std::vector<std::uint8_t>;
using Planes = std::vector<std::vector<float>>;

inline constexpr std::int64_t kSecond = 27'000'000;
inline constexpr std::int64_t kGrid = 576'000;
// Of sample n at 48 kHz.
constexpr std::int64_t time_of(std::int64_t n) { return n * 1125 / 2; }

struct AacFrame {
  std::int64_t pts = 0;
  std::uint32_t flags = 0;
  Bytes data;
};

struct Collector final : Output {
  struct Stream {
    std::vector<AacFrame> frames;
    std::vector<job::SoundLevels> levels;
    std::vector<std::int64_t> level_times;
    std::vector<std::string> troubles;
    std::size_t bytes = 0;
  };
  std::map<std::uint16_t, Stream> streams;
  bool keep = true;
  void send(job::Message kind, const ring::MessageHeader& header,
            std::span<const std::uint8_t> payload) override;
};

// A worker and what comes of it.
class Rig {
 public:
  Rig() : worker(make_sound_worker(out)) {}
  void begin(mpegts::StreamKind kind, job::StreamBegin wanted = encoding(), std::uint16_t stream = 0);
  void packet(std::optional<std::int64_t> pts, std::span<const std::uint8_t> payload, std::uint32_t flags = 0,
              std::uint16_t stream = 0);
  void end(std::uint16_t stream = 0);
  static job::StreamBegin encoding();
  static job::StreamBegin measuring(std::uint16_t sampled_ms = 0);
  Collector::Stream& stream(std::uint16_t n = 0) { return out.streams[n]; }

  Collector out;
  std::unique_ptr<Worker> worker;
};

// Coded frames of one source and what they last.
struct Source {
  mpegts::StreamKind kind = mpegts::StreamKind::unknown;
  int rate = 48000;
  int samples = 0;  // a frame
  std::vector<Bytes> frames;
  std::int64_t time(std::size_t frame) const {
    return static_cast<std::int64_t>(frame) * samples * kSecond / rate;
  }
};
// `encoder`: of libavcodec; AAC gets ADTS headers. `options`: "key=value:…" of the encoder.
Source coded(const char* encoder, const Planes& planes, int rate, std::int64_t bitrate,
             const std::string& options = "");
// All frames, `per_packet` in a PES payload, from `start` on; skips those that `lost` names.
void play(Rig& rig, const Source& source, std::int64_t start, std::size_t per_packet = 1,
          std::size_t from = 0, std::size_t to = SIZE_MAX);

// Sound that is like nothing but itself: chords that move, with noise, at about -20 dBFS.
Planes music(int channels, int rate, double seconds, unsigned seed = 1);
Planes tone(int channels, int rate, double seconds, double frequency, double amplitude, int only = -1);

// A piece of decoded sound at 48 kHz; the first sample is number `first` of the timeline.
struct Heard {
  std::int64_t first = 0;
  Planes planes;
};
// By libavcodec's AAC decoder; frames of one run, without holes.
Heard decode_aac(std::span<const AacFrame> frames);
// By libavcodec's parser and decoder of that name, `channels` by our own matrix (BS.775) and libswresample.
// `mix`: of centre and surrounds. `times`: of each payload; without it they follow `pts`, and no frame is in
// pieces.
Heard decode_source(const char* decoder, std::span<const Bytes> payloads, std::int64_t pts, int channels,
                    std::array<double, 2> mix = {0.70710678, 0.70710678},
                    std::span<const std::int64_t> times = {});

struct Likeness {
  double correlation = 0;  // at the best offset
  double offset_ms = 0;    // of b against a, by cross-correlation
  double gain_db = 0;      // of b against a
};
Likeness compare(const Heard& a, const Heard& b);
double loudness(const Heard& heard);  // integrated, BS.1770-4 with gates, by libebur128
// Of both, over the time that both cover.
std::array<double, 2> loudness_where_both_are(const Heard& a, const Heard& b);
// Every frame follows the one before on the grid; the number of frames that break it.
std::size_t holes(std::span<const AacFrame> frames);

}  // namespace headgate::transcode::sound_test
