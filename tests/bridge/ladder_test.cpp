// Pictures made smaller: what goes to the worker, and what of its frames becomes a track.
#include "dataplane/bridge/transcode/ladder.h"

#include <gtest/gtest.h>

#include <limits>

#include <array>
#include <set>

#include "mpegts/packet/clock_fields.h"
#include "mpegts/packet/ts_packet.h"
#include "mpegts/pes/pes_packet.h"

namespace headgate::bridge::transcode {
namespace {

constexpr std::int64_t kMs = mpegts::kTicksPerSecond / 1000;
constexpr std::int64_t kFrame = 40 * kMs;
constexpr std::int64_t kOffset = 1'000'000 * mpegts::kTicksPerSecond;  // timeline minus the stream's clock

struct Sent {
  ring::MessageHeader header;
  std::vector<std::uint8_t> payload;
};

struct FakeWorker : JobMaker {
  struct Handle : Job {
    explicit Handle(FakeWorker& w) : worker(w) {}
    ~Handle() override { worker.open = false; }
    bool push(const ring::MessageHeader& header, std::span<const std::uint8_t> payload) override {
      if (worker.full) return false;
      worker.sent.push_back({header, {payload.begin(), payload.end()}});
      return true;
    }
    JobCounters counters() const override { return {}; }
    std::uint64_t unread() const override { return worker.unread; }
    const std::string& problem() const override { return none; }
    FakeWorker& worker;
    std::string none;
  };
  std::unique_ptr<Job> make(const std::string& n, const job::Spec&, const RingSizes&, OnMessage f) override {
    name = n;
    answer = std::move(f);
    open = true;
    return std::make_unique<Handle>(*this);
  }
  std::string name;
  OnMessage answer;
  std::vector<Sent> sent;
  bool open = false;
  bool full = false;
  std::uint64_t unread = 0;
};

struct Collect : hub::UnitSink {
  void on_configuration(std::shared_ptr<const hub::Configuration> c) override {
    configuration = std::move(c);
  }
  void on_unit(const hub::Unit& unit) override {
    units.push_back(unit);
    packets.emplace_back(unit.packets.begin(), unit.packets.end());
  }
  void on_discontinuity() override {}
  void on_loss() override {}
  std::shared_ptr<const hub::Configuration> configuration;
  std::vector<hub::Unit> units;
  std::vector<std::vector<std::uint8_t>> packets;
};

class LadderTest : public testing::Test {
 protected:
  void SetUp() override {
    ladder.set({{"abr-360p-9", 0, 360, 800'000}}, &worker);
    auto made = std::make_shared<hub::Configuration>();
    made->pmt_pid = mpegts::Pid{0x100};
    made->pmt.pcr_pid = mpegts::Pid{0x101};
    made->pmt.streams.push_back({0x02, mpegts::Pid{0x101}, {}});
    made->carried.push_back({mpegts::Pid{0x101}, 0x02, mpegts::StreamKind::mpeg2_video, "", true, ""});
    source = made;
    ladder.on_configuration(source);
  }
  void picture(std::int64_t time, bool random_access) {
    std::vector<std::uint8_t> p(mpegts::kPacketSize, 0x55);
    const std::array<std::uint8_t, 14> header{0x47, 0x41, 0x01, 0x10, 0,    0, 1,
                                              0xE0, 0,    0,    0x80, 0x80, 5, 0x20};
    std::copy(header.begin(), header.end(), p.begin());
    const auto ticks = static_cast<std::uint64_t>((time - kOffset) / 300);
    p[13] = 0x20;
    mpegts::put_stamp(std::span<std::uint8_t, 5>(p.data() + 13, 5), {ticks % mpegts::kPtsModulus});
    hub::Unit unit;
    unit.timed = true;
    unit.random_access = random_access ? mpegts::es::RandomAccess::clean : mpegts::es::RandomAccess::none;
    unit.pts = unit.dts = time;
    unit.packets = p;
    ladder.on_unit(unit);
  }
  void frame(std::int64_t pts, std::uint32_t flags, std::size_t size = 1000) {
    ring::MessageHeader header;
    header.kind = static_cast<std::uint16_t>(job::Message::frame);
    header.flags = flags;
    header.pts = pts;
    header.dts = pts - kFrame;
    const std::vector<std::uint8_t> unit(size, 0xAB);
    worker.answer(header, unit);
  }
  std::size_t made() const {
    std::size_t n = 0;
    for (const hub::Unit& unit : out.units) n += unit.track == 1 ? 1 : 0;
    return n;
  }

  FakeWorker worker;
  Collect out;
  Ladder ladder{out, "sport"};
  std::shared_ptr<const hub::Configuration> source;
  const std::int64_t begin = kOffset + 500 * mpegts::kTicksPerSecond;
};

TEST_F(LadderTest, AddsATrackForEachSizeAndPassesTheRest) {
  EXPECT_EQ(worker.name, "ladder.abr-360p-9");
  ASSERT_EQ(out.configuration->carried.size(), 2U);
  const hub::Track& track = out.configuration->carried[1];
  EXPECT_EQ(track.twin_of, mpegts::Pid{0x101});
  EXPECT_EQ(track.name, "abr-360p-9");
  EXPECT_EQ(track.kind, mpegts::StreamKind::h264);
  EXPECT_EQ(out.configuration->pmt.streams.size(), 2U);
  picture(begin, true);
  ASSERT_EQ(out.units.size(), 1U);
  EXPECT_EQ(out.units[0].track, 0);
  ladder.set({}, &worker);
  EXPECT_FALSE(worker.open);
  EXPECT_EQ(out.configuration->carried.size(), 1U);
}

TEST_F(LadderTest, TellsTheWorkerWhatItIsAtEachRandomAccessPoint) {
  picture(begin, true);
  picture(begin + kFrame, false);
  picture(begin + 2 * kFrame, true);
  std::vector<int> kinds;
  for (const Sent& sent : worker.sent) kinds.push_back(sent.header.kind);
  EXPECT_EQ(kinds, (std::vector<int>{1, 2, 2, 1, 2}));
  const auto wanted = job::read<job::StreamBegin>(worker.sent[0].payload);
  ASSERT_TRUE(wanted);
  EXPECT_EQ(wanted->height, 360U);
  EXPECT_EQ(wanted->bitrate, 800'000U);
  EXPECT_NE(worker.sent[1].header.flags & job::kRandomAccess, 0U);
  EXPECT_EQ(worker.sent[2].header.flags & job::kRandomAccess, 0U);
  EXPECT_EQ(worker.sent[1].header.pts, begin);
  EXPECT_EQ(worker.sent[1].payload.size(), 188U - 4 - 14) << "an access unit without its PES header";
}

TEST_F(LadderTest, AFrameBecomesPacketsWithTheTimesOfTheSource) {
  picture(begin, true);
  frame(begin, job::kRandomAccess);
  ASSERT_EQ(made(), 1U);
  EXPECT_EQ(out.units.back().pts, begin);
  const auto& bytes = out.packets.back();
  ASSERT_EQ(bytes.size() % mpegts::kPacketSize, 0U);
  const mpegts::TsPacket first(std::span<const std::uint8_t, mpegts::kPacketSize>(bytes.data(), 188));
  EXPECT_TRUE(first.random_access());
  EXPECT_TRUE(first.payload_unit_start());
  const auto header = mpegts::PesHeader::parse(first.payload());
  ASSERT_TRUE(header && header->pts && header->dts);
  EXPECT_EQ(header->pts->ticks, 500U * 90'000);
  EXPECT_EQ(header->dts->ticks, 500U * 90'000 - 3600);
  std::size_t payload = 0;
  int counter = 0;
  for (std::size_t at = 0; at < bytes.size(); at += mpegts::kPacketSize) {
    const mpegts::TsPacket packet(std::span<const std::uint8_t, mpegts::kPacketSize>(bytes.data() + at, 188));
    ASSERT_TRUE(packet.valid());
    EXPECT_EQ(packet.continuity_counter(), counter++ & 0x0F);
    payload += packet.payload().size();
  }
  EXPECT_EQ(payload, 19U + 1000U);
}

TEST_F(LadderTest, WaitsForARandomAccessPointAfterALoss) {
  picture(begin, true);
  frame(begin + kFrame, 0);
  EXPECT_EQ(made(), 0U);
  frame(begin + 2 * kFrame, job::kRandomAccess);
  frame(begin + 3 * kFrame, 0);
  EXPECT_EQ(made(), 2U);
  frame(begin + 4 * kFrame, job::kLoss);
  frame(begin + 5 * kFrame, 0);
  EXPECT_EQ(made(), 2U);
  frame(begin + 6 * kFrame, job::kRandomAccess | job::kDiscontinuity);
  EXPECT_EQ(made(), 3U);
  EXPECT_EQ(ladder.status()[0].dropped, 3U);
}

TEST_F(LadderTest, BelievesNoTimeThatCanNotBe) {
  picture(begin, true);
  frame(begin + 3600 * mpegts::kTicksPerSecond, job::kRandomAccess);
  frame(begin - 3600 * mpegts::kTicksPerSecond, job::kRandomAccess);
  EXPECT_EQ(made(), 0U);
  ladder.on_discontinuity();
  frame(begin, job::kRandomAccess);
  EXPECT_EQ(made(), 0U) << "of before the break";
}

TEST_F(LadderTest, BelievesNoDifferenceThatOverflows) {
  picture(begin, true);
  ring::MessageHeader header;
  header.kind = static_cast<std::uint16_t>(job::Message::frame);
  header.flags = job::kRandomAccess;
  header.pts = begin;
  header.dts = std::numeric_limits<std::int64_t>::min();
  worker.answer(header, std::vector<std::uint8_t>(100, 0xAB));
  header.pts = header.dts;
  worker.answer(header, std::vector<std::uint8_t>(100, 0xAB));
  EXPECT_EQ(made(), 0U);
  EXPECT_EQ(ladder.status()[0].dropped, 2U);
}

// Segments of all channels share their memory.
TEST_F(LadderTest, TakesNoMoreThanAWorkerOfThatBitrateCanMake) {
  picture(begin, true);
  const auto flood = [&](std::int64_t at) {
    const std::size_t before = made();
    for (int i = 0; i < 100; ++i) frame(at, job::kRandomAccess, 100'000);
    return made() - before;
  };
  const std::size_t first = flood(begin);
  EXPECT_GE(first, 10U);
  EXPECT_LE(first, 50U) << "8 s of four times 100 kB, and of 64 KiB";
  EXPECT_EQ(flood(begin), 0U);
  EXPECT_EQ(ladder.status()[0].dropped, 200 - first);
  // The source's time allows more.
  picture(begin + mpegts::kTicksPerSecond, false);
  EXPECT_LE(flood(begin), 6U);
  picture(begin + 2 * mpegts::kTicksPerSecond, false);
  frame(begin + 2 * mpegts::kTicksPerSecond, 0);
  const std::size_t joined = made();
  frame(begin + 2 * mpegts::kTicksPerSecond, job::kRandomAccess);
  EXPECT_EQ(made(), joined + 1) << "from a random access point on";
}

TEST_F(LadderTest, AFullRingIsALossForTheWorkerAlone) {
  picture(begin, true);
  worker.full = true;
  picture(begin + kFrame, false);
  worker.full = false;
  picture(begin + 2 * kFrame, false);
  EXPECT_EQ(out.units.size(), 3U);
  EXPECT_NE(worker.sent.back().header.flags & job::kLoss, 0U);
}

// As a worker on too slow a core: it takes, but is never done.
TEST_F(LadderTest, AWorkerThatFallsBehindRestsAndIsTriedAgainAtARandomAccessPoint) {
  std::int64_t time = begin;
  const auto play = [&](int frames) {
    for (int i = 0; i < frames; ++i, time += kFrame) picture(time, (time - begin) / kFrame % 25 == 0);
  };
  const auto sent = [&] {
    return std::count_if(worker.sent.begin(), worker.sent.end(),
                         [](const Sent& s) { return s.header.kind == 2; });
  };
  worker.unread = 1000;
  play(175);
  EXPECT_LE(sent(), Ladder::kMostBehind / kFrame + 1);
  EXPECT_EQ(ladder.status()[0].behind, 1U);
  EXPECT_EQ(ladder.status()[0].left_out, static_cast<std::uint64_t>(175 - sent()));
  EXPECT_NE(ladder.status()[0].trouble.find("pace"), std::string::npos);
  EXPECT_EQ(out.units.size(), 175U) << "the source goes on";
  // It has caught up: on it goes where a decoder can begin, and as something new.
  worker.sent.clear();
  worker.unread = 0;
  play(20);
  EXPECT_EQ(sent(), 20);
  EXPECT_EQ(worker.sent.front().header.kind, 1);
  EXPECT_NE(worker.sent[1].header.flags & job::kRandomAccess, 0U);
  EXPECT_NE(worker.sent[1].header.flags & job::kDiscontinuity, 0U);
  const std::int64_t again = worker.sent[1].header.pts;
  // Only what it makes after a while of keeping the pace is for players, from a random access point on.
  frame(again, job::kRandomAccess | job::kDiscontinuity);
  EXPECT_EQ(made(), 0U);
  play(80);
  frame(again + Ladder::kTrial - kFrame, job::kRandomAccess);
  frame(again + Ladder::kTrial, 0);
  EXPECT_EQ(made(), 0U);
  frame(again + Ladder::kTrial + kFrame, job::kRandomAccess);
  EXPECT_EQ(made(), 1U);
  EXPECT_EQ(ladder.status()[0].behind, 1U);
  play(25 * 70);
  EXPECT_EQ(ladder.status()[0].trouble, "");
}

// Its viewers wait for it.
TEST_F(LadderTest, AWorkerThatIsLateAndKeepsThePaceIsNotBehind) {
  worker.unread = 1000;  // there is always something that it has not read
  const std::int64_t late = Ladder::kMostBehind - 2 * kFrame;
  for (std::int64_t time = begin; time < begin + 30 * mpegts::kTicksPerSecond; time += kFrame) {
    const bool random_access = (time - begin) / kFrame % 25 == 0;
    picture(time, random_access);
    if (time - late >= begin) frame(time - late, random_access ? job::kRandomAccess : 0);
  }
  EXPECT_EQ(ladder.status()[0].behind, 0U);
  EXPECT_EQ(ladder.status()[0].left_out, 0U);
  EXPECT_GT(made(), 600U);
}

TEST_F(LadderTest, PausesGrowWhileItFallsBehindAgainAndAgain) {
  std::int64_t time = begin;
  std::vector<std::int64_t> begun;
  for (int i = 0; i < 25 * 180; ++i, time += kFrame) {
    // Caught up as soon as it gets nothing.
    const std::size_t before = worker.sent.size();
    picture(time, i % 25 == 0);
    const bool sent = worker.sent.size() > before;
    if (sent && worker.unread == 0) begun.push_back(time);
    worker.unread = sent ? 1000 : 0;
  }
  ASSERT_GE(begun.size(), 5U);
  EXPECT_LE(begun.size(), 8U);
  for (std::size_t i = 2; i < begun.size(); ++i) {
    const std::int64_t pause = begun[i] - begun[i - 1];
    EXPECT_GE(pause, std::min(Ladder::kFirstPause << (i - 1), Ladder::kLongestPause)) << i;
    EXPECT_LE(pause, Ladder::kLongestPause + Ladder::kMostBehind + 2 * mpegts::kTicksPerSecond) << i;
  }
}

// What its segment no longer waits for would end up in another one.
TEST_F(LadderTest, WhatComesTooLateIsDroppedUpToTheNextRandomAccessPoint) {
  std::int64_t time = begin;
  for (int i = 0; i < 200; ++i, time += kFrame) picture(time, i % 25 == 0);
  const std::int64_t last = time - kFrame;
  frame(last - Ladder::kLatest - kFrame, job::kRandomAccess);
  frame(last - Ladder::kLatest + kFrame, 0);
  EXPECT_EQ(made(), 0U);
  EXPECT_EQ(ladder.status()[0].left_out, 1U);
  frame(last - kFrame, job::kRandomAccess);
  EXPECT_EQ(made(), 1U);
}

TEST_F(LadderTest, StampsGoOnOverTheirWrap) {
  const std::int64_t wrap = kOffset + static_cast<std::int64_t>(mpegts::kPtsModulus) * 300;
  picture(wrap - kFrame, true);
  picture(wrap, false);
  picture(wrap + kFrame, false);
  std::vector<std::uint64_t> stamps;
  for (int i = -1; i < 2; ++i) {
    frame(wrap + i * kFrame, i < 0 ? job::kRandomAccess : 0);
    const mpegts::TsPacket first(
        std::span<const std::uint8_t, mpegts::kPacketSize>(out.packets.back().data(), 188));
    const auto header = mpegts::PesHeader::parse(first.payload());
    ASSERT_TRUE(header && header->pts);
    stamps.push_back(header->pts->ticks);
    EXPECT_EQ(out.units.back().pts, wrap + i * kFrame);
  }
  EXPECT_EQ(stamps, (std::vector<std::uint64_t>{mpegts::kPtsModulus - 3600, 0, 3600}));
}

}  // namespace
}  // namespace headgate::bridge::transcode
