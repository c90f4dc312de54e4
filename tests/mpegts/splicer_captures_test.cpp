// Two captures spliced to and fro: what no generated stream has, such as reordered pictures, sparse PCR and
// tables of other makers. Needs HEADGATE_STREAMS.
#include <gtest/gtest.h>

#include <set>

#include "mpegts/clock/pacer.h"
#include "mpegts/remux/splicer.h"
#include "splice_support.h"

namespace headgate::mpegts {
namespace {

using namespace test;

constexpr std::int64_t kLength = 18'000;
constexpr std::int64_t kTurn = 2500;

// At the pace of its PCR; empty without the captures.
std::vector<Timed> play(std::size_t input, const std::vector<std::string>& names) {
  Pacer pacer;
  PacedPacket paced;
  std::vector<Timed> played;
  const auto drain = [&] {
    while (pacer.pop(paced)) {
      played.push_back({kStart + paced.departure.count(), input, {}});
      played.back().packet = paced.bytes;
    }
  };
  for (const std::string& name : names) {
    const auto bytes = capture(name);
    if (!bytes) return {};
    for (const Packet& p : split(*bytes)) {
      pacer.push(view(p));
      drain();
    }
  }
  pacer.end_of_loop();
  drain();
  std::erase_if(played, [](const Timed& t) { return t.ns > kStart + kLength * kMs; });
  return played;
}

// From PCR to DTS, in 27 MHz, where one packet has both.
std::multiset<std::int64_t> leads(const std::vector<Timed>& packets) {
  std::multiset<std::int64_t> found;
  for (const Timed& t : packets) {
    const TsPacket p = view(t.packet);
    const auto times = remux::pes_times(p);
    if (!p.has_pcr() || !times || !times->dts) continue;
    found.insert(remux::wrap_distance(times->dts->ticks * 300, p.pcr()->ticks, kPcrModulus));
  }
  return found;
}

TEST(SplicerCaptures, GoOnThroughEverySwitch) {
  const auto a = play(0, {"scte35-h264-bframes-aac-80s.ts"});
  const auto b = play(1, {"h264-aac-0.ts", "h264-aac-1.ts", "h264-aac-2.ts"});
  if (a.empty() || b.empty()) GTEST_SKIP() << "HEADGATE_STREAMS is not set";
  Rig rig(2);
  for (int i = 1; i * kTurn < kLength; ++i) rig.want_at(i * kTurn, static_cast<std::size_t>(i % 2));
  rig.run({a, b}, kLength);

  EXPECT_EQ(rig.splicer.counters().switches, 7U);
  EXPECT_EQ(rig.splicer.counters().hard_switches, 0U);
  const auto clock = rig.clock(0x100);
  EXPECT_GT(clock.count, 150U);
  EXPECT_FALSE(clock.backwards);
  EXPECT_LT(clock.worst_ns, 1 * kMs);
  EXPECT_EQ(clock.discontinuities, 0);
  for (const std::uint16_t pid : std::initializer_list<std::uint16_t>{0x100, 0x101}) {
    const auto list = rig.pes(pid);
    EXPECT_GT(list.size(), 300U);
    EXPECT_TRUE(rises(list)) << pid;
    // The end of the run cuts the last one.
    for (std::size_t i = 0; i + 1 < list.size(); ++i) EXPECT_FALSE(list[i].damaged) << pid << " " << i;
  }
  // The first capture repeats packets of its PMT, and leaves as it is until the first switch.
  const std::int64_t first = kStart + rig.splices.front() * kMs;
  std::erase_if(rig.out, [&](const Timed& t) { return t.ns < first; });
  EXPECT_TRUE(rig.counter_breaks().empty());

  // Pictures that catch up at a seam are moved; all others keep their distance to the PCR.
  std::erase_if(rig.out, [&](const Timed& t) {
    return std::any_of(rig.splices.begin(), rig.splices.end(), [&](std::int64_t ms) {
      const std::int64_t since = t.ns - kStart - ms * kMs;
      return since >= -kMs && since < 1200 * kMs;
    });
  });
  auto sources = leads(a);
  sources.merge(leads(b));
  std::size_t same = 0, moved = 0;
  for (const std::int64_t lead : leads(rig.out)) ++(sources.contains(lead) ? same : moved);
  EXPECT_GT(same, 50U);
  EXPECT_EQ(moved, 0U);
}

}  // namespace
}  // namespace headgate::mpegts
