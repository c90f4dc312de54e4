#include "mpegts/mux/program_muxer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/mpegts/muxed_stream.h"

namespace headgate::mpegts {
namespace {

using test::MuxedPes;
using test::MuxedStream;

constexpr std::int64_t kMs = kTicksPerSecond / 1000;
constexpr std::int64_t kPicture = 40 * kMs;
constexpr std::int64_t kFrame = kTicksPerSecond * 1024 / 48000;  // of AAC
constexpr std::uint16_t kVideo = 0x100, kSound = 0x101;

MuxProgram television() {
  MuxProgram program;
  program.program_number = 7;
  program.service_name = "Prüfbild";
  program.provider = "Example";
  program.tracks = {{StreamKind::h264, ""}, {StreamKind::aac_adts, "deu"}};
  return program;
}

// Pushes a programme of 25 pictures and 46.875 frames of sound a second, in the order of their DTS.
class ProgramMuxerTest : public testing::Test {
 protected:
  std::vector<std::uint8_t> data(std::size_t size) {
    std::vector<std::uint8_t> bytes(size);
    for (auto& byte : bytes) {
      seed_ = seed_ * 1103515245 + 12345;
      byte = static_cast<std::uint8_t>(seed_ >> 16);
    }
    return bytes;
  }
  void unit(std::size_t track, std::int64_t dts, std::size_t size, bool key = false, std::int64_t delay = 0) {
    const auto bytes = data(size);
    pushed[track].push_back({dts, dts + delay, bytes});
    muxer.push({track, dts, dts + delay, key, bytes});
  }
  void play(std::int64_t from, std::int64_t length, bool sound = true, std::size_t key_size = 60'000,
            std::size_t picture_size = 8'000) {
    std::int64_t audio = from;
    for (std::int64_t video = from; video < from + length; video += kPicture) {
      for (; sound && audio <= video; audio += kFrame) unit(1, audio, 300);
      const bool key = pictures_++ % 25 == 0;
      unit(0, video, key ? key_size : picture_size, key, 2 * kPicture);
    }
  }
  void expect_valid() {
    const StreamReport report = out.report();
    EXPECT_EQ(report.cc_errors, 0U);
    EXPECT_EQ(report.crc_errors, 0U);
    EXPECT_EQ(report.tr101290[Indicator::pat_error], 0U);
    EXPECT_EQ(report.tr101290[Indicator::pmt_error], 0U);
    EXPECT_EQ(report.tr101290[Indicator::pcr_repetition_error], 0U);
    EXPECT_EQ(report.tr101290[Indicator::pcr_discontinuity_indicator_error], 0U);
  }
  // Every unit is in the stream, byte by byte, with its times.
  void expect_all(std::size_t track, std::uint16_t pid) {
    const auto pes = out.pes(pid);
    ASSERT_EQ(pes.size(), pushed[track].size());
    for (std::size_t i = 0; i < pes.size(); ++i) {
      const auto& wanted = pushed[track][i];
      ASSERT_EQ(pes[i].payload(), wanted.bytes) << i;
      const auto stamp = [](std::int64_t t) {
        return static_cast<std::uint64_t>((t + 150) / 300) % kPtsModulus;
      };
      ASSERT_EQ(pes[i].pts(), stamp(wanted.pts)) << i;
      ASSERT_EQ(pes[i].dts(), stamp(wanted.dts)) << i;
    }
  }
  std::vector<std::int64_t> times_of(std::uint16_t pid) const {
    const auto times = out.times();
    std::vector<std::int64_t> found;
    for (std::size_t i = 0; i < out.count(); ++i) {
      if (out.at(i).pid().value == pid) found.push_back(times[i]);
    }
    return found;
  }
  static std::int64_t widest(const std::vector<std::int64_t>& times) {
    std::int64_t most = 0;
    for (std::size_t i = 1; i < times.size(); ++i) most = std::max(most, times[i] - times[i - 1]);
    return most;
  }
  Pmt last_pmt() const {
    std::optional<Pmt> found;
    for (std::size_t i = 0; i < out.count(); ++i) {
      if (out.at(i).pid().value != 0x1000) continue;
      const auto payload = out.at(i).payload();
      const std::size_t size = static_cast<std::size_t>((payload[2] & 0x0F) << 8 | payload[3]) + 3;
      found = Pmt::parse(payload.subspan(1, size));
    }
    return found.value_or(Pmt{});
  }

  struct Pushed {
    std::int64_t dts, pts;
    std::vector<std::uint8_t> bytes;
  };
  std::map<std::size_t, std::vector<Pushed>> pushed;
  std::int64_t last_pcr = -1;
  std::map<std::uint16_t, std::vector<std::uint64_t>> stamps;
  MuxedStream out;
  ProgramMuxer muxer{[this](std::span<const std::uint8_t> packets) { out.add(packets); }};

 private:
  std::uint32_t seed_ = 1;
  int pictures_ = 0;
};

constexpr std::int64_t kOrigin = 1000 * kTicksPerSecond;

// The times lie between those of 90 kHz, to which each is rounded.
TEST_F(ProgramMuxerTest, CarriesEveryUnitWithItsBytesAndTimes) {
  muxer.set_program(television());
  play(kOrigin + 170, 10 * kTicksPerSecond);
  muxer.flush();
  expect_all(0, kVideo);
  expect_all(1, kSound);
  expect_valid();
}

TEST_F(ProgramMuxerTest, RepeatsTablesAndPcrInTime) {
  muxer.set_program(television());
  play(kOrigin, 10 * kTicksPerSecond);
  muxer.flush();
  EXPECT_LE(widest(times_of(0)), 100 * kMs);
  EXPECT_LE(widest(times_of(0x1000)), 100 * kMs);
  EXPECT_LE(widest(times_of(0x11)), 1100 * kMs);
  const auto pcrs = out.pcrs();
  ASSERT_GT(pcrs.size(), 300U);
  for (std::size_t i = 1; i < pcrs.size(); ++i) {
    ASSERT_LE(pcrs[i].time - pcrs[i - 1].time, 35 * kMs) << i;
    ASSERT_GE(pcrs[i].time - pcrs[i - 1].time, 0) << i;
    ASSERT_EQ(pcrs[i].pid, kVideo);
  }
}

TEST_F(ProgramMuxerTest, KeepsPcrInTimeAroundFewPictures) {
  MuxProgram program = television();
  program.tracks.pop_back();
  muxer.set_program(program);
  for (int i = 0; i < 20; ++i) unit(0, kOrigin + i * 800 * kMs, 40'000, true);
  muxer.flush();
  const auto pcrs = out.pcrs();
  for (std::size_t i = 1; i < pcrs.size(); ++i) ASSERT_LE(pcrs[i].time - pcrs[i - 1].time, 35 * kMs) << i;
  expect_valid();
}

TEST_F(ProgramMuxerTest, HasEveryUnitWholeBeforeItIsDecoded) {
  muxer.set_program(television());
  play(kOrigin, 10 * kTicksPerSecond);
  muxer.flush();
  const auto times = out.times();
  for (const std::uint16_t pid : {kVideo, kSound}) {
    for (const MuxedPes& pes : out.pes(pid)) {
      const auto dts = static_cast<std::int64_t>(pes.dts()) * 300;
      ASSERT_LE(times[pes.last], dts - 15 * kMs) << pid;
      ASSERT_GE(times[pes.first], dts - 400 * kMs) << pid;
    }
  }
}

// ISO/IEC 13818-1 2.4.2.7: what came and is not yet decoded fits into 3,584 bytes.
TEST_F(ProgramMuxerTest, KeepsSoundWithinTheDecodersBuffer) {
  muxer.set_program(television());
  std::int64_t audio = kOrigin;
  for (int i = 0; i < 250; ++i) {
    for (; audio <= kOrigin + i * kPicture; audio += kFrame) unit(1, audio, 850);  // 320 kb/s
    unit(0, kOrigin + i * kPicture, 5'000);
  }
  muxer.flush();
  const auto times = out.times();
  const auto sound = out.pes(kSound);
  for (std::size_t i = 0; i < sound.size(); ++i) {
    std::size_t held = 0;
    for (std::size_t k = 0; k <= i; ++k) {
      if (static_cast<std::int64_t>(sound[k].dts()) * 300 > times[sound[i].last])
        held += sound[k].bytes.size();
    }
    ASSERT_LE(held, 3584U) << i;
  }
}

TEST_F(ProgramMuxerTest, SpreadsALargePicture) {
  muxer.set_program(television());
  play(kOrigin, 5 * kTicksPerSecond, true, 300'000, 10'000);
  muxer.flush();
  // 300 kB over 280 ms beside 2 Mb/s: about 11.5 Mb/s; at once it would be 60.
  const auto pcrs = out.pcrs();
  for (std::size_t i = 1; i + 1 < pcrs.size(); ++i) {
    const double bits = static_cast<double>(pcrs[i].packet - pcrs[i - 1].packet) * 188 * 8;
    const double seconds = static_cast<double>(pcrs[i].time - pcrs[i - 1].time) / kTicksPerSecond;
    ASSERT_LE(bits / seconds, 13.5e6) << i;
  }
}

TEST_F(ProgramMuxerTest, MarksRandomAccessAndAlignsUnits) {
  muxer.set_program(television());
  play(kOrigin, 2 * kTicksPerSecond, true, 100'000);
  muxer.flush();
  const auto pictures = out.pes(kVideo);
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    EXPECT_TRUE(pictures[i].aligned());
    EXPECT_EQ(pictures[i].random_access, i % 25 == 0) << i;
    EXPECT_EQ(pictures[i].priority, i % 25 == 0) << i;
    EXPECT_TRUE(pictures[i].has_dts());
    EXPECT_EQ(pictures[i].length(), i % 25 == 0 ? 0 : pictures[i].bytes.size() - 6) << i;
  }
  for (const MuxedPes& pes : out.pes(kSound)) {
    EXPECT_TRUE(pes.aligned());
    EXPECT_FALSE(pes.has_dts());
    EXPECT_EQ(pes.length(), pes.bytes.size() - 6) << "stuffing belongs into the adaptation field";
  }
}

TEST_F(ProgramMuxerTest, CountsOverTheWrapOfItsClock) {
  muxer.set_program(television());
  const auto wrap = static_cast<std::int64_t>(kPcrModulus);
  play(wrap - 3 * kTicksPerSecond, 6 * kTicksPerSecond);
  muxer.flush();
  expect_all(0, kVideo);
  expect_all(1, kSound);
  expect_valid();
  const auto pcrs = out.pcrs();
  EXPECT_GT(pcrs.back().time, wrap);
  for (std::size_t i = 1; i < pcrs.size(); ++i) ASSERT_LE(pcrs[i].time - pcrs[i - 1].time, 35 * kMs) << i;
}

TEST_F(ProgramMuxerTest, TakesTimesBelowZero) {
  muxer.set_program(television());
  play(-2 * kTicksPerSecond, 4 * kTicksPerSecond);
  muxer.flush();
  const auto pictures = out.pes(kVideo);
  ASSERT_EQ(pictures.size(), 100U);
  EXPECT_EQ(pictures[0].dts(), kPtsModulus - 180'000);
  EXPECT_EQ(pictures[50].dts(), 0U);
  expect_valid();
}

TEST_F(ProgramMuxerTest, DescribesTheProgram) {
  MuxProgram program = television();
  program.tracks = {{StreamKind::hevc, ""},
                    {StreamKind::ac3, "eng"},
                    {StreamKind::eac3, "fra"},
                    {StreamKind::mpeg_audio, "", 24'000},
                    {StreamKind::aac_adts, "deu", 0, 0x51}};
  muxer.set_program(program);
  for (std::size_t track = 0; track < 5; ++track) unit(track, kOrigin, 500, true);
  muxer.flush();
  const StreamReport report = out.report();
  ASSERT_EQ(report.services.size(), 1U);
  const ServiceInfo& service = report.services[0];
  EXPECT_EQ(service.program_number, 7);
  EXPECT_EQ(service.name, "Prüfbild");
  EXPECT_EQ(service.provider, "Example");
  EXPECT_EQ(service.service_type, 0x1F);
  EXPECT_EQ(service.pcr_pid.value, kVideo);
  ASSERT_EQ(service.streams.size(), 5U);
  const std::vector<std::uint8_t> types{0x24, 0x06, 0x06, 0x04, 0x0F};
  for (std::size_t i = 0; i < types.size(); ++i) {
    EXPECT_EQ(service.streams[i].stream_type, types[i]);
    EXPECT_EQ(service.streams[i].kind, program.tracks[i].kind);
    EXPECT_EQ(service.streams[i].language, program.tracks[i].language);
    EXPECT_EQ(service.streams[i].pid.value, 0x100 + i);
  }
  const Pmt pmt = last_pmt();
  ASSERT_EQ(pmt.streams.size(), 5U);
  EXPECT_TRUE(pmt.streams[1].descriptors.find(0x6A));
  EXPECT_TRUE(pmt.streams[2].descriptors.find(0x7A));
  ASSERT_TRUE(pmt.streams[4].descriptors.find(0x7C));
  EXPECT_EQ((*pmt.streams[4].descriptors.find(0x7C))[0], 0x51);
  EXPECT_EQ(out.pes(0x101).at(0).bytes.at(3), 0xBD) << "private_stream_1";
}

TEST_F(ProgramMuxerTest, MuxesRadio) {
  MuxProgram program = television();
  program.tracks.erase(program.tracks.begin());
  muxer.set_program(program);
  for (int i = 0; i < 300; ++i) unit(0, kOrigin + i * kFrame, 200, true);
  muxer.flush();
  expect_all(0, kSound);
  expect_valid();
  EXPECT_EQ(last_pmt().pcr_pid.value, kSound);
  const auto pcrs = out.pcrs();
  std::size_t alone = 0;
  for (std::size_t i = 1; i < pcrs.size(); ++i) {
    ASSERT_LE(pcrs[i].time - pcrs[i - 1].time, 35 * kMs) << i;
    alone += pcrs[i].alone ? 1 : 0;
  }
  EXPECT_LE(alone, 5U) << "sound carries them itself";
}

TEST_F(ProgramMuxerTest, DoesNotWaitLongForASilentTrack) {
  muxer.set_program(television());
  for (int i = 0; i < 100; ++i) unit(0, kOrigin + i * kPicture, 3'000, i == 0);
  // All but what the lane itself and one interleave hold back.
  EXPECT_GE(out.pes(kVideo).size(), 85U);
  // It comes back: its frames are taken again at their places.
  for (int i = 100; i < 200; ++i) {
    unit(0, kOrigin + i * kPicture, 3'000);
    unit(1, kOrigin + i * kPicture, 300);
  }
  muxer.flush();
  expect_all(0, kVideo);
  expect_all(1, kSound);
  expect_valid();
}

TEST_F(ProgramMuxerTest, CountsWhatComesTooLate) {
  muxer.set_program(television());
  play(kOrigin, 2 * kTicksPerSecond, false);
  EXPECT_EQ(muxer.counters().late_units, 0U);
  unit(1, kOrigin, 300);
  EXPECT_EQ(muxer.counters().late_units, 1U);
  muxer.flush();
  expect_all(1, kSound);
  expect_valid();
}

TEST_F(ProgramMuxerTest, GoesOnAfterASilenceWhereTheTimesSay) {
  muxer.set_program(television());
  std::int64_t from = kOrigin;
  play(from, 2 * kTicksPerSecond);
  for (const std::int64_t silence : {700 * kMs, 3000 * kMs}) {
    muxer.flush();
    const std::size_t before = out.pcrs().size();
    const std::int64_t last = out.pcrs().back().time;
    from += 2 * kTicksPerSecond + silence;
    play(from, 2 * kTicksPerSecond);
    const auto pcrs = out.pcrs();
    ASSERT_GT(pcrs.size(), before);
    EXPECT_FALSE(pcrs[before].discontinuity);
    EXPECT_NEAR(static_cast<double>(pcrs[before].time - last), static_cast<double>(silence), 300.0 * kMs);
    // Nothing lies between the PCR before the silence and the one behind it.
    EXPECT_EQ(pcrs[before].packet, pcrs[before - 1].packet + 1);
  }
  muxer.flush();
  expect_all(0, kVideo);
  expect_all(1, kSound);
  EXPECT_EQ(out.report().cc_errors, 0U);
  const auto times = out.times();
  for (const MuxedPes& pes : out.pes(kVideo))
    ASSERT_LE(times[pes.last], static_cast<std::int64_t>(pes.dts()) * 300);
}

TEST_F(ProgramMuxerTest, CatchesUpAfterASilenceWithoutLostTime) {
  muxer.set_program(television());
  play(kOrigin, 2 * kTicksPerSecond);
  muxer.flush();
  play(kOrigin + 2 * kTicksPerSecond, 4 * kTicksPerSecond);
  muxer.flush();
  expect_all(0, kVideo);
  expect_all(1, kSound);
  expect_valid();
  EXPECT_EQ(muxer.counters().late_units, 0U);
  const auto times = out.times();
  for (const MuxedPes& pes : out.pes(kVideo))
    ASSERT_LE(times[pes.last], static_cast<std::int64_t>(pes.dts()) * 300);
}

TEST_F(ProgramMuxerTest, SaysThatItsClockJumped) {
  muxer.set_program(television());
  play(kOrigin, 2 * kTicksPerSecond);
  muxer.mark_discontinuity();
  const std::size_t before = out.pcrs().size();
  play(kOrigin / 2, 2 * kTicksPerSecond);
  muxer.flush();
  const auto pcrs = out.pcrs();
  for (std::size_t i = 0; i < pcrs.size(); ++i) EXPECT_EQ(pcrs[i].discontinuity, i == before) << i;
  expect_all(0, kVideo);
  expect_all(1, kSound);
  expect_valid();
}

TEST_F(ProgramMuxerTest, TakesAFallOfItsTimesForAnotherClock) {
  muxer.set_program(television());
  play(kOrigin, 2 * kTicksPerSecond);
  play(kOrigin / 2, 2 * kTicksPerSecond);
  muxer.flush();
  const auto pcrs = out.pcrs();
  EXPECT_EQ(std::count_if(pcrs.begin(), pcrs.end(), [](const auto& pcr) { return pcr.discontinuity; }), 1);
  expect_valid();
}

TEST_F(ProgramMuxerTest, RaisesTheVersionsOfTablesThatChange) {
  muxer.set_program(television());
  play(kOrigin, 2 * kTicksPerSecond);
  const std::uint8_t version = last_pmt().version;
  muxer.set_program(television());
  play(kOrigin + 2 * kTicksPerSecond, kTicksPerSecond);
  EXPECT_EQ(last_pmt().version, version) << "nothing changed";
  MuxProgram more = television();
  more.tracks.push_back({StreamKind::ac3, "eng"});
  muxer.set_program(more);
  EXPECT_EQ(last_pmt().version, version + 1);
  play(kOrigin + 3 * kTicksPerSecond, kTicksPerSecond);
  MuxProgram fewer = television();
  fewer.tracks[0].kind = StreamKind::hevc;
  muxer.set_program(fewer);
  EXPECT_EQ(last_pmt().version, version + 2);
  play(kOrigin + 4 * kTicksPerSecond, kTicksPerSecond);
  muxer.flush();
  expect_all(0, kVideo);
  expect_all(1, kSound);
  expect_valid();
}

TEST_F(ProgramMuxerTest, DropsAndCountsWhatItCantTake) {
  unit(0, kOrigin, 100);
  EXPECT_EQ(muxer.counters().dropped_units, 1U) << "no program yet";
  muxer.set_program(television());
  unit(2, kOrigin, 100);
  EXPECT_EQ(muxer.counters().dropped_units, 2U) << "no such track";
  unit(1, kOrigin, 70'000);
  EXPECT_EQ(muxer.counters().dropped_units, 3U) << "sound beyond PES_packet_length";
  unit(0, kOrigin, ProgramMuxer::kMaxWaitingBytes + 1);
  EXPECT_EQ(muxer.counters().dropped_units, 4U);
  unit(0, kOrigin, ProgramMuxer::kMaxWaitingBytes - 100);
  unit(0, kOrigin + kPicture, 200);
  EXPECT_EQ(muxer.counters().dropped_units, 5U);
  EXPECT_EQ(muxer.counters().units, 1U);
}

// What a packet costs grows with the units that wait.
TEST_F(ProgramMuxerTest, LetsNoMoreThanSoManyUnitsWait) {
  muxer.set_program(television());
  for (int i = 0; i < 5'000; ++i) unit(0, kOrigin, 20);
  EXPECT_GE(muxer.counters().dropped_units, 3'000U);
  muxer.flush();
  EXPECT_EQ(muxer.counters().units + muxer.counters().dropped_units, 5'000U);
  const std::uint64_t before = muxer.counters().dropped_units;
  unit(0, kOrigin + kPicture, 20);
  EXPECT_EQ(muxer.counters().dropped_units, before) << "there is room again";
}

// An hour of a source whose sound and pictures keep their distance: so do those of the stream.
TEST_F(ProgramMuxerTest, KeepsSoundAndPicturesTogetherForAnHour) {
  ProgramMuxer counted{[this](std::span<const std::uint8_t> packets) {
    for (std::size_t at = 0; at < packets.size(); at += kPacketSize) {
      const TsPacket packet{packets.subspan(at).first<kPacketSize>()};
      if (const auto pcr = packet.pcr()) {
        const auto time = static_cast<std::int64_t>(pcr->ticks);
        constexpr auto kTurn = static_cast<std::int64_t>(kPcrModulus);
        if (last_pcr >= 0) {
          ASSERT_LE((time - last_pcr + kTurn) % kTurn, 35 * kMs);
        }
        last_pcr = time;
      }
      if (!packet.payload_unit_start() || packet.pid().value < kVideo || packet.pid().value > kSound)
        continue;
      MuxedPes pes;
      pes.bytes.assign(packet.payload().begin(), packet.payload().end());
      stamps[packet.pid().value].push_back(pes.pts());
    }
  }};
  counted.set_program(television());
  const std::vector<std::uint8_t> bytes(1'000, 1);
  std::int64_t sound = 0;
  for (std::int64_t i = 0; i < 3600 * 25; ++i) {
    for (; sound * kTicksPerSecond * 1024 / 48000 <= i * kPicture; ++sound) {
      const std::int64_t t = kOrigin + sound * kTicksPerSecond * 1024 / 48000;
      counted.push({1, t, t, true, std::span(bytes).first(200)});
    }
    counted.push({0, kOrigin + i * kPicture, kOrigin + i * kPicture, i % 25 == 0, bytes});
  }
  counted.flush();
  ASSERT_EQ(stamps[kVideo].size(), 90'000U);
  ASSERT_EQ(stamps[kSound].size(), static_cast<std::size_t>(sound));
  EXPECT_EQ(stamps[kVideo].back() - stamps[kVideo].front(), 3599U * 90'000 + 86'400);
  for (std::size_t i = 0; i < stamps[kSound].size(); i += 997) {
    ASSERT_NEAR(static_cast<double>(stamps[kSound][i] - stamps[kVideo][0]), static_cast<double>(i) * 1920,
                0.51);
  }
  EXPECT_EQ(counted.counters().late_units, 0U);
}

}  // namespace
}  // namespace headgate::mpegts
