#include "mpegts/remux/service_filter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "mpegts/monitor/stream_analyzer.h"
#include "mpegts/psi/section.h"
#include "mpegts/psi/tables.h"
#include "mpegts/si/sdt.h"
#include "tests/support/allocation_count.h"
#include "ts_builder.h"

namespace headgate::mpegts {
namespace {

using Verdict = ServiceFilter::Verdict;

Pmt pmt_of(std::uint16_t program, std::uint16_t video, std::uint8_t version = 0) {
  Pmt pmt;
  pmt.program_number = program;
  pmt.version = version;
  pmt.pcr_pid = Pid{static_cast<std::uint16_t>(video + 9)};
  pmt.descriptors.bytes = {0x09, 4, 0x05, 0x00, 0xE7, 0x00};  // ECM PID 0x700
  pmt.streams = {{0x1B, Pid{video}, {}},
                 {0x0F, Pid{static_cast<std::uint16_t>(video + 1)}, {{0x09, 4, 0x05, 0x00, 0xE7, 0x01}}}};
  return pmt;
}

SdtService service(std::uint16_t id, const std::string& name) {
  SdtService s;
  s.service_id = id;
  s.running_status = 4;
  s.descriptors.bytes = {0x48, static_cast<std::uint8_t>(3 + name.size()), 1, 0,
                         static_cast<std::uint8_t>(name.size())};
  s.descriptors.bytes.insert(s.descriptors.bytes.end(), name.begin(), name.end());
  return s;
}

// Drives a filter, and keeps what comes out.
struct Rig {
  ServiceFilter filter;
  std::vector<std::uint8_t> out;
  std::map<std::uint16_t, std::uint8_t> cc;

  explicit Rig(ServiceSelector selector) : filter(std::move(selector)) {}
  Verdict feed(const test::Packet& packet) {
    const auto verdict = filter.on_packet(test::view(packet));
    if (verdict == Verdict::pass) out.insert(out.end(), packet.begin(), packet.end());
    if (verdict == Verdict::replace) {
      const auto bytes = filter.replacement();
      out.insert(out.end(), bytes.begin(), bytes.end());
    }
    return verdict;
  }
  Verdict section(std::uint16_t pid, const std::vector<std::uint8_t>& section) {
    Verdict last = Verdict::drop;
    for (const auto& p : test::split(pack_section(Pid{pid}, section, cc[pid]))) {
      last = feed(p);
      cc[pid] = (cc[pid] + 1) & 0x0F;
    }
    return last;
  }
  Verdict es(int pid) {
    const auto value = static_cast<std::uint16_t>(pid);
    return feed(test::packet(value, cc[value]++));
  }
  StreamReport report() const {
    StreamAnalyzer analyzer;
    for (const auto& p : test::split(out)) analyzer.on_packet(test::view(p));
    return analyzer.report();
  }
};

std::vector<std::uint8_t> pat(std::vector<PatEntry> entries, std::uint8_t version = 0,
                              std::uint8_t number = 0, std::uint8_t last = 0) {
  return Pat{9, version, true, number, last, std::move(entries)}.to_section();
}

TEST(ServiceFilter, PassesOneServiceAndItsEcmAndPcrPids) {
  Rig rig{{std::uint16_t{2}}};
  EXPECT_EQ(rig.filter.state(), ServiceFilter::State::waiting_for_pat);
  EXPECT_EQ(rig.section(0, pat({{0, kNitPid}, {1, Pid{0x100}}, {2, Pid{0x200}}})), Verdict::replace);
  EXPECT_EQ(rig.filter.state(), ServiceFilter::State::waiting_for_pmt);
  EXPECT_EQ(rig.section(0x100, pmt_of(1, 0x110).to_section()), Verdict::drop);
  EXPECT_EQ(rig.section(0x200, pmt_of(2, 0x210).to_section()), Verdict::pass);
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

TEST(ServiceFilter, RepeatsItsPatAtEachInputPatWithItsOwnCounter) {
  Rig rig{{std::uint16_t{1}}};
  for (int i = 0; i < 40; ++i)
    EXPECT_EQ(rig.section(0, pat({{1, Pid{0x100}}, {2, Pid{0x200}}})), Verdict::replace);
  const auto r = rig.report();
  EXPECT_EQ(r.packets, 40U);
  EXPECT_EQ(r.cc_errors, 0U);
  EXPECT_EQ(r.duplicates, 0U);
}

TEST(ServiceFilter, FindsTheProgramInAnySectionOfThePat) {
  Rig rig{{std::uint16_t{300}}};
  std::vector<PatEntry> first;
  for (std::uint16_t i = 1; i <= 200; ++i) first.push_back({i, Pid{static_cast<std::uint16_t>(0x400 + i)}});
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(rig.section(0, pat(first, 4, 0, 1)), Verdict::drop);
    EXPECT_EQ(rig.section(0, pat({{300, Pid{0x300}}}, 4, 1, 1)), Verdict::replace);
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
  EXPECT_EQ(rig.section(0x180, pmt_of(1, 0x190, 2).to_section()), Verdict::pass);
  EXPECT_EQ(rig.es(0x190), Verdict::pass);
  EXPECT_EQ(rig.es(0x150), Verdict::drop);
  // And the program goes, and comes back.
  EXPECT_EQ(rig.section(0, pat({{5, Pid{0x500}}}, 2)), Verdict::drop);
  EXPECT_EQ(rig.filter.state(), ServiceFilter::State::program_not_found);
  EXPECT_EQ(rig.es(0x190), Verdict::drop);
  EXPECT_EQ(rig.section(0, pat({{1, Pid{0x180}}}, 3)), Verdict::replace);
  rig.section(0x180, pmt_of(1, 0x190, 2).to_section());
  EXPECT_EQ(rig.es(0x190), Verdict::pass);
}

TEST(ServiceFilter, ItsPatVersionChangesOnlyWithItsContent) {
  Rig rig{{std::uint16_t{1}}};
  const auto version = [&] { return rig.out[rig.out.size() - kPacketSize + 10] >> 1 & 0x1F; };
  rig.section(0, pat({{1, Pid{0x100}}, {2, Pid{0x200}}}, 6));
  EXPECT_EQ(version(), 6);
  rig.section(0, pat({{1, Pid{0x100}}}, 7));  // another program went
  EXPECT_EQ(version(), 6);
  rig.section(0, pat({{1, Pid{0x101}}}, 8));
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
    EXPECT_EQ(rig.section(0x100, pmt_of(1, 0x110).to_section()), Verdict::drop);
    EXPECT_EQ(rig.section(0x100, pmt_of(2, 0x210).to_section()), Verdict::replace);
  }
  EXPECT_EQ(rig.es(0x210), Verdict::pass);
  EXPECT_EQ(rig.es(0x110), Verdict::drop);
  const auto r = rig.report();
  EXPECT_EQ(r.cc_errors, 0U);
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
  EXPECT_EQ(rig.section(0x11, sdt.to_section()), Verdict::replace);
  EXPECT_EQ(rig.filter.program_number(), 2);
  const auto r = rig.report();
  ASSERT_EQ(r.services.size(), 1U);
  EXPECT_EQ(r.services[0].name, "Sport 24");
  // The name moves to another program.
  sdt.version = 1;
  sdt.services = {service(1, "Sport 24"), service(2, "News")};
  rig.section(0x11, sdt.to_section());
  EXPECT_EQ(rig.section(0, pat({{1, Pid{0x100}}, {2, Pid{0x200}}})), Verdict::replace);
  EXPECT_EQ(rig.filter.program_number(), 1);
  EXPECT_EQ(rig.section(0x100, pmt_of(1, 0x110).to_section()), Verdict::pass);
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
    for (const auto& p : test::split(*bytes)) rig.feed(p);
    const auto r = rig.report();
    ASSERT_EQ(r.services.size(), 1U) << program;
    EXPECT_EQ(r.services[0].program_number, program);
    EXPECT_TRUE(r.services[0].has_pmt);
    EXPECT_NE(r.services[0].name, "");
    EXPECT_EQ(r.cc_errors, 0U) << program;
    EXPECT_EQ(r.crc_errors, 0U) << program;
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
  for (const int pid : {0x110, 0x111, 0x119, 0x210, 0x700, 0x14, 0x1FFF})
    input.push_back(test::packet(static_cast<std::uint16_t>(pid), 0));
  ServiceFilter filter{{std::string("two")}};
  std::uint64_t passed = 0, replaced = 0;
  const auto turn = [&](int round) {
    for (auto packet : input) {
      packet[3] = static_cast<std::uint8_t>((packet[3] & 0xF0) | (round & 0x0F));
      const auto verdict = filter.on_packet(test::view(packet));
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
  EXPECT_EQ(passed, 3000U);
  EXPECT_EQ(replaced, 3000U) << "PAT, SDT and PMT in each round";
}

}  // namespace
}  // namespace headgate::mpegts
