#include "mpegts/mux/multiplexer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "mpegts/monitor/stream_analyzer.h"
#include "mpegts/psi/section_edit.h"
#include "multiplex_support.h"
#include "tests/support/allocation_count.h"

namespace headgate::mpegts {
namespace {

using test::kMuxSecond;
using test::MuxRig;
using test::MuxSource;
using test::view;

MuxSource source(const std::string& name, double ppm = 0) {
  MuxSource s;
  s.name = name;
  s.ppm = ppm;
  s.first_pcr = std::int64_t{27'000'000} * 100;
  return s;
}

StreamReport report(const MuxRig& rig, std::size_t from = 0) {
  StreamAnalyzer analyzer;
  for (std::size_t i = from; i < rig.out.size(); ++i) analyzer.on_packet(view(rig.out[i]));
  return analyzer.report();
}

TEST(Multiplexer, PutsProgramsThatUseTheSamePidsSideBySide) {
  MuxRig rig(12'000'000);
  rig.add(source("One"), 101, 0);
  rig.add(source("Two"), 102, 1);
  rig.add(source("Three"), 7, 5);
  rig.run(3);
  const auto r = report(rig);
  ASSERT_EQ(r.services.size(), 3U);
  EXPECT_EQ(r.transport_stream_id, 5);
  EXPECT_EQ(r.original_network_id, 0x20FA);
  EXPECT_EQ(r.services[0].program_number, 7);
  EXPECT_EQ(r.services[0].name, "Three");
  EXPECT_EQ(r.services[0].pmt_pid, Pid{0x380});
  EXPECT_EQ(r.services[1].name, "One");
  EXPECT_EQ(r.services[1].provider, "Maker");
  EXPECT_EQ(r.services[1].service_type, 0x19);
  EXPECT_EQ(r.services[1].pcr_pid, Pid{0x102});
  ASSERT_EQ(r.services[1].streams.size(), 2U);
  EXPECT_EQ(r.services[1].streams[0].pid, Pid{0x102});
  EXPECT_EQ(r.services[1].streams[1].language, "eng");
  EXPECT_TRUE(r.services[1].streams[1].present);
  EXPECT_EQ(r.services[2].pmt_pid, Pid{0x180});
  EXPECT_EQ(r.cc_errors, 0U);
  EXPECT_EQ(r.crc_errors, 0U);
  for (const auto& info : kIndicators) {
    // The pictures here have no PTS, the services no events.
    if (info.indicator == Indicator::pts_error || info.indicator == Indicator::eit_actual_error) continue;
    EXPECT_EQ(r.tr101290[info.indicator], 0U) << info.name;
  }
  for (const auto& entry : rig.entries) EXPECT_EQ(entry->member->counters().all_dropped(), 0U);
}

TEST(Multiplexer, FillsToItsRateByTheNodesClock) {
  MuxRig rig(12'000'000);
  rig.add(source("Fast", 50), 1, 0);
  rig.add(source("Slow", -50), 2, 1);
  rig.run(120);
  const double datagram_ns = 7 * 188 * 8 / 12e6 * 1e9;
  ASSERT_GT(rig.departures.size(), 1000U);
  for (std::size_t i = 1; i < rig.departures.size(); ++i) {
    const auto at = static_cast<double>(rig.departures[i] - rig.departures[0]);
    ASSERT_LT(std::abs(at - datagram_ns * static_cast<double>(i)), 100) << i;
  }
}

// Each program's PCRs on a line over the positions, which turns to its clock's rate so slowly that it is
// straight over ten seconds (ProgramClock).
TEST(Multiplexer, KeepsTheClockOfEachProgram) {
  MuxRig rig(12'000'000);
  rig.add(source("Fast", 30), 1, 0);
  rig.add(source("Slow", -30), 2, 1);
  rig.add(source("Wrap"), 3, 2).source.first_pcr =
      static_cast<std::int64_t>(kPcrModulus) - std::int64_t{27'000'000} * 60;
  rig.run(600);
  constexpr auto kModulus = static_cast<std::int64_t>(kPcrModulus);
  const std::map<std::uint16_t, double> clocks{{0x102, 30}, {0x182, -30}, {0x202, 0}};
  for (const auto& [pid, ppm] : clocks) {
    // Position and PCR, in ticks, since the first of a window.
    std::vector<std::pair<double, double>> window;
    std::int64_t last = -1, unrolled = 0;
    std::size_t first_at = 0, last_at = 0;
    double worst = 0, slope = 0;
    for (std::size_t i = rig.out.size() / 2; i < rig.out.size(); ++i) {
      const TsPacket p = view(rig.out[i]);
      if (p.pid().value != pid || !p.has_pcr()) continue;
      const auto pcr = static_cast<std::int64_t>(p.pcr()->ticks);
      EXPECT_FALSE(p.discontinuity());
      if (window.empty()) {
        unrolled = 0;
        first_at = i;
      } else {
        unrolled += (pcr - last + kModulus) % kModulus;
        EXPECT_LE(static_cast<double>(i - last_at) * 188 * 8 / 12e6, 0.0355);
      }
      window.emplace_back(static_cast<double>(i - first_at) * 188 * 8 / 12e6 * 27e6,
                          static_cast<double>(unrolled));
      last = pcr;
      last_at = i;
      if (window.back().first < 270e6) continue;
      slope = window.back().second / window.back().first;
      for (const auto& [at, ticks] : window) worst = std::max(worst, std::abs(ticks - at * slope));
      window.clear();
    }
    const double turned = (slope - 1) * 1e6;  // by now
    EXPECT_GT(turned / (ppm == 0 ? 1 : ppm), ppm == 0 ? -0.01 : 0.1) << pid;
    EXPECT_LT(turned / (ppm == 0 ? 1 : ppm), ppm == 0 ? 0.01 : 1.02) << pid;
    EXPECT_LT(worst, 10) << pid;  // 370 ns
  }
}

TEST(Multiplexer, RepeatsItsTablesInTime) {
  MuxRig rig(6'000'000);
  rig.add(source("One"), 1, 0).source.eit = true;
  rig.add(source("Two"), 2, 1);
  rig.run(40);
  struct Limit {
    std::uint16_t pid;
    std::uint8_t table;
    double at_most_ms;
  };
  for (const Limit limit : {Limit{0, 0, 100},
                            {0x100, 2, 100},
                            {0x180, 2, 100},
                            {0x11, 0x42, 2000},
                            {0x10, 0x40, 10'000},
                            {0x14, 0x70, 30'000}}) {
    std::int64_t before = 0;
    int count = 0;
    for (const auto& s : rig.sections(limit.pid)) {
      if (s.bytes[0] != limit.table) continue;
      if (++count > 1) {
        EXPECT_LE(static_cast<double>(s.ns - before) / 1e6, limit.at_most_ms) << limit.pid;
        EXPECT_GE(s.ns - before, 24'000'000) << limit.pid;
      }
      before = s.ns;
    }
    EXPECT_GE(count, static_cast<int>(39'000 / limit.at_most_ms)) << limit.pid;
  }
}

TEST(Multiplexer, TellsTheNetworkItsServicesAndTheirNumbers) {
  MuxRig rig(6'000'000);
  rig.add(source("One"), 1000, 0).place.number = 12;
  rig.add(source("Two"), 2000, 1).place.number.reset();
  rig.adopt();
  rig.run(6);
  const auto nits = rig.sections(0x10);
  ASSERT_FALSE(nits.empty());
  const auto nit = Nit::parse(nits.back().bytes);
  ASSERT_TRUE(nit);
  EXPECT_EQ(nit->id, 0x3001);
  EXPECT_EQ(nit->name(), "Net");
  ASSERT_EQ(nit->streams.size(), 1U);
  EXPECT_EQ(nit->streams[0].transport_stream_id, 5);
  EXPECT_EQ(nit->streams[0].original_network_id, 0x20FA);
  // service_list, private_data_specifier of EACEM, logical_channel with visible_service_flag.
  const std::vector<std::uint8_t> expected{0x41, 6,    0x03, 0xE8, 0x19, 0x07, 0xD0, 0x19, 0x5F, 4,
                                           0x00, 0x00, 0x00, 0x28, 0x83, 4,    0x03, 0xE8, 0xFC, 12};
  EXPECT_EQ(nit->streams[0].descriptors.bytes, expected);

  MuxRig without(6'000'000, {5, 1, 1, "", false});
  without.add(source("One"), 1000, 0);
  without.run(6);
  const auto plain = Nit::parse(without.sections(0x10).back().bytes);
  ASSERT_TRUE(plain);
  EXPECT_FALSE(plain->streams[0].descriptors.find(0x83));
  EXPECT_FALSE(plain->streams[0].descriptors.find(0x5F));
}

TEST(Multiplexer, KeepsWhatTheSdtSaysButForItsName) {
  MuxRig rig(6'000'000);
  rig.add(source("Kept"), 1, 0);
  auto& renamed = rig.add(source("Old"), 2, 1);
  renamed.place.name = "Neu";
  rig.adopt();
  rig.run(2);
  const auto sdt = Sdt::parse(rig.sections(0x11).back().bytes);
  ASSERT_TRUE(sdt);
  ASSERT_EQ(sdt->services.size(), 2U);
  EXPECT_EQ(sdt->transport_stream_id, 5);
  EXPECT_EQ(sdt->original_network_id, 0x20FA);
  const auto original = Sdt::parse(rig.entries[0]->source.sdt_section());
  EXPECT_EQ(sdt->services[0].descriptors, original->services[0].descriptors);
  EXPECT_EQ(sdt->services[1].name(), "Neu");
  EXPECT_EQ(sdt->services[1].provider(), "Maker");
  const auto kept = sdt->services[1].descriptors.find(0x7E);
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->size(), 3U);
}

TEST(Multiplexer, MergesTheEventsOfItsMembersUnderTheirNewNames) {
  MuxRig rig(6'000'000);
  rig.add(source("One"), 11, 0).source.eit = true;
  rig.add(source("Two"), 12, 1).source.eit = true;
  rig.run(5);
  std::map<std::tuple<int, int, int>, std::int64_t> before;
  std::map<std::pair<int, int>, std::int64_t> table_before;
  std::set<std::pair<int, int>> kinds;
  for (const auto& s : rig.sections(0x12)) {
    const auto h = eit_header(s.bytes);
    ASSERT_TRUE(h);
    EXPECT_EQ(h->transport_stream_id, 5);
    EXPECT_EQ(h->original_network_id, 0x20FA);
    EXPECT_EQ(h->version, 3);
    kinds.insert({h->service_id, h->table_id});
    const auto table = table_before.try_emplace({h->service_id, h->table_id}, s.ns - kMuxSecond);
    EXPECT_GE(s.ns - table.first->second, 24'000'000);
    table.first->second = s.ns;
    const auto [at, fresh] = before.try_emplace({h->service_id, h->table_id, h->section_number}, s.ns);
    if (!fresh) {
      EXPECT_NEAR(static_cast<double>(s.ns - at->second) / 1e9, 1, 0.1);
    }
    at->second = s.ns;
  }
  const std::set<std::pair<int, int>> expected{{11, 0x4E}, {11, 0x50}, {12, 0x4E}, {12, 0x50}};
  EXPECT_EQ(kinds, expected);
  const auto sdt = Sdt::parse(rig.sections(0x11).back().bytes);
  EXPECT_EQ(sdt->services[0].flags, 3);
  EXPECT_EQ(rig.gaps().count(0x12), 0U);
}

TEST(Multiplexer, SaysTheTimeOfItsNode) {
  MuxRig rig(6'000'000);
  rig.add(source("One"), 1, 0);
  rig.run(25);
  const auto times = rig.sections(0x14);
  ASSERT_EQ(times.size(), 3U);
  for (const auto& s : times) {
    const auto tdt = Tdt::parse(s.bytes);
    ASSERT_TRUE(tdt);
    EXPECT_NEAR(static_cast<double>(tdt->unix_s), 1.7e9 + static_cast<double>(s.ns) / 1e9, 1.1);
  }
  // A source's offsets of local time go on, its time does not.
  Tot tot{12345, {{0x58, 2, 7, 7}}};
  rig.section(*rig.entries[0], 0x14, tot.to_section());
  rig.run(20);
  const auto later = Tot::parse(rig.sections(0x14).back().bytes);
  ASSERT_TRUE(later);
  EXPECT_EQ(later->descriptors, tot.descriptors);
  EXPECT_GT(later->unix_s, 1'700'000'000);
}

TEST(Multiplexer, RaisesAVersionWhereAndOnlyWhereContentChanges) {
  MuxRig rig(6'000'000);
  rig.add(source("One"), 1, 0);
  rig.add(source("Two"), 2, 1);
  rig.run(3);
  const auto version = [&](std::uint16_t pid) { return section_version(rig.sections(pid).back().bytes); };
  const auto pat = version(0), one = version(0x100), two = version(0x180), sdt = version(0x11),
             nit = version(0x10);
  rig.entries[0]->source.pmt.version = 9;  // of the source, which is no change of ours
  rig.run(6);
  EXPECT_EQ(version(0x100), one);
  rig.entries[0]->source.pmt.streams.push_back(test::sound(0x300, "fra"));
  rig.run(6);
  EXPECT_EQ(version(0x100), (one + 1) & 31);
  EXPECT_EQ(version(0x180), two);
  EXPECT_EQ(version(0), pat);
  EXPECT_EQ(version(0x11), sdt);
  rig.entries[0]->source.name = "Renamed";
  rig.run(6);
  EXPECT_EQ(version(0x11), (sdt + 1) & 31);
  EXPECT_EQ(version(0x10), nit);
  rig.add(source("Three"), 3, 2);
  rig.run(6);
  EXPECT_EQ(version(0), (pat + 1) & 31);
  EXPECT_EQ(version(0x180), two);
}

TEST(Multiplexer, BeginsItsVersionsByTheClock) {
  MuxRig rig(6'000'000);
  rig.now = 5 * kMuxSecond;
  rig.add(source("One"), 1, 0);
  rig.run(1);
  const int expected = (1'700'000'000 + 5) & 31;
  for (const std::uint16_t pid :
       {std::uint16_t{0}, std::uint16_t{0x10}, std::uint16_t{0x11}, std::uint16_t{0x100}})
    EXPECT_EQ(section_version(rig.sections(pid).front().bytes), expected) << pid;
}

TEST(Multiplexer, MovesNoTrackWhereThePmtChanges) {
  MuxRig rig(6'000'000);
  auto& entry = rig.add(source("One"), 1, 0);
  rig.run(2);
  const auto before = rig.last_pmt(0x100);
  ASSERT_TRUE(before);
  const std::size_t from = rig.out.size();
  entry.source.pmt.streams.insert(entry.source.pmt.streams.begin() + 1, test::sound(0x300, "deu"));
  rig.run(2);
  const auto after = rig.last_pmt(0x100);
  ASSERT_TRUE(after);
  ASSERT_EQ(after->streams.size(), 3U);
  EXPECT_EQ(after->streams[0].pid, before->streams[0].pid);
  EXPECT_EQ(after->streams[2].pid, before->streams[1].pid);
  EXPECT_GT(rig.count(after->streams[1].pid.value, from), 100U);
  EXPECT_TRUE(rig.gaps().empty());
}

TEST(Multiplexer, FollowsASourceThatMovesItsPids) {
  MuxRig rig(6'000'000);
  auto& entry = rig.add(source("One"), 1, 0);
  rig.run(2);
  const auto before = rig.last_pmt(0x100);
  entry.source.pmt_pid = Pid{0x55};
  entry.source.pmt.program_number = 42;
  entry.source.pmt.pcr_pid = entry.source.pmt.streams[0].pid = Pid{0x900};
  entry.source.pmt.streams[1].pid = Pid{0x901};
  rig.run(2);
  const auto after = rig.last_pmt(0x100);
  ASSERT_TRUE(after);
  Pmt same = *after;
  same.version = before->version;
  EXPECT_EQ(same, *before);
  EXPECT_EQ(after->version, before->version);
  EXPECT_TRUE(rig.gaps().empty());
}

TEST(Multiplexer, MapsTheEcmPidsOfAScrambledService) {
  MuxRig rig(6'000'000);
  MuxSource scrambled = source("One");
  scrambled.pmt.descriptors.bytes = {0x09, 4, 0x05, 0x00, 0xE7, 0x00};
  auto& entry = rig.add(std::move(scrambled), 1, 0);
  rig.run(1);
  for (std::uint8_t i = 0; i < 20; ++i) rig.give(entry, test::packet(0x700, i, true));
  rig.run(1);
  const auto pmt = rig.last_pmt(0x100);
  ASSERT_TRUE(pmt);
  const auto ca = pmt->descriptors.find(0x09);
  ASSERT_TRUE(ca);
  const auto pid = static_cast<std::uint16_t>(((*ca)[2] & 0x1F) << 8 | (*ca)[3]);
  EXPECT_NE(pid, 0x700);
  EXPECT_EQ(rig.count(pid), 20U);
  EXPECT_TRUE(Sdt::parse(rig.sections(0x11).back().bytes)->services[0].free_ca_mode);
}

TEST(Multiplexer, LosesNothingOfTheOthersWhereMembersComeAndGo) {
  MuxRig rig(12'000'000);
  rig.add(source("One"), 1, 0);
  auto& two = rig.add(source("Two"), 2, 1);
  rig.run(3);
  const std::size_t from = rig.out.size();
  two.sends = false;
  rig.run(4);
  two.sends = true;
  two.source.counters[0x100] = static_cast<std::uint8_t>(two.source.counters[0x100] + 5);  // began anew
  rig.run(2);
  rig.add(source("Three"), 3, 2);
  rig.run(2);
  rig.remove(1);
  rig.run(2);
  EXPECT_TRUE(rig.gaps(from).empty());
  EXPECT_EQ(rig.entries[0]->member->counters().all_dropped(), 0U);
  EXPECT_EQ(rig.entries[0]->member->counters().came,
            rig.entries[0]->member->counters().sent + rig.entries[0]->member->lane().size());
  const auto r = report(rig, from);
  EXPECT_EQ(r.cc_errors, 0U);
  for (const auto& pid : r.pids) {
    if (pid.pid == Pid{0x102}) {
      EXPECT_EQ(pid.pcr->discontinuities + pid.pcr->signalled_discontinuities, 0U);
      EXPECT_LT(pid.pcr->interval_max_ms, 35.5);
    }
  }
  const auto pat = Pat::parse(rig.sections(0).back().bytes);
  const std::vector<PatEntry> expected{{0, kNitPid}, {1, Pid{0x100}}, {3, Pid{0x200}}};
  EXPECT_EQ(pat->entries, expected);
}

TEST(Multiplexer, KeepsTheGapsOfASourceAndMakesNone) {
  MuxRig rig(6'000'000);
  auto& entry = rig.add(source("One"), 1, 0);
  rig.run(2);
  entry.source.counters[0x100] = static_cast<std::uint8_t>(entry.source.counters[0x100] + 3);
  rig.run(2);
  const auto gaps = rig.gaps();
  ASSERT_EQ(gaps.size(), 1U);
  EXPECT_EQ(gaps.begin()->first, 0x102);
  EXPECT_EQ(gaps.begin()->second, 1);
}

TEST(Multiplexer, LetsWhoIsOverHisShareLoseNotTheOthers) {
  MuxRig rig(6'000'000);
  MuxSource greedy = source("Greedy");
  greedy.gap_ns = 150'000;  // 11 Mb/s
  auto& over = rig.add(std::move(greedy), 2, 1);
  auto& modest = rig.add(source("Modest"), 1, 0);  // 1.7 Mb/s
  rig.run(20);
  EXPECT_EQ(modest.member->counters().all_dropped(), 0U);
  EXPECT_GT(over.member->counters().all_dropped(), 1000U);
  EXPECT_EQ(over.member->counters().dropped[static_cast<std::size_t>(DropRank::tables)], 0U);
  const auto gaps = rig.gaps();
  EXPECT_FALSE(gaps.contains(0x102));
  EXPECT_TRUE(gaps.contains(0x182));
  EXPECT_FALSE(gaps.contains(0));
  // Nor does it wait: its PCRs lie as evenly as alone.
  EXPECT_LE(modest.member->lane().size(), 8U);
  // The rest of the rate is his who asks for more.
  std::size_t nulls = 0;
  for (std::size_t i = rig.out.size() / 2; i < rig.out.size(); ++i)
    nulls += view(rig.out[i]).pid() == kNullPid ? 1 : 0;
  EXPECT_LT(nulls, rig.out.size() / 1000);
}

TEST(Multiplexer, GivesSharesThatAreNamed) {
  MuxRig rig(6'000'000);
  for (const auto id : {std::uint16_t{1}, std::uint16_t{2}}) {
    MuxSource greedy = source("Greedy");
    greedy.gap_ns = 200'000;  // 8 Mb/s
    auto& entry = rig.add(std::move(greedy), id, id);
    entry.place.share_bps = id == 1 ? 4'000'000 : 2'000'000;
  }
  rig.adopt();
  rig.run(20);
  const double one = static_cast<double>(rig.entries[0]->member->counters().sent);
  const double two = static_cast<double>(rig.entries[1]->member->counters().sent);
  EXPECT_NEAR(one / two, 2, 0.05);
}

TEST(Multiplexer, SendsTablesAndNullsWithoutAnySource) {
  MuxRig rig(2'000'000);
  rig.run(5);
  EXPECT_NEAR(static_cast<double>(rig.out.size()) * 188 * 8 / 5, 2e6, 2e4);
  EXPECT_FALSE(rig.sections(0).empty());
  rig.add(source("Late"), 1, 0);
  rig.run(2);
  EXPECT_EQ(report(rig, rig.out.size() / 2).services.size(), 1U);
}

TEST(Multiplexer, AllocatesNothingWhileTablesStay) {
  MuxRig rig(6'000'000);
  auto& entry = rig.add(source("One"), 1, 0);
  rig.run(11);
  Multiplexer::Datagram datagram;
  test::Packet packet = test::packet(0x100, 0);
  const auto before = headgate::test::allocations();
  for (int i = 0; i < 2000; ++i) {
    const std::int64_t at = rig.mux.next_departure_ns();
    packet[3] = static_cast<std::uint8_t>(0x10 | (i & 15));
    rig.mux.on_packet(*entry.member, view(packet), at - 1);
    ASSERT_TRUE(rig.mux.pop(at, at, datagram));
  }
  EXPECT_EQ(headgate::test::allocations(), before);
}

}  // namespace
}  // namespace headgate::mpegts
