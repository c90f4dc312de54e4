// The audio of real captures through the sound worker, against what libavcodec's parsers and decoders make of
// it. The captures are no part of the tree: HEADGATE_STREAMS names their folder; without it these tests are
// skipped, and sound_worker_test.cpp does the same with made sources.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "mpegts/packet/packet_reader.h"
#include "mpegts/pes/pes_packet.h"
#include "tests/transcode/sound_support.h"

namespace headgate::transcode {
namespace {

using namespace sound_test;
using mpegts::StreamKind;

struct Pes {
  std::vector<Bytes> payloads;
  std::vector<std::int64_t> times;  // 27 MHz, unrolled; INT64_MIN: none
  std::vector<bool> damaged;
};

struct PesCollector final : mpegts::PesSink {
  Pes pes;
  std::int64_t last = 0;
  void on_pes(mpegts::Pid, const mpegts::PesPacket& packet) override {
    std::int64_t time = INT64_MIN;
    if (packet.header.pts) {
      std::int64_t ticks = static_cast<std::int64_t>(packet.header.pts->ticks);
      constexpr std::int64_t kWrap = std::int64_t{1} << 33;
      while (ticks < last - kWrap / 2) ticks += kWrap;
      last = ticks;
      time = ticks * 300;
    }
    pes.payloads.emplace_back(packet.payload.begin(), packet.payload.end());
    pes.times.push_back(time);
    pes.damaged.push_back(packet.damaged);
  }
};

Pes read_pes(const char* name, std::uint16_t pid) {
  const char* folder = std::getenv("HEADGATE_STREAMS");
  std::ifstream file(std::filesystem::path(folder) / name, std::ios::binary);
  EXPECT_TRUE(file) << name << " is missing in HEADGATE_STREAMS";
  const Bytes bytes(std::istreambuf_iterator<char>(file), {});
  mpegts::PacketReader reader;
  reader.push(bytes);
  reader.finish();
  PesCollector sink;
  mpegts::PesAssembler assembler{mpegts::Pid{pid}};
  while (const auto item = reader.next())
    if (item->packet.pid() == mpegts::Pid{pid}) assembler.on_packet(item->packet, sink);
  assembler.flush(sink);
  return sink.pes;
}

void feed(Rig& rig, const Pes& pes) {
  for (std::size_t i = 0; i < pes.payloads.size(); ++i) {
    const auto time = pes.times[i] == INT64_MIN ? std::nullopt : std::optional(pes.times[i]);
    const bool loss = i > 0 && pes.damaged[i - 1];
    rig.packet(time, pes.payloads[i], loss ? job::kLoss : 0);
  }
}

struct Track {
  const char* file;
  std::uint16_t pid;
  StreamKind kind;
  const char* decoder;
  int channels;
};

class SoundOfCaptures : public testing::TestWithParam<Track> {};

TEST_P(SoundOfCaptures, IsTheSameAtTheSameTime) {
  if (std::getenv("HEADGATE_STREAMS") == nullptr) GTEST_SKIP() << "HEADGATE_STREAMS is not set";
  const Track& track = GetParam();
  const Pes pes = read_pes(track.file, track.pid);
  ASSERT_FALSE(pes.payloads.empty());
  Rig rig;
  rig.begin(track.kind);
  feed(rig, pes);
  rig.end();
  const auto& frames = rig.stream().frames;
  ASSERT_FALSE(frames.empty());
  EXPECT_EQ(holes(frames), 0U);
  const Heard heard = decode_aac(frames);
  ASSERT_EQ(heard.planes.size(), static_cast<std::size_t>(track.channels));
  std::vector<std::int64_t> times = pes.times;
  const Heard expected =
      decode_source(track.decoder, pes.payloads, 0, track.channels, {0.70710678, 0.70710678}, times);
  const auto [before, after] = loudness_where_both_are(expected, heard);
  if (!(before > -70)) {
    std::printf("%-40s pid %4u: silent, as its source\n", track.file, track.pid);
    EXPECT_LT(after, -60);
    return;
  }
  const Likeness like = compare(expected, heard);
  std::printf("%-40s pid %4u %6.2f s: correlation %.5f offset %.3f ms loudness %.2f -> %.2f LUFS\n",
              track.file, track.pid, static_cast<double>(expected.planes[0].size()) / 48000, like.correlation,
              like.offset_ms, before, after);
  // h264-opus: its time stamps step back by 4.9 ms at the end, which is followed slowly.
  EXPECT_GT(like.correlation, track.kind == StreamKind::opus ? 0.95 : 0.98);
  EXPECT_LE(std::abs(like.offset_ms), 0.05);
  EXPECT_NEAR(after, before, 0.3);
}

INSTANTIATE_TEST_SUITE_P(
    All, SoundOfCaptures,
    testing::Values(Track{"ac3-atsc-pcr-wrap.ts", 0x76c, StreamKind::ac3, "ac3", 2},
                    Track{"sdt.ts", 0x151, StreamKind::ac3, "ac3", 2},
                    Track{"h264-ac3dvb-0.ts", 0x101, StreamKind::ac3, "ac3", 2},
                    Track{"h264-ac3dvb-1.ts", 0x101, StreamKind::ac3, "ac3", 2},
                    Track{"eac3-atsc-pcr-wrap.ts", 0x76c, StreamKind::eac3, "eac3", 2},
                    Track{"ait-eac3-eit.ts", 0x14a, StreamKind::eac3, "eac3", 2},
                    Track{"dvbt-fr-hd-h264i-eac3x3-dvbsubx2.ts", 130, StreamKind::eac3, "eac3", 2},
                    Track{"dvbt-fr-hd-h264i-eac3x3-dvbsubx2.ts", 131, StreamKind::eac3, "eac3", 2},
                    Track{"dvbt-fr-hd-h264i-eac3x3-dvbsubx2.ts", 132, StreamKind::eac3, "eac3", 2},
                    Track{"mpeg2v-mp2-bbb.ts", 0x101, StreamKind::mpeg_audio, "mp2float", 2},
                    Track{"h264-mp2.ts", 0x101, StreamKind::mpeg_audio, "mp2float", 1},
                    Track{"scte35-mpeg2v-mp2.ts", 0x101, StreamKind::mpeg_audio, "mp2float", 1},
                    Track{"mpts-dvbt-it-8prog.ts", 650, StreamKind::mpeg_audio, "mp2float", 2},
                    Track{"mpts-dvbt-it-8prog.ts", 651, StreamKind::mpeg_audio, "mp2float", 2},
                    Track{"mpts-dvbt-it-8prog.ts", 652, StreamKind::mpeg_audio, "mp2float", 2},
                    Track{"mpts-dvbt-it-8prog.ts", 653, StreamKind::mpeg_audio, "mp2float", 2},
                    Track{"mpts-dvbt-it-8prog.ts", 654, StreamKind::mpeg_audio, "mp2float", 2},
                    Track{"mpts-dvbt-it-8prog.ts", 655, StreamKind::mpeg_audio, "mp2float", 2},
                    Track{"mpts-dvbt-it-8prog.ts", 690, StreamKind::mpeg_audio, "mp2float", 2},
                    Track{"mpts-dvbt-it-8prog.ts", 694, StreamKind::mpeg_audio, "mp2float", 1},
                    Track{"mpts-dvbt-it-8prog.ts", 695, StreamKind::mpeg_audio, "mp2float", 1},
                    Track{"mpts-dvbt-it-8prog.ts", 696, StreamKind::mpeg_audio, "mp2float", 2},
                    Track{"mpts-dvbt-it-8prog.ts", 697, StreamKind::mpeg_audio, "mp2float", 1},
                    Track{"mpts-dvbt-it-8prog.ts", 699, StreamKind::mpeg_audio, "mp2float", 2},
                    Track{"mp3-id3-discontinuity.ts", 0x101, StreamKind::mpeg_audio, "mp3float", 1},
                    Track{"latm-aac.ts", 0x100, StreamKind::aac_latm, "aac_latm", 2},
                    Track{"h264-dts.ts", 0x101, StreamKind::dts, "dca", 1},
                    Track{"h264-opus.ts", 0x101, StreamKind::opus, "opus", 2},
                    Track{"bbb-1s-h264-aac.ts", 0x101, StreamKind::aac_adts, "aac", 2},
                    Track{"h264-aac-0.ts", 0x101, StreamKind::aac_adts, "aac", 2},
                    Track{"h264-aac-1.ts", 0x101, StreamKind::aac_adts, "aac", 2},
                    Track{"h264-aac-2.ts", 0x101, StreamKind::aac_adts, "aac", 2},
                    Track{"hevc-aac-0.ts", 0x101, StreamKind::aac_adts, "aac", 2},
                    Track{"hevc-aac-1.ts", 0x101, StreamKind::aac_adts, "aac", 2},
                    Track{"obs-hevc-aac.ts", 0x101, StreamKind::aac_adts, "aac", 2},
                    Track{"scte35-h264-bframes-aac-80s.ts", 0x101, StreamKind::aac_adts, "aac", 2},
                    Track{"sd-h264i-bars-aacx2.ts", 0x1001, StreamKind::aac_adts, "aac", 2},
                    Track{"sd-h264i-bars-aacx2.ts", 0x1002, StreamKind::aac_adts, "aac", 2},
                    Track{"sintel-cea608.ts", 0x102, StreamKind::aac_adts, "aac", 2}),
    [](const auto& given) {
      std::string name = given.param.file;
      for (char& c : name)
        if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
      return name + std::to_string(given.param.pid);
    });

// Damaged, scrambled, cut, in 204 byte packets: nothing falls over, and what comes out keeps to the grid.
TEST(SoundOfCorruptCaptures, IsSurvivedAndKeepsToTheGrid) {
  if (std::getenv("HEADGATE_STREAMS") == nullptr) GTEST_SKIP() << "HEADGATE_STREAMS is not set";
  const std::vector<Track> tracks{{"corrupt-tei-cc-scrambled.ts", 0x40, StreamKind::mpeg_audio, "", 2},
                                  {"corrupt-tei-cc-scrambled.ts", 0x41, StreamKind::mpeg_audio, "", 0},
                                  {"dvbt-fr-hd-scrambled-csa.ts", 130, StreamKind::eac3, "", 0},
                                  {"hd-2services-eit-one-scrambled.ts", 0x142, StreamKind::ac3, "", 0},
                                  {"isdbtb-204byte-latm.ts", 274, StreamKind::aac_latm, "", 0},
                                  {"psi-nit-sdt-ait-ca.ts", 1621, StreamKind::mpeg_audio, "", 0},
                                  // Not what they are said to be.
                                  {"h264-ac3dvb-0.ts", 0x101, StreamKind::mpeg_audio, "", 0},
                                  {"scte35-h264-bframes-aac-80s.ts", 0x100, StreamKind::aac_adts, "", 0},
                                  {"mpeg2v-mp2-bbb.ts", 0x100, StreamKind::dts, "", 0}};
  for (const Track& track : tracks) {
    const Pes pes = read_pes(track.file, track.pid);
    Rig rig;
    rig.begin(track.kind);
    feed(rig, pes);
    rig.end();
    const auto& frames = rig.stream().frames;
    std::printf("%-36s pid %4u: %zu packets, %zu frames, %zu troubles\n", track.file, track.pid,
                pes.payloads.size(), frames.size(), rig.stream().troubles.size());
    if (track.channels != 0) {
      EXPECT_GT(frames.size(), 20U) << track.file;
    }
    for (std::size_t i = 0; i < frames.size(); ++i) {
      EXPECT_EQ(frames[i].pts % kGrid, 0);
      if (i == 0 || (frames[i].flags & job::kDiscontinuity) != 0) continue;
      EXPECT_EQ(frames[i].pts, frames[i - 1].pts + kGrid) << track.file;
    }
  }
}

}  // namespace
}  // namespace headgate::transcode
