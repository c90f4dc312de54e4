#include "mpegts/remux/splicer.h"

#include <gtest/gtest.h>

#include "mpegts/remux/input_clock.h"
#include "splice_support.h"
#include "tests/support/allocation_count.h"

namespace headgate::mpegts {
namespace {

using namespace test;

TEST(Splicer, FirstInputLeavesBitExact) {
  Source a = first_source();
  a.late_ns = 3 * kMs;
  const auto packets = a.run(0, 4000);
  Rig rig(2);
  rig.run({packets, second_source().run(1, 4000)}, 4000);
  std::vector<Packet> sent, left;
  for (const Timed& t : packets) sent.push_back(t.packet);
  std::stable_sort(sent.begin(), sent.end());
  for (const Timed& t : rig.out) left.push_back(t.packet);
  std::stable_sort(left.begin(), left.end());
  EXPECT_TRUE(left == sent);
  EXPECT_TRUE(rig.splices.empty());
}

TEST(Splicer, FirstWantedInputGoesOnAirWithItsFirstPacketWhateverItIs) {
  Splicer splicer(3);
  splicer.want(2, kStart);
  EXPECT_TRUE(splicer.on_packet(0, view(packet(0x50, 3)), kStart).empty());
  EXPECT_FALSE(splicer.on_air());
  const Packet p = packet(0x51, 9);
  const auto out = splicer.on_packet(2, view(p), kStart + 1);
  EXPECT_TRUE(std::equal(out.begin(), out.end(), p.begin(), p.end()));
  EXPECT_EQ(splicer.on_air(), 2U);
}

TEST(Splicer, SwitchesAtARandomAccessPointBetweenTwoUnits) {
  Rig rig(2);
  rig.want_at(2000, 1);
  rig.run({first_source().run(0, 6000), second_source().run(1, 6000)}, 6000);
  EXPECT_EQ(rig.splicer.on_air(), 1U);
  EXPECT_EQ(rig.splicer.counters().switches, 1U);
  EXPECT_EQ(rig.splicer.counters().hard_switches, 0U);
  ASSERT_EQ(rig.splices.size(), 1U);
  // The second source's random access points: 11 * 40 + 7 ms, and every second from there.
  EXPECT_GE(rig.splices[0], 2440);
  EXPECT_LE(rig.splices[0], 2540);

  const auto video = rig.pes(0x100);
  EXPECT_EQ(tags(video), (std::vector{1, 2}));
  for (const Pes& p : video) EXPECT_TRUE(p.whole) << (p.ns - kStart) / kMs;
  EXPECT_TRUE(is_key(first_of(video, 2)));
  EXPECT_TRUE(rises(video));
  const auto audio = rig.pes(0x101);
  EXPECT_EQ(tags(audio), (std::vector{1, 2}));
  for (const Pes& p : audio) EXPECT_TRUE(p.whole) << (p.ns - kStart) / kMs;
  EXPECT_TRUE(rises(audio));
  EXPECT_TRUE(rig.counter_breaks().empty());

  const auto clock = rig.clock(0x100);
  EXPECT_FALSE(clock.backwards);
  EXPECT_EQ(clock.discontinuities, 0);
  EXPECT_LT(clock.worst_ns, 1 * kMs);
  EXPECT_LE(clock.gap_ns, 80 * kMs);
  for (const Timed& t : rig.out) {
    const std::uint16_t pid = view(t.packet).pid().value;
    EXPECT_TRUE(pid == 0 || pid == 0x1000 || pid == 0x100 || pid == 0x101) << pid;
  }
  // Alike but for the PIDs: receivers need no new PMT.
  ASSERT_EQ(rig.pmts(0x1000).size(), 1U);
  EXPECT_EQ(rig.pmts(0x1000)[0], first_source().pmt());
}

TEST(Splicer, KeepsTheDistanceBetweenPcrAndTimeStamps) {
  Source b = second_source();
  b.lead_ms = 730;
  Rig rig(2);
  rig.want_at(1000, 1);
  rig.run({first_source().run(0, 4000), b.run(1, 4000)}, 4000);
  int seen = 0;
  for (const Timed& t : rig.out) {
    const TsPacket p = view(t.packet);
    if (p.pid().value != 0x100 || !p.payload_unit_start() || !p.has_pcr() || t.ns < kStart + 2500 * kMs)
      continue;
    const auto times = remux::pes_times(p);
    ASSERT_TRUE(times && times->dts);
    // Sent 1 ms after the PCR's own moment, in which DTS was 730 ms ahead.
    EXPECT_EQ(remux::wrap_distance(times->dts->ticks, p.pcr()->ticks / 300, kPtsModulus), 730 * 90 - 90);
    EXPECT_EQ(p.pcr()->ticks % 300, 0U);
    ++seen;
  }
  EXPECT_GT(seen, 30);
}

TEST(Splicer, GoesOnWhenItSwitchesBack) {
  Rig rig(2);
  rig.want_at(1500, 1);
  rig.want_at(4000, 0);
  rig.want_at(6500, 1);
  rig.run({first_source().run(0, 9000), second_source().run(1, 9000)}, 9000);
  EXPECT_EQ(rig.splicer.counters().switches, 3U);
  const auto video = rig.pes(0x100);
  EXPECT_EQ(tags(video), (std::vector{1, 2, 1, 2}));
  for (const Pes& p : video) EXPECT_TRUE(p.whole);
  EXPECT_TRUE(rises(video));
  EXPECT_TRUE(rises(rig.pes(0x101)));
  EXPECT_TRUE(rig.counter_breaks().empty());
  EXPECT_FALSE(rig.clock(0x100).backwards);
  EXPECT_LT(rig.clock(0x100).worst_ns, 1 * kMs);
  EXPECT_EQ(rig.pmts(0x1000).size(), 1U);
}

TEST(Splicer, PcrGoesOnByTheTimeThatPassedThroughJitter) {
  Source a = first_source(), b = second_source();
  a.late_ns = 12 * kMs;
  b.late_ns = 7 * kMs;
  Rig rig(2);
  for (int i = 0; i < 10; ++i) rig.want_at(1000 + 2000 * i, static_cast<std::size_t>((i + 1) % 2));
  rig.run({a.run(0, 22000), b.run(1, 22000)}, 22000);
  EXPECT_EQ(rig.splicer.counters().switches, 10U);
  const auto clock = rig.clock(0x100);
  EXPECT_FALSE(clock.backwards);
  // No error is added by a switch.
  EXPECT_LT(clock.worst_ns, 20 * kMs);
}

TEST(Splicer, GoesOnThroughTheWrapOfAllClocks) {
  Source a = first_source(), b = second_source();
  a.clock = kPtsModulus - 2 * 90'000;  // wraps after two seconds, time stamps half a second before
  b.clock = kPtsModulus - 3 * 90'000;
  Rig rig(2);
  rig.want_at(1000, 1);
  rig.want_at(5000, 0);
  rig.run({a.run(0, 8000), b.run(1, 8000)}, 8000);
  EXPECT_EQ(rig.splicer.counters().switches, 2U);
  EXPECT_TRUE(rises(rig.pes(0x100)));
  EXPECT_TRUE(rises(rig.pes(0x101)));
  EXPECT_FALSE(rig.clock(0x100).backwards);
  EXPECT_LT(rig.clock(0x100).worst_ns, 1 * kMs);
}

TEST(Splicer, TablesAndPcrGoOnBetweenTwoInputs) {
  Source b = second_source();
  b.first_key = 60;  // every 25 from there, but the rest of the first GOP is gone
  auto late = without(b.run(1, 8000), 0, 4300);
  Rig rig(2);
  rig.want_at(4000, 1);
  rig.run({without(first_source().run(0, 8000), 2000, 8000), late}, 8000);
  // Two seconds in which nobody knows, then the tables, then the second source.
  EXPECT_GE(rig.longest_gap(0x100, 1900, 4000), 1900);
  EXPECT_LE(rig.longest_gap(0x100, 4020, 8000), 60);
  EXPECT_LE(rig.longest_gap(0, 4020, 8000), 140);
  EXPECT_LE(rig.longest_gap(0x1000, 4020, 8000), 140);
  EXPECT_GT(rig.splicer.counters().filler_packets, 20U);
  const auto clock = rig.clock(0x100);
  EXPECT_FALSE(clock.backwards);
  EXPECT_LT(clock.worst_ns, 1 * kMs);
  EXPECT_TRUE(rig.counter_breaks().empty());
  const auto video = rig.pes(0x100);
  EXPECT_TRUE(rises(video));
  EXPECT_TRUE(is_key(first_of(video, 2)));
}

// What it is filled with, and what of the input itself comes out.
struct Pause {
  explicit Pause(std::int64_t to_ms, std::int64_t late_ms = 0) {
    Source a = first_source();
    packets = without(a.run(0, 6000), 2000, to_ms);
    std::int64_t last = 0;
    for (Timed& t : packets) {
      if (t.ns >= kStart + 2000 * kMs && t.ns < kStart + 3000 * kMs) t.ns += late_ms * kMs;
      last = t.ns = std::max(t.ns, last);  // none overtakes another
    }
    rig.at(1500, [this] { rig.splicer.expect_change(true); });
    rig.at(to_ms + 500, [this] { rig.splicer.expect_change(false); });
    rig.run({packets, second_source().run(1, 6000)}, 6000);
  }
  std::vector<Timed> packets;
  Rig rig{2};
};

TEST(Splicer, PcrGoesOnThroughAShortPauseAndAllElseStaysBitExact) {
  Pause pause(2250);
  const auto clock = pause.rig.clock(0x100);
  EXPECT_LE(clock.gap_ns, 100 * kMs);
  EXPECT_FALSE(clock.backwards);
  EXPECT_LT(clock.worst_ns, 1 * kMs);
  std::vector<Packet> left, sent;
  for (const Timed& t : pause.packets) sent.push_back(t.packet);
  for (const Timed& t : pause.rig.out) {
    const TsPacket p = view(t.packet);
    const bool filler = !p.has_payload() && p.has_pcr();
    if (!filler) left.push_back(t.packet);
  }
  EXPECT_TRUE(left == sent);
  EXPECT_GE(pause.rig.splicer.counters().filler_packets, 6U);
  EXPECT_EQ(pause.rig.out.size(), sent.size() + pause.rig.splicer.counters().filler_packets);
}

TEST(Splicer, APcrThatComesBehindThoseOfAPauseIsLeftOut) {
  Pause pause(2000, 200);  // for a second all comes so late
  const auto clock = pause.rig.clock(0x100);
  EXPECT_FALSE(clock.backwards);
  EXPECT_LE(clock.gap_ns, 250 * kMs);
  for (std::size_t i = 1; i < pause.rig.out.size(); ++i) {
    const TsPacket p = view(pause.rig.out[i].packet);
    if (p.payload_unit_start()) {
      EXPECT_TRUE(p.has_payload());
    }
  }
  const auto video = pause.rig.pes(0x100);
  EXPECT_EQ(video.size(), 150U);
  for (const Pes& p : video) EXPECT_TRUE(p.whole);
  EXPECT_TRUE(rises(video));
}

TEST(Splicer, TablesGoOnTooThroughALongerPause) {
  Pause pause(3800);
  const auto clock = pause.rig.clock(0x100);
  EXPECT_LE(clock.gap_ns, 100 * kMs);
  EXPECT_FALSE(clock.backwards);
  EXPECT_LT(clock.worst_ns, 1 * kMs);
  EXPECT_LE(pause.rig.longest_gap(0, 1500, 5900), 400);
  EXPECT_LE(pause.rig.longest_gap(0x1000, 1500, 5900), 400);
  for (const std::uint16_t pid : pause.rig.counter_breaks()) EXPECT_TRUE(pid == 0x100 || pid == 0x101) << pid;
  EXPECT_EQ(pause.rig.splicer.counters().switches, 0U);
}

TEST(Splicer, AnInputThatStoodStillAndGoesOnWhereItWasLeavesNoPcrBehindThoseOfThePause) {
  Pause pause(2000, 1500);
  const auto clock = pause.rig.clock(0x100);
  EXPECT_FALSE(clock.backwards);
  EXPECT_TRUE(rises(pause.rig.pes(0x100)));
}

TEST(Splicer, APauseThatNothingWillEndIsNotFilled) {
  const auto packets = without(first_source().run(0, 4000), 2000, 3000);
  Rig rig(2);
  rig.run({packets, second_source().run(1, 4000)}, 4000);
  EXPECT_EQ(rig.out.size(), packets.size());
}

TEST(Splicer, FallsSilentWhenTheWantedInputDoesNotComeEither) {
  Rig rig(2);
  rig.want_at(2000, 1);
  rig.run({without(first_source().run(0, 9000), 2000, 9000), {}}, 9000);
  EXPECT_LT((rig.out.back().ns - kStart) / kMs, 4100);
  EXPECT_GT((rig.out.back().ns - kStart) / kMs, 3900);
}

TEST(Splicer, TheInputOnAirGoesOnWhileTheWantedOneDoesNotCome) {
  const auto packets = first_source().run(0, 6000);
  Rig rig(2);
  rig.want_at(1000, 1);
  rig.run({packets, {}}, 6000);
  ASSERT_EQ(rig.out.size(), packets.size());
  for (std::size_t i = 0; i < packets.size(); ++i) ASSERT_TRUE(rig.out[i].packet == packets[i].packet) << i;
}

TEST(Splicer, ComesBackToTheInputOnAirWithoutASwitch) {
  Rig rig(2);
  rig.want_at(3000, 1);
  rig.want_at(3500, 0);
  rig.run({without(first_source().run(0, 6000), 2000, 4000), without(second_source().run(1, 6000), 0, 6000)},
          6000);
  EXPECT_EQ(rig.splicer.counters().switches, 0U);
  EXPECT_GT(rig.splicer.counters().filler_packets, 10U);
  for (const std::uint16_t pid : rig.counter_breaks()) EXPECT_TRUE(pid == 0x100 || pid == 0x101) << pid;
  EXPECT_FALSE(rig.clock(0x100).backwards);
  EXPECT_LT(rig.clock(0x100).worst_ns, 1 * kMs);
  EXPECT_EQ(tags(rig.pes(0x100)).back(), 1);
}

TEST(Splicer, WithoutARandomAccessPointSwitchesHardAfterTwoSeconds) {
  Source b = second_source();
  b.first_key = -1;
  Rig rig(2);
  rig.want_at(2000, 1);
  rig.run({first_source().run(0, 6000), b.run(1, 6000)}, 6000);
  EXPECT_EQ(rig.splicer.counters().hard_switches, 1U);
  ASSERT_EQ(rig.splices.size(), 1U);
  EXPECT_GE(rig.splices[0], 4000);
  EXPECT_LE(rig.splices[0], 4100);
  const auto clock = rig.clock(0x100);
  EXPECT_EQ(clock.discontinuities, 1);
  EXPECT_FALSE(clock.backwards);
  EXPECT_LT(clock.worst_ns, 1 * kMs);
  for (const Pes& p : rig.pes(0x100)) EXPECT_TRUE(p.whole);
}

TEST(Splicer, RecognisesARandomAccessPointBehindLongHeaders) {
  for (const std::uint8_t type : std::initializer_list<std::uint8_t>{0x02, 0x1B, 0x24}) {
    Source a = first_source(), b = second_source();
    a.tracks[0].stream_type = b.tracks[0].stream_type = type;
    b.headers = 700;
    b.picture_size = 9000;
    Rig rig(2);
    rig.want_at(2000, 1);
    rig.run({a.run(0, 5000), b.run(1, 5000)}, 5000);
    EXPECT_EQ(rig.splicer.counters().hard_switches, 0U) << int{type};
    ASSERT_EQ(rig.splices.size(), 1U) << int{type};
    EXPECT_LE(rig.splices[0], 2540) << int{type};
    const auto video = rig.pes(0x100);
    for (const Pes& p : video) EXPECT_TRUE(p.whole) << int{type};
    EXPECT_GT(first_of(video, 2).payload.size(), 8000U) << int{type};
    EXPECT_TRUE(rig.counter_breaks().empty());
    EXPECT_FALSE(rig.clock(0x100).backwards);
  }
}

TEST(Splicer, DropsLeadingPicturesOfAnOpenGroupAndMarksIt) {
  for (const std::uint8_t type : std::initializer_list<std::uint8_t>{0x02, 0x24}) {
    Source a = first_source(), b = second_source();
    a.tracks[0].stream_type = b.tracks[0].stream_type = type;
    b.open_group = true;
    Rig rig(2);
    rig.want_at(2000, 1);
    rig.run({a.run(0, 6000), b.run(1, 6000)}, 6000);
    EXPECT_EQ(rig.splicer.counters().hard_switches, 0U);
    const auto video = rig.pes(0x100);
    const auto first = std::find_if(video.begin(), video.end(), [](const Pes& p) { return p.tag == 2; });
    ASSERT_NE(first, video.end());
    int leading_at_once = 0, leading_later = 0, links = 0, key_pictures = 0;
    for (auto p = first; p != video.end(); ++p) {
      const bool key = type == 0x02 ? is_key(*p) : p->payload[10] >> 1 == 21 || p->payload[10] >> 1 == 16;
      const bool leading = type == 0x02 ? p->payload[5] == 0x1F : p->payload[10] >> 1 == 9;
      const bool link = type == 0x02 ? key && (p->payload[19] & 0x20) != 0 : p->payload[10] >> 1 == 16;
      if (leading) ++(p - first < 20 ? leading_at_once : leading_later);
      key_pictures += key ? 1 : 0;
      if (link) {
        ++links;
        EXPECT_EQ(p, first);
      }
      EXPECT_TRUE(p->whole);
    }
    EXPECT_EQ(links, 1) << int{type};
    EXPECT_GE(key_pictures, 3) << int{type};
    EXPECT_EQ(leading_at_once, 0) << int{type};
    EXPECT_GE(leading_later, 4) << int{type};
    EXPECT_TRUE(rises(video));
    EXPECT_TRUE(rig.counter_breaks().empty());
    EXPECT_LE(rig.clock(0x100).gap_ns, 90 * kMs);  // the PCR of what is dropped goes on
  }
}

TEST(Splicer, TimesNeverStepBackToAnInputThatIsSentLessAhead) {
  for (const bool reordered : {false, true}) {
    Source a = first_source(), b = second_source();
    a.lead_ms = 900;
    b.lead_ms = 200;
    (reordered ? a : b).open_group = true;
    Rig rig(2);
    rig.want_at(1000, 1);
    rig.run({a.run(0, 4000), b.run(1, 4000)}, 4000);
    const auto video = rig.pes(0x100);
    EXPECT_EQ(tags(video), (std::vector{1, 2}));
    EXPECT_TRUE(rises(video));
    std::uint64_t last_shown = 0;
    for (const Pes& p : video) {
      EXPECT_GE(remux::wrap_distance(p.pts, p.dts, kPtsModulus), 0);
      if (p.tag == 1) last_shown = std::max(last_shown, p.pts);
      EXPECT_TRUE(p.tag != 2 || p.pts > last_shown);
    }
    EXPECT_TRUE(rises(rig.pes(0x101)));
    // Soon after the times are the source's own again.
    EXPECT_EQ(remux::wrap_distance(video.back().dts, (video.end() - 2)->dts, kPtsModulus), 3600);
    EXPECT_LT(rig.clock(0x100).worst_ns, 1 * kMs);
    EXPECT_TRUE(rig.counter_breaks().empty());
  }
}

// Sound is sent 60 of every 120 ms, so that at most what the other source has under way is lost.
TEST(Splicer, SoundGoesOnUntilThatOfTheNextInputBegins) {
  for (const int key : {3, 7, 11, 14, 19, 23}) {
    Source a = first_source(), b = second_source();
    b.first_key = key;
    Rig rig(2);
    rig.want_at(1000, 1);
    rig.run({a.run(0, 4000), b.run(1, 4000)}, 4000);
    const auto audio = rig.pes(0x101);
    for (std::size_t i = 1; i < audio.size(); ++i) {
      EXPECT_TRUE(audio[i].whole);
      const std::int64_t step = remux::wrap_distance(audio[i].dts, audio[i - 1].dts, kPtsModulus);
      EXPECT_GE(step, 120 * 90 - 900) << key;
      EXPECT_LE(step, 240 * 90) << key;
    }
    EXPECT_EQ(tags(audio), (std::vector{1, 2}));
    EXPECT_TRUE(rig.counter_breaks().empty());
  }
}

TEST(Splicer, AbsorbsTheJumpOfASourceAfterASwitch) {
  for (const std::int64_t lead_ms : {500, 100}) {
    Source b = second_source(), again = second_source();
    again.clock = 0;  // a publisher that came again
    again.begin = kStart + 4007 * kMs;
    again.lead_ms = lead_ms;
    auto packets = without(b.run(1, 8000), 4000, 8000);
    const auto more = again.run(1, 3900);
    packets.insert(packets.end(), more.begin(), more.end());
    Rig rig(2);
    rig.want_at(1000, 1);
    rig.run({first_source().run(0, 8000), packets}, 7800);
    EXPECT_EQ(rig.splicer.counters().switches, 1U);
    const auto clock = rig.clock(0x100);
    EXPECT_FALSE(clock.backwards);
    EXPECT_LT(clock.worst_ns, 1 * kMs);
    EXPECT_TRUE(rises(rig.pes(0x100))) << lead_ms;
    EXPECT_TRUE(rises(rig.pes(0x101))) << lead_ms;
  }
}

TEST(Splicer, GivesAnInputThatBeginsLateItsTwoSeconds) {
  Source b = second_source();
  b.begin = kStart + 4507 * kMs;
  b.first_key = 20;
  Rig rig(2);
  rig.want_at(1000, 1);
  rig.run({first_source().run(0, 8000), b.run(1, 3500)}, 8000);
  EXPECT_EQ(rig.splicer.counters().switches, 1U);
  EXPECT_EQ(rig.splicer.counters().hard_switches, 0U);
  EXPECT_TRUE(is_key(first_of(rig.pes(0x100), 2)));
}

TEST(Splicer, DoesNotTakeAStallForAJump) {
  auto packets = second_source().run(1, 8000);
  const std::int64_t from = kStart + 4000 * kMs, to = kStart + 5500 * kMs;
  for (Timed& t : packets) {
    if (t.ns >= from && t.ns < to) t.ns = to;  // all of it comes at once
  }
  Rig rig(2);
  rig.want_at(1000, 1);
  rig.run({first_source().run(0, 8000), packets}, 8000);
  const auto video = rig.pes(0x100), audio = rig.pes(0x101);
  for (const auto* list : {&video, &audio}) {
    EXPECT_TRUE(rises(*list));
    // Nothing is missing, nothing moved: one step for all.
    const auto first = std::find_if(list->begin(), list->end(), [](const Pes& p) { return p.tag == 2; });
    for (auto p = first + 1; p != list->end(); ++p) {
      EXPECT_EQ(remux::wrap_distance(p->dts, (p - 1)->dts, kPtsModulus), list == &video ? 3600 : 10'800);
    }
  }
  EXPECT_FALSE(rig.clock(0x100).backwards);
  EXPECT_LT(rig.clock(0x100, 5600).worst_ns, 1 * kMs);
}

TEST(Splicer, DoesNotAllocateWhileItSendsOrSwitches) {
  const auto one = first_source().run(0, 6000), two = second_source().run(1, 6000);
  std::vector<Timed> all = one;
  all.insert(all.end(), two.begin(), two.end());
  std::stable_sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.ns < b.ns; });
  Splicer splicer(2);
  for (const Timed& t : all) {
    const std::int64_t ms = (t.ns - kStart) / kMs;
    if (ms >= 1000) splicer.want(1, t.ns);
    const std::uint64_t now = headgate::test::allocations();
    splicer.on_packet(t.input, view(t.packet), t.ns);
    splicer.on_time(t.ns);
    // The plan for the next input and what takes it over are tables.
    const bool first_tables = ms < 500, planning = ms >= 1000 && ms <= 1100;
    const bool taking_over = ms >= 1400 && ms <= 1600;
    if (!first_tables && !planning && !taking_over) {
      EXPECT_EQ(headgate::test::allocations(), now) << ms;
    }
  }
  EXPECT_EQ(splicer.counters().switches, 1U);
}

TEST(InputClock, TakesThePcrThatCameSoonest) {
  remux::InputClock clock;
  std::int64_t now = kStart;
  for (int i = 0; i < 200; ++i, now += 20 * kMs) {
    const std::int64_t late = i % 3 == 0 ? 0 : 15 * kMs;
    clock.on_pcr(static_cast<std::uint64_t>(now - kStart) / 1000 * 27 + 5000, false, now + late);
  }
  EXPECT_NEAR(static_cast<double>(clock.at(now)), static_cast<double>((now - kStart) / 1000 * 27 + 5000),
              2700);
}

TEST(InputClock, TellsAJumpAndWhatItWouldHaveShown) {
  remux::InputClock clock;
  EXPECT_FALSE(clock.on_pcr(27'000'000, false, kStart));
  EXPECT_FALSE(clock.on_pcr(27'000'000 + 2'700'000, false, kStart + 100 * kMs));
  const auto expected = clock.on_pcr(500'000'000, false, kStart + 200 * kMs);
  ASSERT_TRUE(expected);
  EXPECT_EQ(*expected, 27'000'000U + 5'400'000U);
  EXPECT_EQ(clock.at(kStart + 300 * kMs), 502'700'000U);
  // Late, but it follows: a stall until a second has passed.
  std::int64_t now = kStart + 2500 * kMs;
  std::uint64_t pcr = 502'700'000;
  int jumps = 0;
  for (int i = 0; i < 15; ++i, now += 100 * kMs) {
    if (clock.on_pcr(pcr += 2'700'000, false, now)) ++jumps;
    EXPECT_EQ(jumps, i < 10 ? 0 : 1) << i;
  }
  // Signalled, a smaller one is enough.
  EXPECT_TRUE(clock.on_pcr(pcr + 8'100'000, true, now));
}

}  // namespace
}  // namespace headgate::mpegts
