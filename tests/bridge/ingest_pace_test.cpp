// A publisher's way from its frames to a paced stream: entry, ring, Playout, RateSchedule, under simulated
// time, with a network that delays and bunches. What leaves must be right for a receiver that knows nothing
// but PCR and position.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>

#include "mpegts/clock/playout.h"
#include "mpegts/mux/rate_schedule.h"
#include "tests/bridge/ingest_support.h"

namespace headgate::bridge {
namespace {

using mpegts::StreamKind;
using test::kMs;
using Bytes = std::vector<std::uint8_t>;

constexpr std::uint64_t kRate = 4'000'000;

class PacedPublisher : public test::IngestTest {
 protected:
  void SetUp() override { open("encoder"); }

  void open(const std::string& peer) {
    if (entry == nullptr) entry = &only();
    ASSERT_TRUE(entry->attach(peer, {}));
    auto format = std::make_shared<hub::FrameFormat>();
    format->tracks.resize(2);
    format->tracks[0].kind = StreamKind::h264;
    format->tracks[0].configuration = {1, 66, 0, 30, 0xFF, 0xE1, 0,    4,    0x67, 66,
                                       0, 30, 1, 0,  4,    0x68, 0xCE, 0x38, 0x80};
    format->tracks[0].video.emplace();
    format->tracks[1].kind = StreamKind::aac_adts;
    format->tracks[1].configuration = {0x11, 0x90};
    format->tracks[1].audio.emplace();
    format->tracks[1].audio->sample_rate = 48'000;
    format->tracks[1].audio->samples_per_frame = 1024;
    entry->frames().on_format(format);
  }
  void frame(std::uint8_t track, std::int64_t ms, std::size_t size, bool key) {
    auto made_frame = std::make_shared<hub::Frame>();
    made_frame->track = track;
    made_frame->dts = made_frame->pts = ms * kMs;
    made_frame->random_access = key;
    made_frame->data.assign(size, 0xA5);
    if (track == 0) {
      const std::size_t nal = size - 4;
      made_frame->data[0] = 0;
      made_frame->data[1] = static_cast<std::uint8_t>(nal >> 16);
      made_frame->data[2] = static_cast<std::uint8_t>(nal >> 8);
      made_frame->data[3] = static_cast<std::uint8_t>(nal);
      made_frame->data[4] = key ? 0x65 : 0x41;
    }
    entry->frames().on_frame(made_frame);
  }
  // A second of 25 pictures (about 2.7 Mb/s with a large first one) and of sound. `late_ms`: how much later
  // than its time a frame comes at this moment of the second.
  void second(const std::function<int(int)>& late_ms) {
    struct Due {
      std::int64_t at;
      std::int64_t ms;
      std::uint8_t track;
      std::size_t size;
      bool key;
    };
    std::vector<Due> frames;
    for (int i = 0; i < 25; ++i)
      frames.push_back(
          {0, source_ms + i * 40, 0, i == 0 ? std::size_t{60'000} : std::size_t{11'000}, i == 0});
    for (; sounds * 64 / 3 < source_ms + 1000; ++sounds) frames.push_back({0, sounds * 64 / 3, 1, 340, true});
    std::sort(frames.begin(), frames.end(), [](const Due& a, const Due& b) { return a.ms < b.ms; });
    std::int64_t last = 0;
    for (Due& due : frames) {
      due.at = std::max(last, due.ms - source_ms + late_ms(static_cast<int>(due.ms - source_ms)));
      last = due.at;
    }
    std::size_t next = 0;
    for (std::int64_t ms = 0; ms < 1000; ++ms) {
      for (; next < frames.size() && frames[next].at <= ms; ++next)
        frame(frames[next].track, frames[next].ms, frames[next].size, frames[next].key);
      tick();
    }
    for (; next < frames.size(); ++next)
      frame(frames[next].track, frames[next].ms, frames[next].size, frames[next].key);
    source_ms += 1000;
  }
  void silence(int ms) {
    for (; ms > 0; --ms) tick();
  }
  void tick() {
    now_ns += kMsNs;
    entries->on_tick(now_ns);
    consumer->poll(1U << 16, [this](const ring::Slot& slot) {
      playout.push(std::span(slot.packets).first(std::size_t{slot.packet_count} * 188), slot.arrival_ns);
    });
    while (true) {
      const auto batch = playout.pop(now_ns);
      if (batch.packets.empty()) break;
      seen.add(batch.packets);
      for (std::size_t at = 0; at < batch.packets.size(); at += 188)
        constant.push(batch.packets.subspan(at).first<188>(), batch.due_ns);
    }
    mpegts::RateSchedule::Datagram datagram;
    while (constant.pop(now_ns, datagram)) paced.add(datagram.bytes);
  }
  // Whole before it is decoded, by PCR and position.
  static void expect_in_time(const mpegts::test::MuxedStream& stream, std::int64_t margin) {
    const auto times = stream.times();
    for (const std::uint16_t pid : std::array<std::uint16_t, 2>{0x100, 0x101}) {
      const auto all = stream.pes(pid);
      ASSERT_GT(all.size(), 100U);
      std::int64_t least = mpegts::kTicksPerSecond;
      for (std::size_t i = 0; i + 1 < all.size(); ++i)
        least = std::min(least, static_cast<std::int64_t>(all[i].dts()) * 300 - times[all[i].last]);
      EXPECT_GE(least, margin) << pid;
    }
  }
  static void expect_valid(mpegts::test::MuxedStream stream) {
    // Behind the last packet the constant rate goes on for a second.
    const auto between = [](const mpegts::TsPacket& p) {
      return p.pid() == mpegts::kNullPid || !p.has_payload();
    };
    while (stream.count() > 0 && between(stream.at(stream.count() - 1)))
      stream.bytes.resize(stream.bytes.size() - 188);
    const auto report = stream.report();
    EXPECT_EQ(report.cc_errors, 0U);
    EXPECT_EQ(report.crc_errors, 0U);
    EXPECT_EQ(report.tr101290[mpegts::Indicator::pat_error] + report.tr101290[mpegts::Indicator::pmt_error],
              0U);
    const auto pcrs = stream.pcrs();
    for (std::size_t i = 1; i < pcrs.size(); ++i) ASSERT_LE(pcrs[i].time - pcrs[i - 1].time, 40 * kMs) << i;
  }

  ingest::Entry* entry = nullptr;
  std::int64_t source_ms = 0;
  std::int64_t sounds = 0;
  mpegts::Playout playout{1'000'000'000, 16384};
  mpegts::RateSchedule constant{kRate, 8192};
  mpegts::test::MuxedStream paced;
};

TEST_F(PacedPublisher, LeavesAtAConstantRateWithAllInTime) {
  for (int i = 0; i < 30; ++i) second([](int ms) { return ms * 7919 % 60; });
  silence(3'000);
  EXPECT_EQ(playout.counters().underflows, 0U);
  EXPECT_EQ(playout.counters().clock_jumps, 0U);
  EXPECT_EQ(constant.counters().all_dropped(), 0U);
  expect_valid(seen);
  expect_valid(paced);
  expect_in_time(seen, 15 * kMs);
  expect_in_time(paced, 0);
  EXPECT_EQ(paced.pes(0x100).size(), 750U);
}

// TCP: half a second without anything, then all at once.
TEST_F(PacedPublisher, IsNotDisturbedByBursts) {
  for (int i = 0; i < 20; ++i) {
    second([i](int ms) { return i >= 5 && i % 3 == 0 && ms < 500 ? 500 - ms : ms * 7919 % 30; });
  }
  silence(3'000);
  EXPECT_EQ(playout.counters().underflows, 0U);
  EXPECT_EQ(playout.counters().clock_jumps, 0U);
  EXPECT_EQ(constant.counters().all_dropped(), 0U);
  expect_valid(paced);
  expect_in_time(paced, 0);
}

TEST_F(PacedPublisher, ComesBackWithinTheGraceOnTheSameClock) {
  for (int i = 0; i < 10; ++i) second([](int ms) { return ms * 7919 % 30; });
  entry->detach("connection reset");
  silence(2'500);
  source_ms = 5'000'000;
  sounds = source_ms * 3 / 64;
  open("encoder");
  for (int i = 0; i < 10; ++i) second([](int ms) { return ms * 7919 % 30; });
  silence(3'000);
  EXPECT_EQ(playout.counters().clock_jumps, 0U);
  EXPECT_EQ(playout.counters().underflows, 0U);
  EXPECT_EQ(playout.counters().dropped, 0U);
  const auto report = seen.report();
  EXPECT_EQ(report.cc_errors, 0U);
  EXPECT_EQ(paced.report().cc_errors, 0U);
  EXPECT_EQ(seen.pes(0x100).size(), 500U);
  EXPECT_EQ(paced.pes(0x100).size(), 500U);
  expect_in_time(seen, 15 * kMs);
}

}  // namespace
}  // namespace headgate::bridge
