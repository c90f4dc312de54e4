// What a splice does with programs that are not alike: tracks, tables, PCR PIDs, multiplexes, scrambling,
// cues.
#include <gtest/gtest.h>

#include "mpegts/remux/splicer.h"
#include "splice_support.h"

namespace headgate::mpegts {
namespace {

using namespace test;

TEST(Splicer, UnlikeTracksRaiseTheVersionOfThePmt) {
  Source b = second_source();
  b.tracks = {track(0x1B, 0x51), track(0x0F, 0x52, "eng")};
  Rig rig(2);
  rig.want_at(1000, 1);
  rig.want_at(3000, 0);
  rig.run({first_source().run(0, 6000), b.run(1, 6000)}, 6000);
  const auto pmts = rig.pmts(0x1000);
  ASSERT_EQ(pmts.size(), 3U);
  EXPECT_EQ(pmts[0].version, 0);
  EXPECT_EQ(pmts[1].version, 1);
  EXPECT_EQ(pmts[2].version, 2);
  EXPECT_EQ(pmts[1].program_number, 1);
  EXPECT_EQ(pmts[1].pcr_pid, Pid{0x100});
  ASSERT_EQ(pmts[1].streams.size(), 2U);
  EXPECT_EQ(pmts[1].streams[0], track(0x1B, 0x100));
  EXPECT_EQ(pmts[1].streams[1], track(0x0F, 0x101, "eng"));
  EXPECT_EQ(pmts[2].streams, pmts[0].streams);
  EXPECT_TRUE(rig.counter_breaks().empty());
  EXPECT_TRUE(rises(rig.pes(0x100)));
  // A receiver has the PMT before the first picture.
  const auto second = std::find_if(rig.out.begin(), rig.out.end(), [&](const Timed& t) {
    return (t.ns - kStart) / kMs >= rig.splices[0] && view(t.packet).pid().value == 0x100 &&
           view(t.packet).payload_unit_start();
  });
  const auto table = std::find_if(rig.out.begin(), rig.out.end(), [&](const Timed& t) {
    return (t.ns - kStart) / kMs >= rig.splices[0] && view(t.packet).pid().value == 0x1000;
  });
  EXPECT_LT(table, second);
}

TEST(Splicer, MapsSoundByLanguageThenInOrder) {
  Source a = first_source(), b = second_source();
  a.tracks = {track(0x02, 0x100), track(0x03, 0x101, "eng"), track(0x03, 0x102, "deu"),
              track(0x03, 0x103, "fra")};
  b.tracks = {track(0x02, 0x51), track(0x03, 0x61, "ita"), track(0x03, 0x62, "deu"), track(0x03, 0x63, "eng"),
              track(0x03, 0x64, "spa")};
  Rig rig(2);
  rig.want_at(1000, 1);
  rig.run({a.run(0, 4000), b.run(1, 4000)}, 4000);
  const auto pmts = rig.pmts(0x1000);
  ASSERT_EQ(pmts.size(), 2U);
  EXPECT_EQ(pmts[1].streams, (std::vector{track(0x02, 0x100), track(0x03, 0x101, "eng"),
                                          track(0x03, 0x102, "deu"), track(0x03, 0x103, "ita")}));
  for (const int pid : {0x101, 0x102, 0x103}) {
    EXPECT_EQ(tags(rig.pes(static_cast<std::uint16_t>(pid))), (std::vector{1, 2})) << pid;
  }
  EXPECT_GT(rig.splicer.counters().left_out, 50U);  // of the Spanish track
  EXPECT_TRUE(rig.counter_breaks().empty());
}

TEST(Splicer, MapsSoundOfAnotherCodecByItsLanguageAndKeepsThatOfTheRole) {
  Source a = first_source(), b = second_source();
  a.tracks = {track(0x02, 0x100), track(0x03, 0x101, "eng"), track(0x03, 0x102, "deu"),
              track(0x03, 0x103, "fra")};
  b.tracks = {track(0x02, 0x51), track(0x0F, 0x61, "deu"), track(0x0F, 0x62, "eng"), track(0x0F, 0x63)};
  Rig rig(2);
  rig.want_at(1000, 1);
  rig.run({a.run(0, 4000), b.run(1, 4000)}, 4000);
  ASSERT_EQ(rig.pmts(0x1000).size(), 2U);
  EXPECT_EQ(rig.pmts(0x1000)[1].streams, (std::vector{track(0x02, 0x100), track(0x0F, 0x101, "eng"),
                                                      track(0x0F, 0x102, "deu"), track(0x0F, 0x103, "fra")}));
  const auto which = [&](std::uint16_t from, std::uint16_t to) {
    std::size_t sent = 0, left = 0;
    for (const Timed& t : b.packets) sent += view(t.packet).pid().value == from && t.ns > kStart + 2500 * kMs;
    for (const Timed& t : rig.out) left += view(t.packet).pid().value == to && t.ns > kStart + 2500 * kMs;
    return sent > 0 && sent == left;
  };
  EXPECT_TRUE(which(0x62, 0x101));
  EXPECT_TRUE(which(0x61, 0x102));
}

TEST(Splicer, LeavesOutTracksThatTheNextInputLacks) {
  Source a = first_source();
  a.tracks.push_back(track(0x03, 0x102, "deu"));
  Rig rig(2);
  rig.want_at(1000, 1);
  rig.run({a.run(0, 4000), second_source().run(1, 4000)}, 4000);
  const auto pmts = rig.pmts(0x1000);
  ASSERT_EQ(pmts.size(), 2U);
  EXPECT_EQ(pmts[1].streams, (std::vector{track(0x02, 0x100), track(0x03, 0x101, "eng")}));
}

TEST(Splicer, CarriesThePcrOnItsOwnPidWhereverTheNextInputHasIt) {
  Source a = first_source(), b = second_source();
  b.pcr_pid = 0x60;  // of its own
  for (const bool other_way : {false, true}) {
    Rig rig(2);
    rig.want_at(1000, 1);
    rig.run({other_way ? b.run(0, 4000) : a.run(0, 4000), other_way ? a.run(1, 4000) : b.run(1, 4000)}, 4000);
    EXPECT_EQ(rig.splicer.counters().switches, 1U);
    const std::uint16_t pid = other_way ? 0x60 : 0x100;
    const auto clock = rig.clock(pid);
    EXPECT_GT(clock.count, 90U);
    EXPECT_FALSE(clock.backwards);
    EXPECT_LT(clock.worst_ns, 2 * kMs);
    EXPECT_TRUE(rig.counter_breaks().empty());
    EXPECT_EQ(rig.pmts(other_way ? 0x40 : 0x1000).size(), 1U);
    for (const Timed& t : rig.out) {
      EXPECT_TRUE(view(t.packet).pid().value == pid || !view(t.packet).has_pcr());
    }
    for (const Pes& p : rig.pes(other_way ? 0x51 : 0x100)) EXPECT_TRUE(p.whole);
  }
}

TEST(Splicer, JoinsRadioAtAFrameOfSound) {
  Source a = first_source(), b = second_source();
  a.tracks = {track(0x03, 0x101, "eng")};
  b.tracks = {track(0x03, 0x52, "eng")};
  a.pcr_pid = 0x101;
  b.pcr_pid = 0x52;
  Rig rig(2);
  rig.want_at(1000, 1);
  rig.run({a.run(0, 4000), b.run(1, 4000)}, 4000);
  ASSERT_EQ(rig.splices.size(), 1U);
  EXPECT_LE(rig.splices[0], 1200);
  EXPECT_EQ(rig.splicer.counters().hard_switches, 0U);
  const auto audio = rig.pes(0x101);
  EXPECT_EQ(tags(audio), (std::vector{1, 2}));
  EXPECT_TRUE(rises(audio));
  for (const Pes& p : audio) EXPECT_TRUE(p.whole);
  EXPECT_TRUE(rig.counter_breaks().empty());
}

TEST(Splicer, JoinsAScrambledInputAtItsRandomAccessIndicator) {
  Source b = second_source();
  b.scrambled = true;
  Rig rig(2);
  rig.want_at(2000, 1);
  rig.run({first_source().run(0, 5000), b.run(1, 5000)}, 5000);
  ASSERT_EQ(rig.splices.size(), 1U);
  EXPECT_LE(rig.splices[0], 2540);
  // Its time stamps can't be reached: its clock passes as it is, and that is marked.
  const auto clock = rig.clock(0x100);
  EXPECT_EQ(clock.discontinuities, 1);
  for (const Timed& t : rig.out) {
    const TsPacket p = view(t.packet);
    if (t.ns > kStart + 3000 * kMs && p.pid().value == 0x100 && p.has_pcr()) {
      EXPECT_LT(std::abs(remux::wrap_distance(p.pcr()->ticks / 300, b.clock_at(t.ns), kPtsModulus)), 90);
    }
  }
  EXPECT_TRUE(rig.counter_breaks().empty());
}

std::vector<Timed> multiplex(std::size_t input, std::uint8_t tag, std::uint64_t clock) {
  Source one, two;
  one.tag = two.tag = tag;
  one.clock = clock;
  two.clock = clock + 5'000'000;
  two.program = 2;
  two.pmt_pid = 0x2000 / 2;
  two.pmt_pid = 0x1100;
  two.pcr_pid = 0x200;
  two.tracks = {track(0x02, 0x200), track(0x03, 0x201)};
  auto all = one.run(input, 3000);
  const auto more = two.run(input, 3000);
  all.insert(all.end(), more.begin(), more.end());
  std::stable_sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.ns < b.ns; });
  // One PAT of both programs in place of each of theirs.
  Pat pat;
  pat.entries = {{1, Pid{0x1000}}, {2, Pid{0x1100}}};
  std::uint8_t counter = 0;
  for (Timed& t : all) {
    if (view(t.packet).pid() != kPatPid) continue;
    const auto packed = split(pack_section(kPatPid, pat.to_section(), counter));
    counter = (counter + 1) & 0x0F;
    t.packet = packed[0];
  }
  return all;
}

TEST(Splicer, SwitchesAMultiplexAtOnceAndMarksEveryPcrPid) {
  Rig rig(2);
  rig.want_at(1000, 1);
  rig.run({multiplex(0, 1, 1'000'000), multiplex(1, 2, 50'000'000)}, 3000);
  ASSERT_EQ(rig.splices.size(), 1U);
  EXPECT_LE(rig.splices[0], 1020);
  EXPECT_TRUE(rig.counter_breaks().empty());
  std::map<std::uint16_t, bool> begun;
  for (const Timed& t : rig.out) {
    const TsPacket p = view(t.packet);
    if ((t.ns - kStart) / kMs < rig.splices[0] || !p.has_payload()) continue;
    EXPECT_TRUE(begun.try_emplace(p.pid().value, p.payload_unit_start()).first->second) << p.pid().value;
  }
  for (const std::uint16_t pid : std::initializer_list<std::uint16_t>{0x100, 0x200}) {
    std::optional<bool> first;
    int marks = 0;
    for (const Timed& t : rig.out) {
      const TsPacket p = view(t.packet);
      if (p.pid().value != pid || !p.has_pcr() || t.ns < kStart + 1000 * kMs) continue;
      if (p.pcr()->ticks < 40'000'000ULL * 300) continue;
      if (!first) first = p.discontinuity();
      marks += p.discontinuity() ? 1 : 0;
    }
    EXPECT_EQ(first, true) << pid;
    EXPECT_EQ(marks, 1) << pid;
    const auto list = rig.pes(pid);
    EXPECT_EQ(list.back().tag, 2);
    EXPECT_LE(std::count_if(list.begin(), list.end(), [](const Pes& p) { return !p.whole; }), 1);
  }
}

TEST(Splicer, MovesSpliceTimesOfCuesByTheSameOffset) {
  Source a = first_source(), b = second_source();
  a.tracks.push_back(track(0x86, 0x1F0));
  b.tracks.push_back(track(0x86, 0x57));
  auto packets = b.run(1, 4000);
  // splice_null with pts_adjustment 0 (ANSI/SCTE 35 9.7.1).
  Bytes cue{0xFC, 0x30, 0x11, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xF0, 0, 0, 0, 0};
  const std::uint32_t crc = crc32_mpeg(cue);
  for (int shift = 24; shift >= 0; shift -= 8) cue.push_back(static_cast<std::uint8_t>(crc >> shift));
  packets.push_back({kStart + 3000 * kMs, 1, split(pack_section(Pid{0x57}, cue, 0))[0]});
  Rig rig(2);
  rig.want_at(1000, 1);
  rig.run({a.run(0, 4000), packets}, 4000);
  struct Sink final : SectionSink {
    Bytes cue;
    void on_section(Pid, std::span<const std::uint8_t> s) noexcept override {
      cue.assign(s.begin(), s.end());
    }
    void on_crc_error(Pid) noexcept override { ADD_FAILURE(); }
  } sink;
  SectionAssembler assembler{Pid{0x1F0}};
  for (const Timed& t : rig.out) assembler.on_packet(view(t.packet), sink);
  ASSERT_EQ(sink.cue.size(), cue.size());
  std::uint64_t adjustment = sink.cue[4] & 1;
  for (std::size_t i = 5; i < 9; ++i) adjustment = adjustment << 8 | sink.cue[i];
  // By as much as the clock: that of the first source, where the second's was 76,000,000 ticks ahead.
  const std::uint64_t at = kStart + 3000 * kMs;
  EXPECT_LT(
      std::abs(remux::wrap_distance(adjustment, kPtsModulus + a.clock_at(at) - b.clock_at(at), kPtsModulus)),
      90);
}

TEST(Splicer, KeepsTheNamesOfTheFirstInput) {
  Source a = first_source(), b = second_source();
  auto one = a.run(0, 5000);
  auto two = b.run(1, 5000);
  const auto sdt = [](std::uint8_t name) {
    Bytes s{0x42, 0xF0, 0, 0, 1, 0xC1, 0, 0, 0, 1, 0xFF, 0, 1, 0xFC, 0x80, 6, 0x48, 4, 1, 0, 1, name};
    s[2] = static_cast<std::uint8_t>(s.size() + 4 - 3);
    const std::uint32_t crc = crc32_mpeg(s);
    for (int shift = 24; shift >= 0; shift -= 8) s.push_back(static_cast<std::uint8_t>(crc >> shift));
    return s;
  };
  for (int i = 0; i < 5; ++i) {
    const auto counter = static_cast<std::uint8_t>(i);
    one.push_back({kStart + i * 1000 * kMs, 0, split(pack_section(kSdtPid, sdt('A'), counter))[0]});
    two.push_back({kStart + i * 1000 * kMs, 1, split(pack_section(kSdtPid, sdt('B'), counter))[0]});
  }
  Rig rig(2);
  rig.want_at(1500, 1);
  rig.run({one, two}, 5000);
  int seen = 0;
  for (const Timed& t : rig.out) {
    if (view(t.packet).pid() != kSdtPid) continue;
    EXPECT_EQ(t.packet[5 + 21], 'A');
    seen += t.ns > kStart + 1900 * kMs ? 1 : 0;
  }
  EXPECT_GE(seen, 3);
  EXPECT_TRUE(rig.counter_breaks().empty());
}

TEST(Splicer, FollowsAPmtThatChangesOnAir) {
  Source b = second_source(), later = second_source();
  later.tracks = {track(0x1B, 0x51), track(0x0F, 0x59, "eng")};
  later.begin = kStart + 3007 * kMs;
  later.clock = b.clock_at(later.begin);
  auto packets = without(b.run(1, 5000), 3000, 5000);
  later.counters = b.counters;
  const auto more = later.run(1, 2000);
  packets.insert(packets.end(), more.begin(), more.end());
  Rig rig(2);
  rig.want_at(1000, 1);
  rig.run({first_source().run(0, 5000), packets}, 5000);
  const auto pmts = rig.pmts(0x1000);
  ASSERT_EQ(pmts.size(), 2U);
  EXPECT_EQ(pmts[1].streams, (std::vector{track(0x1B, 0x100), track(0x0F, 0x101, "eng")}));
  EXPECT_EQ(rig.pes(0x101).back().tag, 2);
  EXPECT_GT(rig.pes(0x101).back().ns, kStart + 4500 * kMs);
}

}  // namespace
}  // namespace headgate::mpegts
