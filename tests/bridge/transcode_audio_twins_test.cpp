#include "dataplane/bridge/transcode/audio_twins.h"

#include <gtest/gtest.h>

#include <limits>

#include "dataplane/bridge/hub/payload.h"
#include "dataplane/bridge/transcode/twin_packer.h"
#include "mpegts/pes/pes_packet.h"
#include "tests/bridge/broadcast.h"
#include "tests/bridge/transcode_support.h"

namespace headgate::bridge::transcode {
namespace {

using mpegts::Pid;
using mpegts::StreamKind;
using test::adts_frame;

constexpr std::int64_t kSecond = mpegts::kTicksPerSecond;
constexpr std::int64_t kFrame = 576'000;
constexpr std::int64_t kStart = 3'000'000 * kFrame;  // on the grid
constexpr std::int64_t kStep = kSecond / 25;

struct Source {
  std::uint16_t pid;
  StreamKind kind;
  std::uint8_t stream_type;
  std::string language;
};

class AudioTwinsTest : public testing::Test {
 protected:
  AudioTwinsTest() {
    wishes.rtmp = true;
    wishes.hls = true;
    twins.set(wishes, &jobs);
  }

  void configure(const std::vector<Source>& sources, const std::vector<Source>& heard = {}) {
    auto made = std::make_shared<hub::Configuration>();
    made->pmt_pid = Pid{0x20};
    made->pmt.pcr_pid = Pid{0x100};
    for (const Source& s : sources) {
      hub::Track track{Pid{s.pid}, s.stream_type, s.kind, s.language, true, ""};
      made->carried.push_back(track);
      mpegts::Descriptors descriptors;
      if (!s.language.empty()) {
        // What tells how it is coded, then the language.
        descriptors.bytes = {0x6A, 1, 0x80, 0x0A, 4};
        for (const char c : s.language) descriptors.bytes.push_back(static_cast<std::uint8_t>(c));
        descriptors.bytes.push_back(0);
      }
      made->pmt.streams.push_back({s.stream_type, Pid{s.pid}, descriptors});
    }
    for (const Source& s : heard)
      made->heard.push_back({Pid{s.pid}, s.stream_type, s.kind, s.language, false, "refused"});
    twins.on_configuration(std::move(made));
  }

  // A PES packet of the track with that number, `offset` later on the timeline than by its own clock.
  void send(std::uint8_t track, std::int64_t time, std::uint16_t pid = 0x101,
            const mpegts::es::AudioFormat* format = nullptr) {
    test::Broadcast broadcast;
    broadcast.pes({pid, 0xC0, static_cast<std::uint64_t>((time - offset) / 300), test::audio_frame()});
    const test::Bytes packets = broadcast.take();
    hub::Unit unit;
    unit.track = track;
    unit.timed = true;
    unit.random_access = mpegts::es::RandomAccess::clean;
    unit.dts = unit.pts = time;
    unit.audio = format;
    unit.packets = packets;
    twins.on_unit(unit);
  }
  // The sound of so long, and back what a worker makes of it, which lags by `lag`.
  void run(std::int64_t from, std::int64_t length, std::int64_t lag = kSecond / 10) {
    for (std::int64_t t = from; t < from + length; t += kStep) {
      send(1, t);
      while (next_frame <= t - lag) {
        frame(next_frame);
        next_frame += kFrame;
      }
    }
  }
  void frame(std::int64_t time, std::uint32_t flags = 0, const test::Bytes& bytes = adts_frame(),
             std::uint16_t stream_at = 0) {
    ring::MessageHeader header;
    header.kind = static_cast<std::uint16_t>(job::Message::frame);
    header.stream = jobs.last().of(job::Message::stream).at(stream_at).header.stream;
    header.flags = flags;
    header.pts = header.dts = time;
    jobs.last().on_message(header, bytes);
  }
  std::vector<test::UnitLog::Item> twin_units(std::uint8_t track = 2) const {
    std::vector<test::UnitLog::Item> out;
    for (const auto& item : log.units) {
      if (item.unit.track == track) out.push_back(item);
    }
    return out;
  }

  const std::vector<Source> tv{{0x100, StreamKind::h264, 0x1B, ""},
                               {0x101, StreamKind::mpeg_audio, 0x03, "deu"}};
  test::FakeJobs jobs;
  test::UnitLog log;
  AudioTwins twins{log, "news"};
  SoundWishes wishes;
  std::int64_t offset = 0;
  std::int64_t next_frame = kStart;
};

TEST_F(AudioTwinsTest, ATwinStandsBesideItsOriginalFromTheBeginning) {
  configure(tv);
  ASSERT_EQ(log.configurations.size(), 1U);
  const auto& carried = log.now().carried;
  ASSERT_EQ(carried.size(), 3U);
  EXPECT_EQ(carried[1].pid, Pid{0x101});
  EXPECT_FALSE(carried[1].twin_of);
  EXPECT_EQ(carried[2].twin_of, Pid{0x101});
  EXPECT_EQ(carried[2].pid, Pid{0x901});
  EXPECT_EQ(carried[2].kind, StreamKind::aac_adts);
  EXPECT_EQ(carried[2].language, "deu");
  const auto& entry = log.now().pmt.streams.at(2);
  EXPECT_EQ(entry.stream_type, 0x0F);
  EXPECT_EQ(entry.pid, Pid{0x901});
  // The language alone: not how the original is coded.
  EXPECT_EQ(entry.descriptors.bytes, (std::vector<std::uint8_t>{0x0A, 4, 'd', 'e', 'u', 0}));
  ASSERT_EQ(jobs.made.size(), 1U);
  EXPECT_EQ(jobs.last().name, "sound.news");
  EXPECT_EQ(jobs.last().spec.channel, "news");
}

TEST_F(AudioTwinsTest, FramesComeAsPesPacketsWithTheTimesOfTheStreamsOwnClock) {
  offset = 12'345 * 300 + 7 * kSecond;
  configure(tv);
  run(kStart, kSecond);
  const auto units = twin_units();
  ASSERT_GT(units.size(), 30U);
  int continuity = -1;
  for (std::size_t i = 0; i < units.size(); ++i) {
    const auto& item = units[i];
    EXPECT_EQ(item.unit.pts, kStart + static_cast<std::int64_t>(i) * kFrame);
    EXPECT_EQ(item.codec, "mp4a.40.2");
    ASSERT_EQ(item.packets.size() % mpegts::kPacketSize, 0U);
    for (std::size_t at = 0; at < item.packets.size(); at += mpegts::kPacketSize) {
      const mpegts::TsPacket packet(std::span(item.packets).subspan(at).first<mpegts::kPacketSize>());
      EXPECT_TRUE(packet.valid());
      EXPECT_EQ(packet.pid(), Pid{0x901});
      if (continuity >= 0) {
        EXPECT_EQ(packet.continuity_counter(), (continuity + 1) % 16);
      }
      continuity = packet.continuity_counter();
    }
    std::vector<std::uint8_t> pes;
    hub::gather(item.packets, 1 << 20, pes);
    const auto view = hub::view_pes(pes);
    ASSERT_TRUE(view && view->header.pts);
    EXPECT_EQ(view->header.pts->ticks,
              static_cast<std::uint64_t>((item.unit.pts - offset) / 300) % mpegts::kPtsModulus);
    EXPECT_EQ(std::vector<std::uint8_t>(view->payload.begin(), view->payload.end()), adts_frame());
  }
  EXPECT_EQ(twins.tracks().at(0).counters.frames, units.size());
}

TEST_F(AudioTwinsTest, TheOriginalPassesUnchangedAndAtOnce) {
  configure(tv);
  send(1, kStart);
  ASSERT_EQ(log.units.size(), 1U);
  EXPECT_EQ(log.units[0].unit.track, 1);
  EXPECT_EQ(log.units[0].unit.pts, kStart);
}

TEST_F(AudioTwinsTest, TheWorkerGetsPayloadsWithTimesAndIsToldTheStreamEverySecond) {
  configure(tv);
  run(kStart, 3 * kSecond);
  const auto begins = jobs.last().of(job::Message::stream);
  ASSERT_EQ(begins.size(), 3U);
  const auto begin = job::read<job::StreamBegin>(begins[0].payload);
  ASSERT_TRUE(begin);
  EXPECT_EQ(begin->codec, static_cast<std::uint8_t>(StreamKind::mpeg_audio));
  EXPECT_EQ(begin->encode, 1);
  EXPECT_EQ(begin->sampled_ms, 0);
  EXPECT_EQ(jobs.last().pushed.front().kind(), job::Message::stream);
  const auto packets = jobs.last().of(job::Message::packet);
  ASSERT_EQ(packets.size(), 75U);
  EXPECT_EQ(packets[3].header.pts, kStart + 3 * kStep);
  EXPECT_EQ(packets[3].payload, test::audio_frame());
}

TEST_F(AudioTwinsTest, PolicyAndOutputsSayOfWhatAacIsMade) {
  struct Case {
    protocol::AudioTranscode policy;
    bool hls, rtmp;
    StreamKind kind;
    const char* codec;  // "": not known
    std::uint32_t rate;
    bool made;
  };
  using P = protocol::AudioTranscode;
  const Case cases[] = {
      {P::automatic, true, false, StreamKind::mpeg_audio, "", 0, true},
      {P::automatic, true, false, StreamKind::mpeg_audio, "mp4a.40.33", 48000, true},
      {P::automatic, true, true, StreamKind::mpeg_audio, "mp4a.40.34", 48000, false},
      {P::automatic, false, true, StreamKind::ac3, "ac-3", 48000, true},
      {P::automatic, false, true, StreamKind::eac3, "ec-3", 48000, true},
      {P::automatic, false, true, StreamKind::dts, "", 0, true},
      {P::automatic, true, false, StreamKind::aac_latm, "mp4a.40.2", 48000, true},
      {P::automatic, false, true, StreamKind::aac_latm, "mp4a.40.2", 48000, false},
      {P::automatic, true, true, StreamKind::aac_adts, "mp4a.40.5", 24000, false},
      {P::automatic, false, false, StreamKind::ac3, "ac-3", 48000, false},
      {P::never, true, true, StreamKind::ac3, "ac-3", 48000, false},
      {P::always, true, false, StreamKind::mpeg_audio, "mp4a.40.34", 48000, true},
      {P::always, true, false, StreamKind::aac_adts, "mp4a.40.2", 48000, false},
      {P::always, true, false, StreamKind::aac_adts, "mp4a.40.2", 44100, true},
      {P::always, true, false, StreamKind::aac_adts, "mp4a.40.5", 24000, true},
      {P::always, false, false, StreamKind::ac3, "ac-3", 48000, false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(mpegts::to_string(c.kind)) + " " + c.codec + " policy " +
                 std::to_string(static_cast<int>(c.policy)));
    mpegts::es::AudioFormat format{c.kind, c.rate, 2, 1024, c.codec};
    const bool known = !format.codec.empty();
    EXPECT_EQ(wants_twin({c.policy, c.hls, c.rtmp, false}, c.kind, known ? &format : nullptr), c.made);
  }
}

TEST_F(AudioTwinsTest, LayerThreeLosesTheTwinThatWasMadeBeforeItsLayerWasSeen) {
  configure(tv);
  const mpegts::es::AudioFormat mp3{StreamKind::mpeg_audio, 48000, 2, 1152, "mp4a.40.34"};
  send(1, kStart, 0x101, &mp3);
  EXPECT_EQ(log.now().carried.size(), 2U);
  EXPECT_FALSE(jobs.last().open);
}

TEST_F(AudioTwinsTest, WhatIsOnlyMeasuredIsSampledAndHasNoTwin) {
  wishes = {};
  wishes.measure = true;
  twins.set(wishes, &jobs);
  configure(tv);
  EXPECT_EQ(log.now().carried.size(), 2U);
  send(1, kStart);
  const auto begin = job::read<job::StreamBegin>(jobs.last().of(job::Message::stream).at(0).payload);
  EXPECT_EQ(begin->encode, 0);
  EXPECT_EQ(begin->sampled_ms, AudioTwins::kSampledMs);
  std::vector<std::pair<std::uint16_t, float>> levels;
  twins.set_levels(
      [&](Pid pid, const job::SoundLevels& l) { levels.emplace_back(pid.value, l.momentary_lufs); });
  ring::MessageHeader header;
  header.kind = static_cast<std::uint16_t>(job::Message::levels);
  header.stream = jobs.last().pushed[0].header.stream;
  job::SoundLevels of;
  of.momentary_lufs = -23;
  of.decode_errors = 4;
  jobs.last().on_message(header, job::bytes_of(of));
  ASSERT_EQ(levels.size(), 1U);
  EXPECT_EQ(levels[0].first, 0x101);
  EXPECT_EQ(levels[0].second, -23);
  EXPECT_EQ(twins.tracks().at(0).decode_errors, 4U);
}

TEST_F(AudioTwinsTest, SoundThatNoOutputCarriesGetsATwinAndGoesNoFarther) {
  configure({tv[0]}, {{0x102, StreamKind::dts, 0x82, "eng"}});
  ASSERT_EQ(log.now().carried.size(), 2U);
  EXPECT_EQ(log.now().carried[1].twin_of, Pid{0x102});
  EXPECT_EQ(log.now().pmt.streams.at(1).descriptors.bytes,
            (std::vector<std::uint8_t>{0x0A, 4, 'e', 'n', 'g', 0}));
  send(1, kStart, 0x102);
  EXPECT_TRUE(log.units.empty());
  EXPECT_EQ(jobs.last().of(job::Message::packet).size(), 1U);
  frame(kStart - 2 * kFrame);
  ASSERT_EQ(log.units.size(), 1U);
  EXPECT_EQ(log.units[0].unit.track, 1);
}

TEST_F(AudioTwinsTest, AWorkerThatIsLateCostsNothing) {
  configure(tv);
  run(kStart, 3 * kSecond);
  run(kStart + 3 * kSecond, 4 * kSecond, 100 * kSecond);  // it stands
  EXPECT_EQ(twins.tracks().at(0).state, TwinState::late);
  run(kStart + 7 * kSecond, kSecond);
  EXPECT_EQ(twins.tracks().at(0).state, TwinState::running);
  EXPECT_EQ(log.configurations.size(), 1U);
  const auto units = twin_units();
  for (std::size_t i = 0; i < units.size(); ++i)
    ASSERT_EQ(units[i].unit.pts, kStart + static_cast<std::int64_t>(i) * kFrame);
  const TwinCounters& c = twins.tracks().at(0).counters;
  EXPECT_EQ(c.gaps + c.late + c.filled + c.withdrawn, 0U);
}

TEST_F(AudioTwinsTest, AWorkerThatStandsLongerCostsSilenceInTheTwinAlone) {
  configure(tv);
  run(kStart, 3 * kSecond);
  const std::int64_t stop = kStart + 3 * kSecond;
  run(stop, 9 * kSecond, 100 * kSecond);
  EXPECT_EQ(twins.tracks().at(0).state, TwinState::silent);
  EXPECT_TRUE(twins.tracks().at(0).present);
  EXPECT_GE(twins.tracks().at(0).since_unix_ns, 1);
  const auto quiet = silent_adts_frame(2);
  const auto is_quiet = [&](const test::UnitLog::Item& item) {
    std::vector<std::uint8_t> pes;
    hub::gather(item.packets, 1 << 20, pes);
    const auto payload = hub::view_pes(pes)->payload;
    return std::equal(payload.begin(), payload.end(), quiet.begin(), quiet.end());
  };
  const auto marked = [&](const test::UnitLog::Item& item) {
    return mpegts::TsPacket(std::span(item.packets).first<mpegts::kPacketSize>()).discontinuity();
  };
  // The backlog comes, four seconds of it too late.
  run(stop + 9 * kSecond, 2 * kSecond);
  EXPECT_EQ(twins.tracks().at(0).state, TwinState::running);
  EXPECT_EQ(log.configurations.size(), 1U);
  EXPECT_EQ(log.discontinuities + log.losses, 0);
  const auto units = twin_units();
  std::size_t silent = 0, marks = 0;
  for (std::size_t i = 0; i < units.size(); ++i) {
    ASSERT_EQ(units[i].unit.pts, kStart + static_cast<std::int64_t>(i) * kFrame) << "a hole";
    if (is_quiet(units[i])) ++silent;
    if (i > 0 && marked(units[i])) ++marks;
  }
  EXPECT_NEAR(static_cast<double>(silent), 4 * 48'000.0 / 1024, 8);
  EXPECT_EQ(marks, 2U) << "where silence begins and ends";
  const TwinCounters& c = twins.tracks().at(0).counters;
  EXPECT_EQ(c.filled, silent);
  EXPECT_NEAR(static_cast<double>(c.late), static_cast<double>(silent), 3);
  EXPECT_EQ(c.gaps, 1U);
  EXPECT_EQ(c.withdrawn, 0U);
}

TEST_F(AudioTwinsTest, ATwinThatBringsNothingForLongIsNotOfferedUntilAFrameComes) {
  configure(tv);
  run(kStart, kSecond);
  run(kStart + kSecond, 29 * kSecond, 100 * kSecond);
  EXPECT_TRUE(log.now().idle_twins.empty());
  run(kStart + 30 * kSecond, 3 * kSecond, 100 * kSecond);
  ASSERT_EQ(log.configurations.size(), 2U);
  EXPECT_EQ(log.now().idle_twins, std::vector{Pid{0x901}});
  EXPECT_TRUE(log.now().same_media(*log.configurations.front()));
  EXPECT_FALSE(twins.tracks().at(0).present);
  EXPECT_EQ(twins.tracks().at(0).state, TwinState::idle);
  EXPECT_GT(twin_units().back().unit.pts, kStart + 27 * kSecond) << "who plays it hears silence";
  next_frame = kStart + (33 * kSecond / kFrame + 1) * kFrame;
  run(kStart + 33 * kSecond, kSecond);
  ASSERT_EQ(log.configurations.size(), 3U);
  EXPECT_TRUE(log.now().idle_twins.empty());
  EXPECT_EQ(twins.tracks().at(0).state, TwinState::running);
  EXPECT_EQ(twins.tracks().at(0).counters.withdrawn, 1U);
}

TEST_F(AudioTwinsTest, AWorkerThatNeverComesIsKnownAfterTheFirstPatience) {
  configure(tv);
  run(kStart, 9 * kSecond, 100 * kSecond);
  EXPECT_EQ(twins.tracks().at(0).state, TwinState::starting);
  EXPECT_TRUE(log.now().idle_twins.empty());
  run(kStart + 9 * kSecond, 2 * kSecond, 100 * kSecond);
  EXPECT_EQ(log.now().carried.size(), 3U);
  EXPECT_EQ(log.now().idle_twins, std::vector{Pid{0x901}});
  EXPECT_TRUE(twin_units().empty());
}

TEST_F(AudioTwinsTest, WhatWasNotAskedForMeanwhileIsNoGap) {
  wishes.measure = true;
  twins.set(wishes, &jobs);
  configure(tv);
  run(kStart, kSecond);
  auto never = wishes;
  never.policy = protocol::AudioTranscode::never;
  twins.set(never, &jobs);
  run(kStart + kSecond, 60 * kSecond, 1000 * kSecond);
  twins.set(wishes, &jobs);
  next_frame = kStart + (61 * kSecond / kFrame + 1) * kFrame;
  run(kStart + 61 * kSecond, kSecond);
  const TwinCounters& c = twins.tracks().at(0).counters;
  EXPECT_EQ(c.gaps + c.filled + c.withdrawn, 0U);
  EXPECT_TRUE(log.now().idle_twins.empty());
}

TEST_F(AudioTwinsTest, ASourceThatPausesDoesNotCostTheTwin) {
  configure(tv);
  run(kStart, 2 * kSecond);
  next_frame = kStart + (60 * kSecond / kFrame + 1) * kFrame;
  run(kStart + 60 * kSecond, kSecond);
  EXPECT_EQ(log.configurations.size(), 1U);
  EXPECT_EQ(twins.tracks().at(0).counters.gaps, 1U);
}

TEST_F(AudioTwinsTest, AGapIsSilenceAndMarkedInTheTwinAlone) {
  configure(tv);
  run(kStart, kSecond);
  const std::size_t before = twin_units().size();
  next_frame += 10 * kFrame;
  run(kStart + kSecond, kSecond);
  const auto units = twin_units();
  const auto marked = [&](std::size_t i) {
    return mpegts::TsPacket(std::span(units[i].packets).first<mpegts::kPacketSize>()).discontinuity();
  };
  EXPECT_TRUE(marked(before));
  EXPECT_FALSE(marked(before - 1));
  EXPECT_FALSE(marked(before + 1));
  EXPECT_FALSE(marked(before + 9));
  EXPECT_TRUE(marked(before + 10));
  EXPECT_FALSE(marked(before + 11));
  for (std::size_t i = 0; i < units.size(); ++i)
    ASSERT_EQ(units[i].unit.pts, kStart + static_cast<std::int64_t>(i) * kFrame);
  EXPECT_EQ(twins.tracks().at(0).counters.filled, 10U);
  EXPECT_EQ(twins.tracks().at(0).counters.gaps, 1U);
  EXPECT_EQ(log.losses, 0);
  EXPECT_EQ(log.discontinuities, 0);
}

TEST_F(AudioTwinsTest, FramesOfBeforeABreakDontComeAfterIt) {
  configure(tv);
  run(kStart, kSecond);
  const std::size_t before = twin_units().size();
  twins.on_discontinuity();
  EXPECT_EQ(log.discontinuities, 1);
  frame(next_frame);  // of before
  send(1, kStart + kSecond);
  EXPECT_NE(jobs.last().of(job::Message::packet).back().header.flags & job::kDiscontinuity, 0U);
  frame(next_frame + kFrame);  // likewise
  EXPECT_EQ(twin_units().size(), before);
  EXPECT_EQ(twins.tracks().at(0).counters.late, 2U);
  frame(kStart + 48 * kFrame, job::kDiscontinuity);
  frame(kStart + 49 * kFrame);
  EXPECT_EQ(twin_units().size(), before + 2);
}

TEST_F(AudioTwinsTest, AMarkThatWasLostDoesNotSilenceTheTwinForEver) {
  configure(tv);
  run(kStart, kSecond);
  twins.on_discontinuity();
  run(kStart + kSecond, 4 * kSecond);
  EXPECT_GT(twin_units().back().unit.pts, kStart + 4 * kSecond);
}

TEST_F(AudioTwinsTest, LossesAreToldToTheWorkerOnce) {
  configure(tv);
  send(1, kStart);
  twins.on_loss();
  EXPECT_EQ(log.losses, 1);
  send(1, kStart + kStep);
  send(1, kStart + 2 * kStep);
  const auto packets = jobs.last().of(job::Message::packet);
  EXPECT_EQ(packets[0].header.flags, 0U);
  EXPECT_EQ(packets[1].header.flags, job::kLoss);
  EXPECT_EQ(packets[2].header.flags, 0U);
}

TEST_F(AudioTwinsTest, AFullRingIsALossToTheWorker) {
  configure(tv);
  send(1, kStart);
  jobs.last().full = true;
  send(1, kStart + kStep);
  jobs.last().full = false;
  send(1, kStart + 2 * kStep);
  EXPECT_EQ(jobs.last().of(job::Message::packet).back().header.flags, job::kLoss);
}

TEST_F(AudioTwinsTest, WhatIsNoFrameOrHasNoTimeThatCanBeIsDropped) {
  configure(tv);
  send(1, kStart);
  frame(kStart);
  ASSERT_EQ(twin_units().size(), 1U);
  auto longer = adts_frame();
  longer.push_back(0);
  frame(kStart + kFrame, 0, longer);
  frame(kStart + kFrame, 0, {});
  frame(kStart + kFrame, 0, test::Bytes(100, 0));
  frame(kStart);                  // not after the one before
  frame(kStart + 100 * kSecond);  // ahead of what was sent
  frame(kStart + kFrame + 1);     // not on the grid
  auto faster = adts_frame();
  faster[2] = 0x50;  // 44.1 kHz
  frame(kStart + kFrame, 0, faster);
  EXPECT_EQ(twin_units().size(), 1U);
  EXPECT_EQ(twins.tracks().at(0).counters.unusable, 7U);
  // Times whose distance is no number.
  frame(std::numeric_limits<std::int64_t>::min() / kFrame * kFrame);
  frame(std::numeric_limits<std::int64_t>::max() / kFrame * kFrame);
  EXPECT_EQ(twin_units().size(), 1U);
  ring::MessageHeader strange;
  strange.kind = static_cast<std::uint16_t>(job::Message::frame);
  strange.stream = 60'000;
  jobs.last().on_message(strange, adts_frame());
  EXPECT_EQ(twin_units().size(), 1U);
}

TEST_F(AudioTwinsTest, APacketThatIsTooLongIsCountedAndALossToTheWorker) {
  configure(tv);
  send(1, kStart);
  const std::size_t before = jobs.last().of(job::Message::packet).size();
  test::Broadcast broadcast;
  broadcast.pes({0x101, 0xC0, static_cast<std::uint64_t>(kStart / 300), test::Bytes(200 * 1024, 0x55)});
  const test::Bytes packets = broadcast.take();
  hub::Unit unit;
  unit.track = 1;
  unit.timed = true;
  unit.dts = unit.pts = kStart + kStep;
  unit.packets = packets;
  twins.on_unit(unit);
  EXPECT_EQ(jobs.last().of(job::Message::packet).size(), before);
  EXPECT_EQ(twins.totals().oversized, 1U);
  send(1, kStart + 2 * kStep);
  EXPECT_NE(jobs.last().of(job::Message::packet).back().header.flags & job::kLoss, 0U);
}

TEST_F(AudioTwinsTest, PidsOfTwinsAreFreeAndTheSameEveryTime) {
  // 0x901 is taken by a stream of the service, the highest leaves no room above it.
  configure({tv[0], tv[1], {0x901, StreamKind::ac3, 0x81, "eng"}, {0x1FF0, StreamKind::ac3, 0x81, "fra"}});
  std::vector<std::uint16_t> pids;
  for (const auto& t : log.now().carried) {
    if (t.twin_of) pids.push_back(t.pid.value);
  }
  EXPECT_EQ(pids, (std::vector<std::uint16_t>{0x902, 0x1101, 0x21}));  // 0x20 is the PMT's
}

TEST_F(AudioTwinsTest, WithoutATranscodeProcessEverythingPasses) {
  twins.set(wishes, nullptr);
  configure(tv);
  send(1, kStart);
  EXPECT_EQ(log.now().carried.size(), 2U);
  EXPECT_EQ(log.units.size(), 1U);
  EXPECT_TRUE(jobs.made.empty());
}

TEST_F(AudioTwinsTest, AnOutputThatGoesTakesTheTwinWithIt) {
  configure(tv);
  run(kStart, kSecond);
  twins.set({protocol::AudioTranscode::automatic, false, false, false}, &jobs);
  EXPECT_EQ(log.now().carried.size(), 2U);
  EXPECT_FALSE(jobs.last().open);
  send(1, kStart + kSecond);
  twins.set(wishes, &jobs);
  EXPECT_EQ(log.now().carried.size(), 3U);
  EXPECT_EQ(jobs.made.size(), 2U);
}

TEST(TwinPacker, PacksFramesOfEverySize) {
  for (std::size_t size = 8; size < 2000; ++size) {
    TwinPacker packer{Pid{0x123}};
    for (const bool mark : {false, true}) {
      const auto frame = adts_frame(size);
      const auto packets = packer.pack(frame, {12'345}, mark);
      ASSERT_EQ(packets.size() % mpegts::kPacketSize, 0U);
      for (std::size_t at = 0; at < packets.size(); at += mpegts::kPacketSize) {
        const mpegts::TsPacket packet(packets.subspan(at).first<mpegts::kPacketSize>());
        ASSERT_TRUE(packet.valid()) << size;
        ASSERT_EQ(packet.payload_unit_start(), at == 0);
        ASSERT_EQ(packet.discontinuity(), mark && at == 0);
      }
      std::vector<std::uint8_t> pes;
      hub::gather(packets, 1 << 20, pes);
      const auto view = hub::view_pes(pes);
      ASSERT_TRUE(view && view->header.pts);
      ASSERT_EQ(view->header.pts->ticks, 12'345U);
      ASSERT_TRUE(std::equal(frame.begin(), frame.end(), view->payload.begin(), view->payload.end())) << size;
    }
  }
}

}  // namespace
}  // namespace headgate::bridge::transcode
