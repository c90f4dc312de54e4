#include "mpegts/clock/pacer.h"

#include <gtest/gtest.h>

#include <map>

#include "mpegts/monitor/stream_analyzer.h"
#include "mpegts/pes/pes_packet.h"
#include "ts_builder.h"

namespace headgate::mpegts {
namespace {

using std::chrono::nanoseconds;
constexpr std::int64_t kStep = kTicksPerSecond / 25;  // a PCR each 40 ms

struct Played {
  std::vector<PacedPacket> packets;
  std::vector<std::uint64_t> shifts;
  double bitrate = 0;
  std::uint64_t jumps = 0;
  bool timed = false;
};

Played play(const std::vector<test::Packet>& file, int loops) {
  Played played;
  Pacer pacer;
  LoopRewriter rewriter;
  PacedPacket paced;
  const auto drain = [&] {
    while (pacer.pop(paced)) {
      rewriter.rewrite(paced.bytes);
      played.packets.push_back(paced);
    }
  };
  for (int loop = 0; loop < loops; ++loop) {
    for (const auto& p : file) {
      pacer.push(test::view(p));
      drain();
    }
    const auto shift = pacer.end_of_loop();
    drain();
    rewriter.next_loop(shift);
    played.shifts.push_back(shift);
  }
  played.bitrate = pacer.bitrate();
  played.jumps = pacer.pcr_jumps();
  played.timed = pacer.timed();
  return played;
}

// 3 packets, then a PCR each ten packets: count of them, and 4 packets more.
std::vector<test::Packet> file(int pcrs, std::int64_t first, std::int64_t jump_at = -1,
                               std::int64_t jump = 0) {
  std::vector<test::Packet> packets;
  std::uint8_t cc = 5;
  const auto wrap = static_cast<std::int64_t>(kPcrModulus);
  for (int i = 0; i < 3; ++i) packets.push_back(test::packet(0x100, cc++));
  for (int i = 0; i < pcrs; ++i) {
    const std::int64_t pcr = first + i * kStep + (jump_at >= 0 && i >= jump_at ? jump : 0);
    packets.push_back(test::pcr_packet(0x100, cc++, static_cast<std::uint64_t>((pcr % wrap + wrap) % wrap)));
    for (int k = 0; k < (i + 1 < pcrs ? 9 : 4); ++k) packets.push_back(test::packet(0x100, cc++));
  }
  return packets;
}

void expect_even_spacing(const Played& played, std::size_t count) {
  ASSERT_EQ(played.packets.size(), count);
  EXPECT_EQ(played.packets[0].departure, nanoseconds{0});
  for (std::size_t i = 1; i < count; ++i) {
    const auto gap = (played.packets[i].departure - played.packets[i - 1].departure).count();
    ASSERT_NEAR(static_cast<double>(gap), 4e6, 20e3) << i;  // 40 ms over ten packets; a seam may take 11 us
  }
}

StreamReport report(const Played& played) {
  StreamAnalyzer analyzer;
  for (const auto& p : played.packets) analyzer.on_packet(TsPacket{p.bytes});
  return analyzer.report();
}

TEST(Pacer, SpacesPacketsByPositionBetweenPcrs) {
  const auto f = file(20, 1000);
  expect_even_spacing(play(f, 1), f.size());
}

TEST(Pacer, LoopsWithoutASeam) {
  const auto f = file(20, 123'456'789);
  const auto played = play(f, 5);
  expect_even_spacing(played, f.size() * 5);
  const auto r = report(played);
  EXPECT_EQ(r.cc_errors, 0U);
  ASSERT_EQ(r.pids.size(), 1U);
  EXPECT_EQ(r.pids[0].pcr->discontinuities, 0U);
  EXPECT_LE(r.pids[0].pcr->interval_max_ms, 40.1);
  for (const auto shift : played.shifts) EXPECT_EQ(shift % 300, 0U);
}

TEST(Pacer, DeparturesFollowThePcrAcrossManyLoops) {
  const auto f = file(20, 0);
  const auto played = play(f, 300);
  std::optional<std::uint64_t> first;
  nanoseconds first_departure{0};
  for (const auto& p : played.packets) {
    const auto pcr = TsPacket{p.bytes}.pcr();
    if (!pcr) continue;
    if (!first) {
      first = pcr->ticks;
      first_departure = p.departure;
    }
    const double by_pcr = static_cast<double>(pcr->ticks - *first) / 0.027;
    ASSERT_NEAR(static_cast<double>((p.departure - first_departure).count()), by_pcr, 1000.0);
  }
}

TEST(Pacer, GoesOnAtTheAverageRateWhenThePcrJumpsOrWraps) {
  for (const std::int64_t jump : {-5 * kTicksPerSecond, 3600 * kTicksPerSecond}) {
    const auto f = file(20, 100 * kTicksPerSecond, 8, jump);
    const auto played = play(f, 3);
    expect_even_spacing(played, f.size() * 3);
    EXPECT_EQ(played.jumps, 3U);
    // The file's own jump is there in each loop, and none at the two seams.
    EXPECT_EQ(report(played).pids[0].pcr->discontinuities, 3U);
  }
  const auto f = file(20, static_cast<std::int64_t>(kPcrModulus) - 5 * kStep);
  const auto played = play(f, 3);
  expect_even_spacing(played, f.size() * 3);
  EXPECT_EQ(report(played).pids[0].pcr->discontinuities, 0U);
}

TEST(Pacer, UsesTheFallbackRateWithoutPcr) {
  std::vector<test::Packet> f;
  for (int i = 0; i < 100; ++i) f.push_back(test::packet(0x100, static_cast<std::uint8_t>(i)));
  const auto played = play(f, 2);
  EXPECT_FALSE(played.timed);
  ASSERT_EQ(played.packets.size(), 200U);
  // 200 packets of 1504 bits at 5 Mb/s.
  EXPECT_NEAR(static_cast<double>(played.packets[199].departure.count()), 199 * 300'800.0, 50'000.0);
  EXPECT_EQ(report(played).cc_errors, 0U);
}

TEST(Pacer, HoldsABoundedNumberOfPackets) {
  Pacer pacer;
  PacedPacket paced;
  std::size_t out = 0;
  for (int i = 0; i < 200'000; ++i) {
    pacer.push(test::view(test::packet(0x100, 0)));
    while (pacer.pop(paced)) ++out;
  }
  EXPECT_GT(out, 130'000U);
}

test::Packet pes_start(std::uint8_t cc, std::uint64_t pts, std::uint64_t dts) {
  auto p = test::packet(0x100, cc, true);
  const std::uint8_t head[] = {0, 0, 1, 0xE0, 0, 0, 0x80, 0xC0, 10};
  std::copy(std::begin(head), std::end(head), p.begin() + 4);
  const auto stamp = [&](std::size_t at, std::uint8_t prefix, std::uint64_t v) {
    p[at] = static_cast<std::uint8_t>(prefix << 4 | (v >> 29 & 0x0E) | 1);
    p[at + 1] = static_cast<std::uint8_t>(v >> 22);
    p[at + 2] = static_cast<std::uint8_t>((v >> 14 & 0xFE) | 1);
    p[at + 3] = static_cast<std::uint8_t>(v >> 7);
    p[at + 4] = static_cast<std::uint8_t>((v << 1 & 0xFE) | 1);
  };
  stamp(13, 3, pts);
  stamp(18, 1, dts);
  return p;
}

TEST(LoopRewriter, ShiftsPtsAndDtsModuloTheirWrap) {
  LoopRewriter rewriter;
  auto p = pes_start(0, kPtsModulus - 10, kPtsModulus - 100);
  const auto original = p;
  rewriter.rewrite(p);
  EXPECT_EQ(p, original);  // the first loop is bit-exact
  rewriter.next_loop(50 * 300);
  p = original;
  rewriter.rewrite(p);
  const auto header = PesHeader::parse(test::view(p).payload());
  ASSERT_TRUE(header);
  EXPECT_EQ(header->pts->ticks, 40U);
  EXPECT_EQ(header->dts->ticks, kPtsModulus - 50);
  EXPECT_EQ(p[3] & 0x0F, 1);
}

TEST(LoopRewriter, LeavesScrambledPesHeadersAlone) {
  LoopRewriter rewriter;
  auto p = pes_start(0, 100, 50);
  p[3] |= 0x80;
  rewriter.rewrite(p);
  rewriter.next_loop(3000);
  auto q = p;
  rewriter.rewrite(q);
  EXPECT_TRUE(std::equal(p.begin() + 4, p.end(), q.begin() + 4));
}

TEST(LoopRewriter, KeepsTheGapsThatTheFileHas) {
  LoopRewriter rewriter;
  const std::vector<std::uint8_t> counters{3, 4, 9, 9};  // a gap, and a duplicate
  std::vector<std::uint8_t> out;
  for (int loop = 0; loop < 2; ++loop) {
    for (const auto cc : counters) {
      auto p = test::packet(0x100, cc);
      rewriter.rewrite(p);
      out.push_back(p[3] & 0x0F);
    }
    rewriter.next_loop(300);
  }
  EXPECT_EQ(out, (std::vector<std::uint8_t>{3, 4, 9, 9, 10, 11, 0, 0}));
}

TEST(Pacer, PlaysCapturesInALoopWithoutNewErrors) {
  for (const char* name :
       {"h264-bframes-pcr-wrap.ts", "mpts-dvbt-it-8prog.ts", "sintel-cea608.ts", "sd-h264i-bars-aacx2.ts"}) {
    const auto bytes = test::capture(name);
    if (!bytes) GTEST_SKIP() << "HEADGATE_STREAMS names no captures";
    SCOPED_TRACE(name);
    const auto f = test::split(*bytes);
    const auto once = report(play(f, 1));
    const auto thrice = report(play(f, 3));
    EXPECT_EQ(thrice.cc_errors, 3 * once.cc_errors);
    for (std::size_t i = 0; i < once.pids.size(); ++i) {
      if (!once.pids[i].pcr || !thrice.pids[i].pcr) continue;
      EXPECT_EQ(thrice.pids[i].pcr->discontinuities, 3 * once.pids[i].pcr->discontinuities)
          << once.pids[i].pid.value;
    }
    nanoseconds last{-1};
    for (const auto& p : play(f, 3).packets) {
      ASSERT_GE(p.departure, last);
      last = p.departure;
    }
  }
}

}  // namespace
}  // namespace headgate::mpegts
