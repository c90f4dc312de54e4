#include "mpegts/monitor/stream_monitor.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "../support/allocation_count.h"
#include "mpegts/psi/section.h"
#include "ts_builder.h"

namespace headgate::mpegts {
namespace {

using Bytes = std::vector<std::uint8_t>;
constexpr std::int64_t kMs = 1'000'000;

Bytes with_crc(Bytes section) {
  section[1] = static_cast<std::uint8_t>((section[1] & 0xF0) | (section.size() + 1) >> 8);
  section[2] = static_cast<std::uint8_t>(section.size() + 1);
  const std::uint32_t crc = crc32_mpeg(section);
  for (int shift = 24; shift >= 0; shift -= 8) section.push_back(static_cast<std::uint8_t>(crc >> shift));
  return section;
}

Bytes table(std::uint8_t id, std::uint16_t extension, std::uint8_t number = 0,
            const Bytes& body = {0, 1, 0, 1, 0, 0}) {
  Bytes section{
      id,   0xF0,   0, static_cast<std::uint8_t>(extension >> 8), static_cast<std::uint8_t>(extension),
      0xC1, number, 1};
  section.insert(section.end(), body.begin(), body.end());
  return with_crc(section);
}

const Bytes kPat = [] {
  Bytes pat{0x00, 0xB0, 0, 0, 1, 0xC1, 0, 0, 0, 7, 0xE1, 0x00};
  return with_crc(pat);
}();
// Program 7: video 0x101 with the PCR, ECM 0x1F0.
const Bytes kPmt = with_crc({0x02, 0xB0, 0,    0,    7,    0xC1, 0,    0,    0xE1, 0x01, 0xF0, 6,
                             0x09, 4,    0x01, 0x00, 0xE1, 0xF0, 0x1B, 0xE1, 0x01, 0xF0, 0});
const Bytes kTdt{0x70, 0x70, 5, 0xC0, 0x79, 0x12, 0x45, 0x00};
const Bytes kTot = with_crc({0x73, 0x70, 0, 0xC0, 0x79, 0x12, 0x45, 0x00, 0xF0, 0});
const Bytes kRst{0x71, 0x70, 1, 0};

constexpr StreamMonitor::Limits kSmall{64, 8, 64};

struct Rig {
  StreamMonitor monitor{kSmall};
  std::map<std::uint16_t, std::uint8_t> counters;
  std::int64_t now = 0;

  void feed(const test::Packet& packet) {
    if (monitor.wants(test::view(packet))) monitor.on_packet(test::view(packet), now);
  }
  void send(std::uint16_t pid, const Bytes& section) {
    const Bytes packets = pack_section(Pid{pid}, section, counters[pid]);
    counters[pid] = static_cast<std::uint8_t>(counters[pid] + packets.size() / kPacketSize);
    for (const auto& packet : test::split(packets)) feed(packet);
  }
  void media(std::uint16_t pid, bool pts) {
    auto packet = test::packet(pid, counters[pid]++, pts);
    const std::uint8_t head[] = {0, 0, 1, 0xE0, 0, 0, 0x80, 0x80, 5, 0x21, 0, 1, 0, 1};
    if (pts) std::copy(std::begin(head), std::end(head), packet.begin() + 4);
    feed(packet);
  }
  void wait(std::int64_t ms) {
    for (const std::int64_t end = now + ms * kMs; now < end;) {
      const std::int64_t next = (now / (100 * kMs) + 1) * 100 * kMs;
      now = std::min(next, end);
      if (now == next) monitor.on_time(now);
    }
  }
  std::uint64_t count(Indicator indicator) const { return monitor.counts()[indicator]; }
};

// Twice the same section: at its limit it is in time, a millisecond beyond it is not.
struct Interval {
  const char* what;
  std::uint16_t pid;
  Bytes section;
  std::int64_t good_ms, bad_ms;
  Indicator indicator;
  bool repetition;  // SI_repetition_error besides
};

TEST(StreamMonitor, CountsWhatComesTooLateOrTooSoonAndNothingAtTheLimit) {
  const std::vector<Interval> cases{
      {"PAT", 0, kPat, 500, 501, Indicator::pat_error, false},
      {"PMT", 0x100, kPmt, 500, 501, Indicator::pmt_error, false},
      {"NIT", 16, table(0x40, 1), 10'000, 10'001, Indicator::nit_actual_error, true},
      {"NIT again", 16, table(0x40, 1), 25, 24, Indicator::nit_actual_error, true},
      {"NIT other", 16, table(0x41, 2), 10'000, 10'001, Indicator::nit_other_error, true},
      {"SDT", 17, table(0x42, 1), 2000, 2001, Indicator::sdt_actual_error, true},
      {"SDT again", 17, table(0x42, 1), 25, 24, Indicator::sdt_actual_error, true},
      {"SDT other", 17, table(0x46, 1), 10'000, 10'001, Indicator::sdt_other_error, true},
      {"BAT", 17, table(0x4A, 1), 10'000, 10'001, Indicator::si_repetition_error, true},
      {"EIT present", 18, table(0x4E, 7), 2000, 2001, Indicator::eit_actual_error, true},
      {"EIT following", 18, table(0x4E, 7, 1), 2000, 2001, Indicator::eit_actual_error, true},
      {"EIT again", 18, table(0x4E, 7), 25, 24, Indicator::eit_actual_error, true},
      {"EIT other", 18, table(0x4F, 7), 10'000, 10'001, Indicator::eit_other_error, true},
      {"RST again", 19, kRst, 25, 24, Indicator::rst_error, true},
      {"TDT", 20, kTdt, 30'000, 30'001, Indicator::tdt_error, true},
      {"TDT again", 20, kTdt, 25, 24, Indicator::tdt_error, true},
      {"TOT", 20, kTot, 30'000, 30'001, Indicator::si_repetition_error, true},
  };
  for (const Interval& c : cases) {
    for (const std::int64_t ms : {c.good_ms, c.bad_ms}) {
      SCOPED_TRACE(std::string(c.what) + " " + std::to_string(ms) + " ms");
      Rig rig;
      rig.now = 100 * kMs;
      rig.send(0, kPat);
      rig.send(c.pid, c.section);
      const auto before = rig.monitor.counts();
      rig.now += ms * kMs;
      rig.send(c.pid, c.section);
      const std::uint64_t expected = ms == c.bad_ms ? 1 : 0;
      EXPECT_EQ(rig.count(c.indicator) - before[c.indicator], expected);
      EXPECT_EQ(rig.count(Indicator::si_repetition_error) - before[Indicator::si_repetition_error],
                c.repetition ? expected : 0U);
      EXPECT_EQ(rig.count(Indicator::crc_error), 0U);
    }
  }
}

TEST(StreamMonitor, CountsAnAbsenceOnceAndAgainAfterItHasEnded) {
  struct Absent {
    std::uint16_t pid;
    Bytes section;
    std::int64_t limit_ms;
    Indicator indicator;
  };
  for (const Absent& c : std::vector<Absent>{{0, kPat, 500, Indicator::pat_error},
                                             {16, table(0x40, 1), 10'000, Indicator::nit_actual_error},
                                             {17, table(0x42, 1), 2000, Indicator::sdt_actual_error},
                                             {18, table(0x4E, 7), 2000, Indicator::eit_actual_error},
                                             {20, kTdt, 30'000, Indicator::tdt_error}}) {
    SCOPED_TRACE(c.pid);
    Rig rig;
    rig.wait(c.limit_ms);
    EXPECT_EQ(rig.count(c.indicator), 0U);
    EXPECT_FALSE(c.pid >= 16 && rig.monitor.judged(c.indicator, rig.now));
    rig.wait(100);
    EXPECT_EQ(rig.count(c.indicator), 1U);
    EXPECT_TRUE(rig.monitor.judged(c.indicator, rig.now));
    rig.wait(2 * c.limit_ms);
    EXPECT_EQ(rig.count(c.indicator), 1U);
    rig.send(c.pid, c.section);
    EXPECT_EQ(rig.count(c.indicator), 1U);
    rig.wait(c.limit_ms + 100);
    EXPECT_EQ(rig.count(c.indicator), 2U);
  }
}

TEST(StreamMonitor, CountsTablesThatDontBelongOnAPid) {
  struct Stray {
    std::uint16_t pid;
    std::uint8_t good, bad;
    Indicator indicator;
  };
  for (const Stray& c :
       {Stray{0, 0x00, 0x02, Indicator::pat_error}, Stray{1, 0x01, 0x00, Indicator::cat_error},
        Stray{16, 0x41, 0x42, Indicator::nit_actual_error},
        Stray{17, 0x4A, 0x40, Indicator::sdt_actual_error},
        Stray{18, 0x6F, 0x70, Indicator::eit_actual_error}, Stray{19, 0x72, 0x70, Indicator::rst_error},
        Stray{20, 0x72, 0x71, Indicator::tdt_error}}) {
    SCOPED_TRACE(c.pid);
    Rig rig;
    rig.send(c.pid, table(c.good, 1));
    EXPECT_EQ(rig.count(c.indicator), 0U);
    rig.send(c.pid, table(c.bad, 1));
    EXPECT_EQ(rig.count(c.indicator), 1U);
  }
}

TEST(StreamMonitor, CountsDamagedTablesAndScrambledOnes) {
  Rig rig;
  rig.send(0, kPat);
  for (const std::uint16_t pid : std::initializer_list<std::uint16_t>{0, 1, 16, 17, 18}) {
    const std::map<std::uint16_t, std::uint8_t> ids{{0, 0x00}, {1, 0x01}, {16, 0x40}, {17, 0x42}, {18, 0x4E}};
    Bytes damaged = table(ids.at(pid), 1);
    damaged[9] ^= 1;
    rig.send(pid, damaged);
  }
  Bytes tot = kTot;
  tot[4] ^= 1;
  rig.send(20, tot);
  EXPECT_EQ(rig.count(Indicator::crc_error), 6U);
  auto packet = test::packet(0, rig.counters[0]++);
  packet[3] |= 0x80;
  rig.feed(packet);
  packet = test::packet(0x100, 0);
  packet[3] |= 0x80;
  rig.feed(packet);
  EXPECT_EQ(rig.count(Indicator::pat_error), 1U);
  EXPECT_EQ(rig.count(Indicator::pmt_error), 1U);
}

TEST(StreamMonitor, MissesPidsAndTheirTimeStamps) {
  Rig rig;
  rig.send(0, kPat);
  rig.send(0x100, kPmt);
  rig.media(0x101, true);
  rig.now += 700 * kMs;
  rig.media(0x101, true);
  EXPECT_EQ(rig.count(Indicator::pts_error), 0U);
  rig.now += 701 * kMs;
  rig.media(0x101, true);
  EXPECT_EQ(rig.count(Indicator::pts_error), 1U);
  rig.wait(5000);
  EXPECT_EQ(rig.count(Indicator::pid_error), 0U);
  rig.wait(100);
  EXPECT_EQ(rig.count(Indicator::pid_error), 1U);
  rig.media(0x101, false);
  EXPECT_EQ(rig.count(Indicator::pid_error), 1U);
}

TEST(StreamMonitor, WantsOneOrdinaryPacketOfAPidATickButAllOfTables) {
  Rig rig;
  rig.send(0, kPat);
  rig.send(0x100, kPmt);
  const auto packet = test::packet(0x101, 0);
  EXPECT_TRUE(rig.monitor.wants(test::view(packet)));
  EXPECT_FALSE(rig.monitor.wants(test::view(packet)));
  EXPECT_TRUE(rig.monitor.wants(test::view(test::packet(0x101, 0, true))));
  EXPECT_TRUE(rig.monitor.wants(test::view(test::packet(0x100, 0))));
  EXPECT_TRUE(rig.monitor.wants(test::view(test::packet(17, 0))));
  EXPECT_FALSE(rig.monitor.wants(test::view(test::packet(0x1FFF, 0))));
  rig.monitor.on_time(100 * kMs);
  EXPECT_TRUE(rig.monitor.wants(test::view(packet)));
}

TEST(StreamMonitor, FindsAPidThatNoTableNamesOnceTheTablesAreThere) {
  Rig rig;
  rig.media(0x300, false);
  rig.media(0x1F0, false);   // the ECM
  rig.media(0x1FFB, false);  // PSIP
  rig.send(0, kPat);
  rig.wait(5000);
  EXPECT_EQ(rig.count(Indicator::unreferenced_pid), 0U) << "its PMT may still come";
  rig.send(0x100, kPmt);
  rig.wait(500);
  EXPECT_EQ(rig.count(Indicator::unreferenced_pid), 0U);
  rig.wait(100);
  EXPECT_EQ(rig.count(Indicator::unreferenced_pid), 1U);
  // The EMM PID of a CAT.
  rig.send(1, with_crc({0x01, 0xB0, 0, 0xFF, 0xFF, 0xC1, 0, 0, 0x09, 4, 0x01, 0x00, 0xE4, 0x00}));
  rig.media(0x400, false);
  rig.wait(2000);
  EXPECT_EQ(rig.count(Indicator::unreferenced_pid), 1U);
}

TEST(StreamMonitor, MissesTheCatOfAScrambledStream) {
  Rig rig;
  auto packet = test::packet(0x101, 0);
  packet[3] |= 0xC0;
  rig.feed(packet);
  rig.wait(500);
  EXPECT_EQ(rig.count(Indicator::cat_error), 0U);
  rig.wait(5000);
  EXPECT_EQ(rig.count(Indicator::cat_error), 1U);
  Rig with_cat;
  with_cat.feed(packet);
  with_cat.send(1, table(0x01, 0xFFFF, 0, {}));
  with_cat.wait(5000);
  EXPECT_EQ(with_cat.count(Indicator::cat_error), 0U);
}

TEST(StreamMonitor, WantsPresentAndFollowingTogether) {
  Rig alone, both;
  for (int i = 0; i < 4; ++i) {
    alone.send(18, table(0x4E, 7));
    both.send(18, table(0x4E, 7));
    both.send(18, table(0x4E, 7, 1));
    alone.wait(1000);
    both.wait(1000);
  }
  EXPECT_EQ(alone.count(Indicator::eit_pf_error), 1U);
  EXPECT_EQ(both.count(Indicator::eit_pf_error), 0U);
}

TEST(StreamMonitor, TakesSectionsOfOneTableAndOfManyServicesInOneRun) {
  Rig rig;
  rig.now = 100 * kMs;
  for (std::uint16_t service = 1; service <= 10; ++service) {
    rig.send(18, table(0x4E, service));
    rig.send(18, table(0x4E, service, 1));
    rig.send(18, table(0x4F, service, 0, {0, 2, 0, 1, 0, 0}));
    rig.send(18, table(0x4F, service, 0, {0, 3, 0, 1, 0, 0}));
  }
  rig.send(17, table(0x42, 1, 0));
  rig.send(17, table(0x42, 1, 1));
  EXPECT_EQ(rig.count(Indicator::eit_actual_error) + rig.count(Indicator::sdt_actual_error) +
                rig.count(Indicator::si_repetition_error),
            0U);
}

TEST(StreamMonitor, DoesNotAllocateWhileTablesStay) {
  Rig rig;
  const auto pat = test::split(pack_section(kPatPid, kPat, 0));
  const auto pmt = test::split(pack_section(Pid{0x100}, kPmt, 0));
  const auto eit = test::split(pack_section(kEitPid, table(0x4E, 7), 0));
  const auto turn = [&] {
    for (const auto* packets : {&pat, &pmt, &eit}) {
      for (auto packet : *packets) {
        packet[3] = static_cast<std::uint8_t>(0x10 | (rig.now / kMs / 100 & 0x0F));
        rig.feed(packet);
      }
    }
    rig.media(0x101, true);
    rig.wait(100);
  };
  turn();
  const auto before = headgate::test::allocations();
  for (int i = 0; i < 100; ++i) turn();
  EXPECT_EQ(headgate::test::allocations(), before);
  EXPECT_EQ(rig.count(Indicator::pat_error) + rig.count(Indicator::pmt_error), 0U);
}

// A hostile stream names more than there is room for.
TEST(StreamMonitor, KeepsWithinItsLimits) {
  Rig rig;
  for (std::uint16_t pid = 0x20; pid < 0x1FFF; ++pid) rig.media(pid, false);
  for (std::uint16_t first = 0; first < 2000; first += 50) {
    Bytes pat{0x00, 0xB0, 0, 0, 1, 0xC1, 0, 0};
    for (std::uint16_t i = 0; i < 50; ++i) {
      const auto number = static_cast<std::uint16_t>(first + i + 1);
      for (const int byte : {number >> 8, number & 0xFF, 0xE0 | (0x20 + number) >> 8, (0x20 + number) & 0xFF})
        pat.push_back(static_cast<std::uint8_t>(byte));
    }
    rig.send(0, with_crc(pat));
    rig.send(18, table(0x4E, first));
  }
  rig.wait(1000);
  EXPECT_LE(rig.count(Indicator::pmt_error), 64U);
}

}  // namespace
}  // namespace headgate::mpegts
