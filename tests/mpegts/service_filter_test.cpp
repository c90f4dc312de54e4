#include "mpegts/remux/service_filter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "filter_rig.h"
#include "mpegts/monitor/stream_analyzer.h"
#include "mpegts/psi/section.h"
#include "mpegts/psi/tables.h"
#include "mpegts/si/sdt.h"
#include "tests/support/allocation_count.h"
#include "ts_builder.h"

namespace headgate::mpegts {
namespace {

using test::eit;
using test::pat;
using test::pmt_of;
using test::service;
using Rig = test::FilterRig;
using Verdict = ServiceFilter::Verdict;

TEST(ServiceFilter, PassesOneServiceAndItsEcmAndPcrPids) {
  Rig rig{{std::uint16_t{2}}};
  EXPECT_EQ(rig.filter.state(), ServiceFilter::State::waiting_for_pat);
  EXPECT_EQ(rig.section(0, pat({{0, kNitPid}, {1, Pid{0x100}}, {2, Pid{0x200}}})), Verdict::replace);
  EXPECT_EQ(rig.filter.state(), ServiceFilter::State::waiting_for_pmt);
  EXPECT_EQ(rig.section(0x100, pmt_of(1, 0x110).to_section()), Verdict::drop);
  EXPECT_EQ(rig.section(0x200, pmt_of(2, 0x210).to_section()), Verdict::replace);
  EXPECT_EQ(rig.filter.state(), ServiceFilter::State::running);
  EXPECT_EQ(rig.filter.pcr_pid(), Pid{0x219});
  EXPECT_EQ(rig.filter.program_number(), 2);
  for (const int pid : {0x210, 0x211, 0x219, 0x700, 0x701, 0x14})
    EXPECT_EQ(rig.es(pid), Verdict::pass) << pid;
  for (const int pid : {0x110, 0x111, 0x119, 0x01, 0x10, 0x12, 0x1FFF})
    EXPECT_EQ(rig.es(pid), Verdict::drop) << pid;
  const auto r = rig.report();
  ASSERT_EQ(r.services.size(), 1U);
  EXPECT_EQ(r.services[0].program_number, 2);
  EXPECT_EQ(r.services[0].pmt_pid, Pid{0x200});
  EXPECT_EQ(r.transport_stream_id, 9);
}

// Times at which a table left, by PID and table_id.
struct Times {
  std::map<std::pair<int, int>, std::vector<std::int64_t>> sent;
  void note(std::span<const std::uint8_t> packets, std::int64_t now_ns) {
    for (; packets.size() >= kPacketSize; packets = packets.subspan(kPacketSize)) {
      const TsPacket packet{packets.first<kPacketSize>()};
      const auto payload = packet.payload();
      if (packet.payload_unit_start()) sent[{packet.pid().value, payload[1]}].push_back(now_ns);
    }
  }
};

TEST(ServiceFilter, RepeatsItsTablesAtIntervalsOfItsOwn) {
  Sdt sdt;
  sdt.services = {service(1, "One"), service(2, "Two")};
  // The input's own tables: every 20 ms, and once in 5 s (what is allowed to nobody).
  for (const int tables_every_ms : {20, 5000}) {
    SCOPED_TRACE(tables_every_ms);
    Rig rig{{std::uint16_t{1}}};
    Times times;
    for (int ms = 0; ms < 10'000; ++ms) {
      rig.now_ns = ms * std::int64_t{1'000'000};
      rig.out.clear();
      if (ms % tables_every_ms == 0) {
        rig.section(0, pat({{1, Pid{0x100}}, {2, Pid{0x200}}}));
        rig.section(0x100, pmt_of(1, 0x110).to_section());
        rig.section(0x11, sdt.to_section());
      }
      rig.es(ms % 2 == 0 ? 0x110 : 0x210);  // another service's packets let them out, too
      times.note(rig.out, rig.now_ns);
    }
    const std::pair<std::pair<int, int>, std::int64_t> limits[] = {
        {{0x00, 0x00}, 100}, {{0x100, 0x02}, 100}, {{0x11, 0x42}, 2000}};
    for (const auto& limit : limits) {
      const auto& at = times.sent[limit.first];
      ASSERT_GE(at.size(), 2U);
      std::int64_t longest = at.front() - 0, shortest = INT64_MAX;
      for (std::size_t i = 1; i < at.size(); ++i) {
        longest = std::max(longest, at[i] - at[i - 1]);
        shortest = std::min(shortest, at[i] - at[i - 1]);
      }
      EXPECT_LE(longest, limit.second * 1'000'000) << limit.first.second;
      EXPECT_GE(shortest, 25'000'000) << limit.first.second;
    }
    EXPECT_NEAR(static_cast<double>(times.sent[{0, 0}].size()), 10'000 / 90.0, 2)
        << "whatever the input does";
  }
}

TEST(ServiceFilter, CountsItsTablesOn) {
  Rig rig{{std::uint16_t{1}}};
  rig.step_ns = 30'000'000;
  for (int i = 0; i < 200; ++i) {
    rig.section(0, pat({{1, Pid{0x100}}, {2, Pid{0x200}}}));
    rig.section(0x100, pmt_of(1, 0x110).to_section());
    rig.es(0x110);
  }
  const auto r = rig.report();
  EXPECT_EQ(r.cc_errors, 0U);
  EXPECT_EQ(r.duplicates, 0U);
  EXPECT_EQ(r.crc_errors, 0U);
}

TEST(ServiceFilter, ANewTableLeavesAtOnceButNotWithin25Ms) {
  Rig rig{{std::uint16_t{1}}};
  const auto tables = [&](int ms) {
    rig.now_ns = ms * std::int64_t{1'000'000};
    rig.out.clear();
    rig.es(0x210);
    return rig.out.size() / kPacketSize;
  };
  rig.section(0, pat({{1, Pid{0x100}}}, 4));
  rig.section(0x100, pmt_of(1, 0x110, 9).to_section());
  EXPECT_EQ(tables(10), 0U);
  rig.section(0x100, pmt_of(1, 0x110, 10).to_section());  // says nothing new: its version stays
  EXPECT_EQ(tables(30), 0U);
  rig.section(0x100, pmt_of(1, 0x150, 11).to_section());
  ASSERT_EQ(rig.out.size(), kPacketSize) << "25 ms have gone by";
  EXPECT_EQ(rig.out[10] >> 1 & 0x1F, 10) << "one more than the 9 it began with";
  rig.section(0x100, pmt_of(1, 0x160, 12).to_section());
  EXPECT_EQ(tables(54), 0U);
  EXPECT_EQ(tables(55), 1U);
  EXPECT_EQ(rig.out[10] >> 1 & 0x1F, 11);
}

TEST(ServiceFilter, PassesThePcrOnThePmtsOwnPid) {
  Rig rig{{std::uint16_t{1}}};
  Pmt pmt = pmt_of(1, 0x110);
  pmt.pcr_pid = Pid{0x100};
  rig.section(0, pat({{1, Pid{0x100}}}));
  EXPECT_EQ(rig.section(0x100, pmt.to_section()), Verdict::pass);
  EXPECT_EQ(rig.feed(test::pcr_packet(0x100, 1, 27'000'000)), Verdict::pass);
}

TEST(ServiceFilter, PassesEitOfItsServiceOnly) {
  Rig rig{{std::uint16_t{2}}};
  EXPECT_EQ(rig.section(0x12, eit(0x4E, 2)), Verdict::drop) << "nothing before the PMT";
  rig.section(0, pat({{1, Pid{0x100}}, {2, Pid{0x200}}}));
  rig.section(0x200, pmt_of(2, 0x210).to_section());
  rig.out.clear();
  // Sections of both services in the same packets, of up to the 4096 bytes that a section may have.
  std::vector<std::uint8_t> wanted, all;
  for (const std::uint8_t table : std::initializer_list<std::uint8_t>{0x4E, 0x4F, 0x50, 0x5F, 0x60}) {
    for (const std::uint16_t number : std::initializer_list<std::uint16_t>{1, 2}) {
      for (const std::size_t size : {0, 30, 1000, 4096 - 18}) {
        const auto section = eit(table, number, size);
        all.insert(all.end(), section.begin(), section.end());
        if (number == 2 && table != 0x4F && table != 0x60)
          wanted.insert(wanted.end(), section.begin(), section.end());
      }
    }
  }
  // Packed one behind the other, each packet beginning with what is left of the section before.
  std::vector<std::size_t> starts{0};
  for (std::size_t at = 0; at < all.size();) {
    at += std::size_t{3} + ((all[at + 1] & 0x0FU) << 8 | all[at + 2]);
    starts.push_back(at);
  }
  for (std::size_t at = 0; at < all.size();) {
    auto packet = test::packet(0x12, rig.cc[0x12]++, false, 0xFF);
    const auto next = *std::lower_bound(starts.begin(), starts.end(), at);
    const bool begins = next < at + 183 && next < all.size();
    std::size_t to = 4;
    if (begins) {
      packet[1] |= 0x40;
      packet[to++] = static_cast<std::uint8_t>(next - at);
    }
    const std::size_t count = std::min(all.size() - at, kPacketSize - to);
    std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(at), count,
                packet.begin() + static_cast<std::ptrdiff_t>(to));
    at += count;
    rig.feed(packet);
  }
  struct Sink final : SectionSink {
    std::vector<std::uint8_t> bytes;
    int errors = 0;
    void on_section(Pid, std::span<const std::uint8_t> s) noexcept override {
      bytes.insert(bytes.end(), s.begin(), s.end());
    }
    void on_crc_error(Pid) noexcept override { ++errors; }
  } sink;
  SectionAssembler assembler{kEitPid};
  for (const auto& packet : test::split(rig.out)) assembler.on_packet(test::view(packet), sink);
  EXPECT_EQ(sink.bytes, wanted) << "byte for byte, in order";
  EXPECT_EQ(sink.errors, 0);
  EXPECT_EQ(rig.report().cc_errors, 0U);
}

TEST(ServiceFilter, FindsTheProgramInAnySectionOfThePat) {
  Rig rig{{std::uint16_t{300}}};
  std::vector<PatEntry> first;
  for (std::uint16_t i = 1; i <= 200; ++i) first.push_back({i, Pid{static_cast<std::uint16_t>(0x400 + i)}});
  for (std::size_t round = 0; round < 3; ++round) {
    rig.now_ns += ServiceFilter::kTablesEveryNs;
    rig.section(0, pat(first, 4, 0, 1));
    EXPECT_EQ(rig.out.size() / kPacketSize, round == 0 ? 0 : round + 1) << "it leaves with any packet";
    rig.section(0, pat({{300, Pid{0x300}}}, 4, 1, 1));
  }
  const auto r = rig.report();
  EXPECT_EQ(r.packets, 3U);
  ASSERT_EQ(r.services.size(), 1U);
  EXPECT_EQ(r.services[0].pmt_pid, Pid{0x300});
}

TEST(ServiceFilter, FollowsPmtAndPatChanges) {
  Rig rig{{std::uint16_t{1}}};
  rig.section(0, pat({{1, Pid{0x100}}}, 0));
  rig.section(0x100, pmt_of(1, 0x110, 0).to_section());
  EXPECT_EQ(rig.es(0x110), Verdict::pass);
  rig.section(0x100, pmt_of(1, 0x150, 1).to_section());
  EXPECT_EQ(rig.es(0x110), Verdict::drop);
  EXPECT_EQ(rig.es(0x150), Verdict::pass);
  // The PMT moves: the streams go on until the new one has come.
  rig.section(0, pat({{1, Pid{0x180}}}, 1));
  EXPECT_EQ(rig.es(0x150), Verdict::pass);
  EXPECT_EQ(rig.section(0x100, pmt_of(1, 0x110, 2).to_section()), Verdict::drop);
  rig.now_ns += ServiceFilter::kSectionGapNs;
  EXPECT_EQ(rig.section(0x180, pmt_of(1, 0x190, 2).to_section()), Verdict::replace);
  EXPECT_EQ(rig.report().services.at(0).pmt_pid, Pid{0x180});
  EXPECT_EQ(rig.es(0x190), Verdict::pass);
  EXPECT_EQ(rig.es(0x150), Verdict::drop);
  // And the program goes, and comes back.
  EXPECT_EQ(rig.section(0, pat({{5, Pid{0x500}}}, 2)), Verdict::drop);
  EXPECT_EQ(rig.filter.state(), ServiceFilter::State::program_not_found);
  rig.now_ns += 10 * ServiceFilter::kTablesEveryNs;
  EXPECT_EQ(rig.es(0x190), Verdict::drop) << "and no tables";
  EXPECT_EQ(rig.section(0, pat({{1, Pid{0x180}}}, 3)), Verdict::replace);
  rig.section(0x180, pmt_of(1, 0x190, 2).to_section());
  EXPECT_EQ(rig.es(0x190), Verdict::pass);
}

TEST(ServiceFilter, ItsPatVersionChangesOnlyWithItsContent) {
  Rig rig{{std::uint16_t{1}}};
  rig.step_ns = ServiceFilter::kTablesEveryNs;
  const auto version = [&] { return rig.out[rig.out.size() - kPacketSize + 10] >> 1 & 0x1F; };
  EXPECT_EQ(rig.section(0, pat({{1, Pid{0x100}}, {2, Pid{0x200}}}, 6)), Verdict::replace);
  EXPECT_EQ(version(), 6);
  EXPECT_EQ(rig.section(0, pat({{1, Pid{0x100}}}, 7)), Verdict::replace);  // another program went
  EXPECT_EQ(version(), 6);
  EXPECT_EQ(rig.section(0, pat({{1, Pid{0x101}}}, 8)), Verdict::replace);
  EXPECT_EQ(version(), 7);
}

TEST(ServiceFilter, IgnoresTablesThatApplyLater) {
  Rig rig{{std::uint16_t{1}}};
  Pat next{9, 1, false, 0, 0, {{1, Pid{0x100}}}};
  EXPECT_EQ(rig.section(0, next.to_section()), Verdict::drop);
  EXPECT_EQ(rig.filter.state(), ServiceFilter::State::waiting_for_pat);
}

TEST(ServiceFilter, TakesItsOwnSectionOutOfASharedPmtPid) {
  Rig rig{{std::uint16_t{2}}};
  rig.section(0, pat({{1, Pid{0x100}}, {2, Pid{0x100}}}));
  for (int i = 0; i < 20; ++i) {
    rig.section(0x100, pmt_of(1, 0x110).to_section());
    rig.section(0x100, pmt_of(2, 0x210).to_section());
    rig.now_ns += ServiceFilter::kTablesEveryNs;
  }
  rig.now_ns -= ServiceFilter::kTablesEveryNs;
  EXPECT_EQ(rig.es(0x210), Verdict::pass);
  EXPECT_EQ(rig.es(0x110), Verdict::drop);
  const auto r = rig.report();
  EXPECT_EQ(r.cc_errors, 0U);
  ASSERT_EQ(r.services.size(), 1U);
  EXPECT_EQ(r.services[0].program_number, 2);
  for (const auto& table : r.tables) {
    if (table.table_id == 2) {
      EXPECT_EQ(table.count, 20U);
    }
  }
}

TEST(ServiceFilter, SelectsByNameAndRewritesTheSdt) {
  Rig rig{{std::string{" sport 24 "}}};
  Sdt sdt;
  sdt.transport_stream_id = 9;
  sdt.services = {service(1, "News"), service(2, "Sport 24")};
  EXPECT_EQ(rig.section(0, pat({{1, Pid{0x100}}, {2, Pid{0x200}}})), Verdict::drop);
  EXPECT_EQ(rig.section(0x11, sdt.to_section()), Verdict::drop);  // the PAT comes first in the output
  EXPECT_EQ(rig.section(0, pat({{1, Pid{0x100}}, {2, Pid{0x200}}})), Verdict::replace);
  EXPECT_EQ(rig.out.size(), 2 * kPacketSize) << "PAT and SDT";
  EXPECT_EQ(rig.filter.program_number(), 2);
  const auto r = rig.report();
  ASSERT_EQ(r.services.size(), 1U);
  EXPECT_EQ(r.services[0].name, "Sport 24");
  // The name moves to another program.
  sdt.version = 1;
  sdt.services = {service(1, "Sport 24"), service(2, "News")};
  rig.now_ns += ServiceFilter::kSectionGapNs;
  rig.section(0x11, sdt.to_section());
  EXPECT_EQ(rig.section(0, pat({{1, Pid{0x100}}, {2, Pid{0x200}}})), Verdict::replace);
  EXPECT_EQ(rig.filter.program_number(), 1);
  EXPECT_EQ(rig.section(0x100, pmt_of(1, 0x110).to_section()), Verdict::replace);
  EXPECT_EQ(rig.es(0x110), Verdict::pass);
  // And vanishes.
  sdt.version = 2;
  sdt.services = {service(2, "News")};
  rig.section(0x11, sdt.to_section());
  EXPECT_EQ(rig.filter.state(), ServiceFilter::State::program_not_found);
  EXPECT_EQ(rig.es(0x110), Verdict::drop);
}

TEST(ServiceFilter, DropsPacketsWithoutSync) {
  Rig rig{{std::uint16_t{1}}};
  auto p = test::packet(0x14, 0);
  p[0] = 0;
  EXPECT_EQ(rig.feed(p), Verdict::drop);
}

TEST(ServiceFilter, CutsEachServiceOutOfACapture) {
  const auto bytes = test::capture("mpts-dvbt-it-8prog.ts");
  if (!bytes) GTEST_SKIP() << "HEADGATE_STREAMS names no captures";
  for (const int program : {3401, 3402, 3403, 3404, 3405, 3406, 3410, 3411}) {
    Rig rig{{static_cast<std::uint16_t>(program)}};
    rig.step_ns = 60'000;  // 25 Mb/s
    for (const auto& p : test::split(*bytes)) rig.feed(p);
    const auto r = rig.report();
    ASSERT_EQ(r.services.size(), 1U) << program;
    EXPECT_EQ(r.services[0].program_number, program);
    EXPECT_TRUE(r.services[0].has_pmt);
    EXPECT_NE(r.services[0].name, "");
    EXPECT_EQ(r.cc_errors, 0U) << program;
    EXPECT_EQ(r.crc_errors, 0U) << program;
    const bool eit = std::any_of(r.tables.begin(), r.tables.end(),
                                 [](const TableInfo& t) { return t.pid == kEitPid && t.table_id == 0x4E; });
    EXPECT_EQ(eit, program != 3410) << program << ": the capture has none of that one";
  }
}

TEST(ServiceFilter, AllocatesNothingWhileTheTablesStayAsTheyAre) {
  std::vector<test::Packet> input;
  const auto add = [&](std::uint16_t pid, const std::vector<std::uint8_t>& section) {
    for (const auto& p : test::split(pack_section(Pid{pid}, section, 0))) input.push_back(p);
  };
  add(0, pat({{1, Pid{0x100}}, {2, Pid{0x100}}}));  // one PMT PID for both: the PMT is packed anew, too
  add(0x100, pmt_of(1, 0x110).to_section());
  add(0x100, pmt_of(2, 0x210).to_section());
  Sdt sdt;
  sdt.services = {service(1, "One"), service(2, "Two")};
  add(0x11, sdt.to_section());
  for (const std::uint16_t number : std::initializer_list<std::uint16_t>{1, 2})
    add(0x12, eit(0x4E, number, 100));
  for (const int pid : {0x110, 0x111, 0x119, 0x210, 0x700, 0x14, 0x1FFF})
    input.push_back(test::packet(static_cast<std::uint16_t>(pid), 0));
  ServiceFilter filter{{std::string("two")}};
  std::uint64_t passed = 0, replaced = 0;
  std::int64_t now_ns = 0;
  const auto turn = [&](int round) {
    for (auto packet : input) {
      packet[3] = static_cast<std::uint8_t>((packet[3] & 0xF0) | (round & 0x0F));
      now_ns += 10'000'000;
      const auto verdict = filter.on_packet(test::view(packet), now_ns);
      passed += verdict == Verdict::pass ? 1 : 0;
      replaced += verdict == Verdict::replace ? filter.replacement().size() / kPacketSize : 0;
    }
  };
  for (int round = 0; round < 3; ++round) turn(round);
  ASSERT_EQ(filter.state(), ServiceFilter::State::running);
  passed = replaced = 0;
  const std::uint64_t before = headgate::test::allocations();
  for (int round = 3; round < 1003; ++round) turn(round);
  EXPECT_EQ(headgate::test::allocations(), before);
  EXPECT_GT(passed, 2000U);
  // 130 s: PAT and PMT every 90 ms, SDT every second, one packet of EIT in each round.
  EXPECT_GE(replaced, 2U * 1400 + 110 + 1000);
}

}  // namespace
}  // namespace headgate::mpegts
