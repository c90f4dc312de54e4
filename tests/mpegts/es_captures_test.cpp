// Counts over captures of real streams, against what ffprobe 5.1 says of them (-show_packets, -show_streams,
// by PID). The captures are no part of the tree: HEADGATE_STREAMS names their folder. Without it a stream
// made here takes their place, and the test says so.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "mpegts/es/audio.h"
#include "mpegts/es/video.h"
#include "mpegts/pes/pes_packet.h"
#include "tests/mpegts/es_bits.h"

namespace headgate::mpegts::es {
namespace {

struct VideoCount final : PesSink {
  explicit VideoCount(StreamKind kind) : parser(kind) {}
  VideoParser parser;
  std::size_t units = 0, second_fields = 0, clean = 0, recovery = 0, inspected = 0;
  void on_pes(Pid, const PesPacket& pes) override {
    if (parser.inspect_start(pes.payload) != RandomAccess::none) ++inspected;
    const auto split = parser.split(pes.payload);
    std::size_t covered = 0;
    for (std::size_t i = 0; i < split.units.size(); ++i) {
      const AccessUnit& unit = split.units[i];
      EXPECT_EQ(unit.offset, covered);
      covered += unit.size;
      if (i > 0 || !split.continues) ++units;
      if (unit.second_field) ++second_fields;
      if (unit.random_access == RandomAccess::clean) ++clean;
      if (unit.random_access == RandomAccess::recovery_point) ++recovery;
    }
    EXPECT_EQ(covered, pes.payload.size());
  }
};

struct AudioCount final : PesSink {
  explicit AudioCount(StreamKind kind) : parser(kind) {}
  AudioParser parser;
  std::size_t frames = 0, bytes = 0;
  void on_pes(Pid, const PesPacket& pes) override {
    for (const auto& frame : parser.on_payload(pes.payload)) {
      ++frames;
      bytes += frame.data.size();
    }
  }
};

void walk(const Bytes& stream, Pid pid, PesSink& sink) {
  PesAssembler assembler(pid);
  for (std::size_t at = 0; at + kPacketSize <= stream.size(); at += kPacketSize) {
    const TsPacket packet(std::span<const std::uint8_t, kPacketSize>(stream.data() + at, kPacketSize));
    if (packet.has_sync() && packet.pid() == pid) assembler.on_packet(packet, sink);
  }
  assembler.flush(sink);
}

// Nothing where HEADGATE_STREAMS is not set; a file that is missing under it is a failure.
std::optional<Bytes> capture(const char* name) {
  const char* folder = std::getenv("HEADGATE_STREAMS");
  if (folder == nullptr) return std::nullopt;
  std::ifstream file(std::filesystem::path(folder) / name, std::ios::binary);
  EXPECT_TRUE(file) << name << " is missing in HEADGATE_STREAMS";
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

struct VideoFacts {
  const char* file;
  std::uint16_t pid;
  StreamKind kind;
  std::size_t packets, keys;  // of ffprobe
  std::size_t second_fields, clean, recovery;
  std::uint32_t width, height, rate_num, rate_den;
  bool interlaced;
  const char* codec;
};

constexpr auto kH264 = StreamKind::h264;
constexpr auto kHevc = StreamKind::hevc;
constexpr auto kMpeg2 = StreamKind::mpeg2_video;

// obs-hevc-aac: ffprobe finds its 30/1 from timestamps, the stream itself does not say.
// h264-opus: ffprobe flags a fifth packet whose only slice is no I slice; its frames have four key frames, as
// here.
constexpr VideoFacts kVideo[] = {
    {"scte35-h264-bframes-aac-80s.ts", 256, kH264, 2400, 80, 0, 80, 0, 640, 360, 30, 1, false, "avc1.64001e"},
    {"obs-hevc-aac.ts", 256, kHevc, 60, 2, 0, 2, 0, 640, 360, 0, 0, false, "hvc1.1.6.L120.B0"},
    {"hevc-aac-0.ts", 256, kHevc, 150, 1, 0, 1, 0, 720, 1280, 30, 1, false, "hvc1.1.6.L93.90"},
    {"mpts-dvbt-it-8prog.ts", 500, kHevc, 66, 2, 0, 2, 0, 1280, 720, 50, 1, false, "hvc1.2.4.L153.B0"},
    {"mpts-dvbt-it-8prog.ts", 520, kMpeg2, 33, 3, 0, 0, 3, 720, 576, 25, 1, true, "mp4v.61"},
    {"mpeg2v-mp2-bbb.ts", 256, kMpeg2, 58, 12, 0, 1, 11, 1920, 1080, 24, 1, false, "mp4v.61"},
    {"scte35-mpeg2v-mp2.ts", 256, kMpeg2, 3, 1, 0, 0, 1, 640, 426, 30000, 1001, false, "mp4v.61"},
    {"sd-h264i-bars-aacx2.ts", 4096, kH264, 496, 9, 248, 9, 0, 720, 576, 25, 1, true, "avc1.4d401e"},
    {"dvbt-fr-hd-h264i-eac3x3-dvbsubx2.ts", 120, kH264, 48, 1, 9, 0, 1, 1920, 1080, 25, 1, true,
     "avc1.640028"},
    {"hd-2services-eit-one-scrambled.ts", 1010, kH264, 77, 2, 16, 0, 2, 1920, 1080, 25, 1, true,
     "avc1.640028"},
    {"h264-bframes-pcr-wrap.ts", 258, kH264, 144, 6, 0, 6, 0, 1280, 720, 25, 1, false, "avc1.64001f"},
    {"h264-ac3dvb-0.ts", 256, kH264, 52, 5, 0, 5, 0, 720, 576, 25, 1, false, "avc1.64001e"},
    {"sintel-cea608.ts", 257, kH264, 240, 2, 0, 2, 0, 400, 170, 24, 1, false, "avc1.42c00d"},
    {"cea608-multichannel.ts", 256, kH264, 181, 4, 0, 4, 0, 360, 240, 30000, 1001, false, "avc1.42000d"},
    {"h264-opus.ts", 256, kH264, 216, 4, 0, 4, 0, 1280, 720, 24, 1, false, "avc1.64001f"},
};

struct AudioFacts {
  const char* file;
  std::uint16_t pid;
  StreamKind kind;
  std::size_t packets, bytes;  // of ffprobe
  std::size_t partial;         // frames the capture's ends cut: ffprobe counts them
  std::uint32_t sample_rate, channels, samples;
  const char* codec;
};

// latm-aac: ffprobe says 2 channels, because its decoder finds parametric stereo inside; the configuration
// says 1.
constexpr AudioFacts kAudio[] = {
    {"scte35-h264-bframes-aac-80s.ts", 257, StreamKind::aac_adts, 3750, 506758, 0, 48000, 2, 1024,
     "mp4a.40.2"},
    {"bbb-1s-h264-aac.ts", 257, StreamKind::aac_adts, 46, 13801, 0, 44100, 2, 1024, "mp4a.40.2"},
    {"hevc-aac-0.ts", 257, StreamKind::aac_adts, 215, 161259, 0, 44100, 2, 1024, "mp4a.40.2"},
    {"sintel-cea608.ts", 258, StreamKind::aac_adts, 212, 76677, 0, 22050, 2, 1024, "mp4a.40.2"},
    {"sd-h264i-bars-aacx2.ts", 4098, StreamKind::aac_adts, 448, 155679, 0, 48000, 2, 1024, "mp4a.40.2"},
    {"mpeg2v-mp2-bbb.ts", 257, StreamKind::mpeg_audio, 93, 116610, 0, 44100, 2, 1152, "mp4a.40.33"},
    {"mpts-dvbt-it-8prog.ts", 650, StreamKind::mpeg_audio, 55, 31736, 1, 48000, 2, 1152, "mp4a.40.33"},
    {"mpts-dvbt-it-8prog.ts", 694, StreamKind::mpeg_audio, 54, 10360, 1, 48000, 1, 1152, "mp4a.40.33"},
    {"mp3-id3-discontinuity.ts", 257, StreamKind::mpeg_audio, 383, 80040, 0, 44100, 1, 1152, "mp4a.40.34"},
    {"h264-ac3dvb-0.ts", 257, StreamKind::ac3, 81, 124416, 0, 48000, 2, 1536, "ac-3"},
    {"ac3-atsc-pcr-wrap.ts", 1900, StreamKind::ac3, 10, 13354, 2, 48000, 6, 1536, "ac-3"},
    {"eac3-atsc-pcr-wrap.ts", 1900, StreamKind::eac3, 54, 216000, 0, 48000, 6, 256, "ec-3"},
    {"dvbt-fr-hd-h264i-eac3x3-dvbsubx2.ts", 130, StreamKind::eac3, 33, 16436, 1, 48000, 2, 1536, "ec-3"},
    {"ait-eac3-eit.ts", 330, StreamKind::eac3, 20, 9928, 1, 48000, 2, 1536, "ec-3"},
    {"latm-aac.ts", 256, StreamKind::aac_latm, 5, 1432, 0, 44100, 1, 2048, "mp4a.40.5"},
};

// PES packets of one TS packet each, with these payloads.
Bytes made_stream(const std::vector<Bytes>& payloads) {
  Bytes stream;
  unsigned continuity = 0;
  for (const auto& payload : payloads) {
    const auto length = static_cast<std::uint8_t>(payload.size() + 3);
    const Bytes pes = join({{0, 0, 1, 0xC0, 0, length, 0x80, 0, 0}, payload});
    const auto flags = static_cast<std::uint8_t>(0x30 | (continuity++ & 15));
    Bytes packet{kSyncByte, 0x41, 0x00, flags, static_cast<std::uint8_t>(183 - pes.size()), 0};
    packet.resize(kPacketSize - pes.size(), 0xFF);
    append(stream, join({packet, pes}));
  }
  return stream;
}

// 40 pictures of H.264, an IDR every tenth.
Bytes made_video() {
  std::vector<Bytes> payloads;
  for (int i = 0; i < 40; ++i) {
    const auto header = static_cast<std::uint8_t>(i % 10 == 0 ? 0x65 : 0x41);
    payloads.push_back(join({nal({0x09}, {0xF0}), nal({header}, {0x88, 0x84, 0x55, 0x66})}));
  }
  return made_stream(payloads);
}

// 40 times three frames of 50 bytes of AAC.
Bytes made_audio() {
  BitWriter w;
  w.u(12, 0xFFF).u(4, 1).u(2, 1).u(4, 3).u(1, 0).u(3, 2).u(4, 0).u(13, 50).u(11, 0x7FF).u(2, 0);
  Bytes frame = w.bytes();
  frame.resize(50, 0x21);
  return made_stream(std::vector<Bytes>(40, join({frame, frame, frame})));
}

TEST(EsCaptures, VideoUnitsAgreeWithFfprobe) {
  if (std::getenv("HEADGATE_STREAMS") == nullptr) {
    std::puts("HEADGATE_STREAMS is not set: a generated stream takes the captures' place");
    VideoCount count(kH264);
    walk(made_video(), Pid{256}, count);
    EXPECT_EQ(count.units, 40U);
    EXPECT_EQ(count.clean, 4U);
    EXPECT_EQ(count.inspected, 4U);
    return;
  }
  for (const auto& facts : kVideo) {
    SCOPED_TRACE(std::string(facts.file) + " PID " + std::to_string(facts.pid));
    const auto stream = capture(facts.file);
    ASSERT_TRUE(stream && !stream->empty());
    VideoCount count(facts.kind);
    walk(*stream, Pid{facts.pid}, count);
    EXPECT_EQ(count.units, facts.packets);
    EXPECT_EQ(count.clean + count.recovery, facts.keys);
    EXPECT_EQ(count.inspected, facts.keys) << "inspect_start and split disagree";
    EXPECT_EQ(count.clean, facts.clean);
    EXPECT_EQ(count.recovery, facts.recovery);
    EXPECT_EQ(count.second_fields, facts.second_fields);
    const VideoFormat expected{facts.kind,     facts.width,      facts.height, facts.rate_num,
                               facts.rate_den, facts.interlaced, facts.codec};
    EXPECT_EQ(count.parser.format(), expected);
  }
}

TEST(EsCaptures, AudioFramesAgreeWithFfprobe) {
  if (std::getenv("HEADGATE_STREAMS") == nullptr) {
    std::puts("HEADGATE_STREAMS is not set: a generated stream takes the captures' place");
    AudioCount count(StreamKind::aac_adts);
    walk(made_audio(), Pid{256}, count);
    EXPECT_EQ(count.frames, 120U);
    EXPECT_EQ(count.bytes, 6000U);
    return;
  }
  for (const auto& facts : kAudio) {
    SCOPED_TRACE(std::string(facts.file) + " PID " + std::to_string(facts.pid));
    const auto stream = capture(facts.file);
    ASSERT_TRUE(stream && !stream->empty());
    AudioCount count(facts.kind);
    walk(*stream, Pid{facts.pid}, count);
    EXPECT_EQ(count.frames + facts.partial, facts.packets);
    if (facts.partial == 0) {
      EXPECT_EQ(count.bytes, facts.bytes);
      EXPECT_EQ(count.parser.skipped_bytes(), 0U);
    }
    const AudioFormat expected{facts.kind, facts.sample_rate, facts.channels, facts.samples, facts.codec};
    EXPECT_EQ(count.parser.format(), expected);
  }
}

}  // namespace
}  // namespace headgate::mpegts::es
