#include "dataplane/fastpath/switch/failover.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace headgate::fastpath {
namespace {

using protocol::FailoverState;
using protocol::Trouble;

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kStart = 1'700'000'000'000'000'000;

FailoverState policy(std::uint32_t after_ms, std::uint32_t hold_ms, bool back = true) {
  FailoverState p;
  p.after_ms = after_ms;
  p.hold_ms = hold_ms;
  p.back = back;
  return p;
}

// An input that is well, but for what a scenario takes away while it lasts.
struct Rig {
  explicit Rig(const FailoverState& p, std::size_t inputs = 2) : failover(p, inputs), count(inputs) {}

  Failover failover;
  std::size_t count;
  struct Fault {
    std::size_t input;
    std::int64_t from, to;  // milliseconds
    std::function<void(InputView&, std::int64_t began_ns)> does;
  };
  std::vector<Fault> faults;
  std::multimap<std::int64_t, std::function<void()>> actions;
  std::vector<std::pair<std::int64_t, std::size_t>> changes;  // when, to what
  std::size_t chosen = 0;
  std::vector<std::uint64_t> cc = std::vector<std::uint64_t>(8, 0);

  void run(std::int64_t until_ms) {
    for (std::int64_t ms = 0; ms <= until_ms; ms += 20) {
      const std::int64_t now = kStart + ms * kMs;
      for (std::size_t i = 0; i < count; ++i) {
        InputView view;
        view.last_packet_ns = view.last_pat_ns = view.last_pmt_ns = view.last_pcr_ns = now - 5 * kMs;
        view.bitrate_bps = 4'000'000;
        view.cc_errors = cc[i];
        for (const Fault& f : faults) {
          if (f.input == i && ms >= f.from && ms < f.to) f.does(view, kStart + f.from * kMs);
        }
        cc[i] = view.cc_errors;
        failover.observe(i, view, now);
      }
      for (; !actions.empty() && actions.begin()->first <= ms; actions.erase(actions.begin())) {
        actions.begin()->second();
      }
      const std::size_t next = failover.choose(now);
      if (next != chosen) changes.emplace_back(ms, next);
      chosen = next;
    }
  }
};

void no_data(InputView& v, std::int64_t began) {
  v.last_packet_ns = v.last_pat_ns = v.last_pmt_ns = v.last_pcr_ns = began;
}
void never(InputView& v, std::int64_t) { v = InputView{}; }
void cc_errors(InputView& v, std::int64_t) { ++v.cc_errors; }

using Changes = std::vector<std::pair<std::int64_t, std::size_t>>;

// Within two looks at the inputs.
void expect(const Changes& got, const Changes& wanted, const std::string& name) {
  ASSERT_EQ(got.size(), wanted.size()) << name;
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].second, wanted[i].second) << name;
    EXPECT_GE(got[i].first, wanted[i].first - 20) << name;
    EXPECT_LE(got[i].first, wanted[i].first + 60) << name;
  }
}

TEST(Failover, GoesByItsTable) {
  struct Case {
    std::string name;
    FailoverState policy;
    std::vector<Rig::Fault> faults;
    std::int64_t until;
    Changes changes;
  };
  const auto scrambled = [](InputView& v, std::int64_t) { v.scrambled = true; };
  const auto no_sync = [](InputView& v, std::int64_t) { v.synchronous = false; };
  const auto no_pat = [](InputView& v, std::int64_t began) { v.last_pat_ns = began; };
  const auto no_pmt = [](InputView& v, std::int64_t began) { v.last_pmt_ns = began; };
  const auto no_pcr = [](InputView& v, std::int64_t began) { v.last_pcr_ns = began; };
  const auto pid = [](InputView& v, std::int64_t) { v.pid_missing = true; };
  FailoverState all = policy(500, 3000);
  all.when = {Trouble::no_data, Trouble::sync, Trouble::cc,        Trouble::pat,    Trouble::pmt,
              Trouble::pcr,     Trouble::pid,  Trouble::scrambled, Trouble::bitrate};
  FailoverState only_pid = policy(500, 3000);
  only_pid.when = {Trouble::pid};
  const std::vector<Case> cases{
      {"all well", all, {}, 20000, {}},
      {"no data, and back after hold",
       policy(2000, 10000),
       {{0, 5000, 12000, no_data}},
       30000,
       {{7000, 1}, {22000, 0}}},
      {"shorter than after", policy(2000, 10000), {{0, 5000, 6900, no_data}}, 20000, {}},
      {"manual back stays", policy(500, 1000, false), {{0, 5000, 6000, no_data}}, 30000, {{5500, 1}}},
      {"manual back, until the chosen fails",
       policy(500, 1000, false),
       {{0, 5000, 6000, no_data}, {1, 9000, 9900, no_data}},
       20000,
       {{5500, 1}, {9500, 0}}},
      {"both gone: the current stays",
       policy(500, 1000),
       {{0, 5000, 9000, no_data}, {1, 4000, 9000, no_data}},
       8900,
       {}},
      {"both gone, the backup comes first",
       policy(500, 1000),
       {{0, 5000, 9000, no_data}, {1, 4000, 7000, no_data}},
       8900,
       {{7020, 1}}},
      {"a troubled stream is better than none",
       policy(500, 1000),
       {{0, 5000, 20000, no_data}, {1, 0, 20000, scrambled}},
       15000,
       {{5500, 1}}},
      {"both troubled: stays",
       policy(500, 1000),
       {{0, 5000, 9000, scrambled}, {1, 0, 9000, scrambled}},
       8900,
       {}},
      {"scrambled", policy(500, 1000), {{0, 5000, 7000, scrambled}}, 20000, {{5500, 1}, {8000, 0}}},
      {"lost sync", policy(500, 1000), {{0, 5000, 7000, no_sync}}, 20000, {{5500, 1}, {8000, 0}}},
      {"no PAT", policy(500, 1000), {{0, 5000, 7000, no_pat}}, 20000, {{5500, 1}, {8000, 0}}},
      {"no PMT", policy(2000, 1000), {{0, 5000, 9000, no_pmt}}, 20000, {{7000, 1}, {10000, 0}}},
      {"a PAT every 450 ms, after 300 ms", policy(300, 1000), {{0, 5000, 5450, no_pat}}, 20000, {}},
      {"no PCR", policy(500, 1000), {{0, 5000, 7000, no_pcr}}, 20000, {{5500, 1}, {8000, 0}}},
      {"a PID is silent, not asked for", policy(500, 1000), {{0, 5000, 9000, pid}}, 20000, {}},
      {"a PID is silent", only_pid, {{0, 5000, 7000, pid}}, 20000, {{5500, 1}, {10000, 0}}},
      {"flaps shorter than hold keep away",
       policy(500, 5000),
       {{0, 5000, 6000, no_data}, {0, 8000, 9000, no_data}, {0, 12000, 13000, no_data}},
       30000,
       {{5500, 1}, {18000, 0}}},
      {"CC errors that go on", all, {{0, 5000, 7000, cc_errors}}, 20000, {{5500, 1}, {11000, 0}}},
      {"a burst of CC errors", all, {{0, 5000, 5400, cc_errors}}, 20000, {}},
      {"CC errors not asked for", policy(500, 1000), {{0, 5000, 9000, cc_errors}}, 20000, {}},
      {"half of its bitrate",
       all,
       {{0, 9000, 11000, [](InputView& v, std::int64_t) { v.bitrate_bps = 1'500'000; }}},
       30000,
       {{9500, 1}, {14000, 0}}},
      {"a little less than its bitrate",
       all,
       {{0, 9000, 11000, [](InputView& v, std::int64_t) { v.bitrate_bps = 2'500'000; }}},
       30000,
       {}},
      {"nothing ever came", policy(2000, 1000), {{0, 0, 9000, never}}, 20000, {{2000, 1}, {10000, 0}}},
      {"nothing ever came anywhere",
       policy(2000, 1000),
       {{0, 0, 9000, never}, {1, 0, 9000, never}},
       8000,
       {}},
  };
  for (const Case& c : cases) {
    Rig rig(c.policy);
    rig.faults = c.faults;
    rig.run(c.until);
    expect(rig.changes, c.changes, c.name);
  }
}

TEST(Failover, TablesThatNobodyCanExpectAreNotMissed) {
  Rig rig(policy(500, 1000));
  rig.faults = {{0, 0, 20000, [](InputView& v, std::int64_t) {
                   v.tables_expected = false;
                   v.last_pat_ns = v.last_pmt_ns = v.last_pcr_ns = 0;
                 }}};
  rig.run(10000);
  EXPECT_TRUE(rig.changes.empty());
}

TEST(Failover, ForcedInputWinsWhateverItsState) {
  Rig rig(policy(500, 2000), 3);
  rig.faults = {{2, 0, 30000, never}};
  rig.actions.emplace(3000, [&] { rig.failover.force(2); });
  rig.actions.emplace(9000, [&] { rig.failover.force(1); });
  rig.actions.emplace(12000, [&] { rig.failover.release(); });
  rig.run(20000);
  // Released: by itself to the preferred one, which has been good all the time.
  expect(rig.changes, {{3000, 2}, {9000, 1}, {12000, 0}}, "forced");
  EXPECT_FALSE(rig.failover.good(2));
  EXPECT_TRUE(rig.failover.good(0));
}

TEST(Failover, ReleasedWithoutBackItStaysWhereItIs) {
  Rig rig(policy(500, 2000, false));
  rig.actions.emplace(3000, [&] { rig.failover.force(1); });
  rig.actions.emplace(5000, [&] { rig.failover.release(); });
  rig.run(20000);
  expect(rig.changes, {{3000, 1}}, "released");
}

TEST(Failover, TakesTheMostPreferredOfSeveral) {
  Rig rig(policy(500, 2000), 4);
  rig.faults = {{0, 5000, 30000, no_data}, {1, 3000, 12000, no_data}, {2, 0, 100, no_data}};
  rig.run(20000);
  expect(rig.changes, {{5500, 2}, {14000, 1}}, "four inputs");
}

TEST(Failover, TellsThatAChangeIsAhead) {
  FailoverState p = policy(500, 2000);
  const auto ahead = [&](std::vector<Rig::Fault> faults, std::int64_t at_ms,
                         std::function<void(Rig&)> do_first = {}) {
    Rig rig(p);
    if (do_first) do_first(rig);
    rig.faults = std::move(faults);
    rig.run(at_ms);
    return rig.failover.change_ahead();
  };
  const auto pid = [](InputView& v, std::int64_t) { v.pid_missing = true; };
  EXPECT_FALSE(ahead({{0, 1000, 9000, pid}}, 1300)) << "not asked for";
  EXPECT_TRUE(ahead({{0, 1000, 9000, no_data}}, 1300));
  EXPECT_FALSE(ahead({{0, 1000, 9000, no_data}}, 1300, [](Rig& rig) { rig.failover.force(0); }));
  EXPECT_TRUE(ahead({{0, 1000, 9000, no_data}, {1, 1000, 9000, no_data}}, 1300)) << "one may come back first";
  EXPECT_FALSE(ahead({{0, 1000, 9000, no_data}, {1, 1000, 9000, no_data}}, 1800))
      << "there is nothing to change to";
  p.when = {Trouble::pid};
  EXPECT_FALSE(ahead({}, 1300));
  EXPECT_TRUE(ahead({{0, 1000, 9000, pid}}, 1300));
}

TEST(Failover, TellsTroublesThatLast) {
  Rig rig(policy(500, 2000));
  rig.faults = {{0, 1000, 9000, [](InputView& v, std::int64_t) { v.scrambled = true; }}};
  rig.run(1400);
  EXPECT_EQ(rig.failover.troubles(0), 0U);
  rig.run(3000);
  EXPECT_EQ(rig.failover.troubles(0), 1U << static_cast<unsigned>(Trouble::scrambled));
  EXPECT_EQ(rig.failover.troubles(1), 0U);
  EXPECT_EQ(rig.failover.troubles(7), 0U);
}

TEST(Failover, ANewPolicyHoldsAtOnce) {
  Rig rig(policy(500, 2000));
  rig.faults = {{0, 1000, 20000, [](InputView& v, std::int64_t) { v.pid_missing = true; }}};
  rig.actions.emplace(5000, [&] {
    FailoverState p = policy(500, 2000);
    p.when = {Trouble::pid};
    rig.failover.set_policy(p);
  });
  rig.run(9000);
  expect(rig.changes, {{5020, 1}}, "policy");
}

TEST(Failover, InputsBeyondItsCountAreIgnored) {
  Failover failover(policy(500, 2000), 2);
  failover.observe(5, InputView{}, kStart);
  failover.force(2);
  EXPECT_EQ(failover.choose(kStart), 0U);
  Failover none(policy(500, 2000), 0);
  EXPECT_EQ(none.choose(kStart), 0U);
}

// What the bridge says of an input: seen by it from `from` on, as its verdict comes `late` after that.
Rig::Fault black(std::size_t input, std::int64_t from, std::int64_t to, std::int64_t late) {
  return {input, from + late, to, [late](InputView& view, std::int64_t began) {
            view.watched = true;
            view.black_since_ns = began - late * kMs;
          }};
}
Rig::Fault well(std::size_t input, std::int64_t from, std::int64_t to) {
  return {input, from, to, [](InputView& view, std::int64_t) { view.watched = true; }};
}
FailoverState watching() {
  FailoverState p = policy(2000, 10'000);
  p.when.push_back(Trouble::black);
  return p;
}

TEST(Failover, WhatIsSeenSwitchesAtOnceWhenItLastedAlready) {
  Rig rig(watching());
  rig.faults = {well(0, 0, 13'000), black(0, 10'000, 60'000, 3000)};
  rig.run(20'000);
  ASSERT_EQ(rig.changes.size(), 1U);
  EXPECT_EQ(rig.changes[0].second, 1U);
  EXPECT_NEAR(static_cast<double>(rig.changes[0].first), 13'000, 40);
  EXPECT_TRUE(rig.failover.to_be_watched(0));
  EXPECT_FALSE(rig.failover.to_be_watched(1));
}

TEST(Failover, WhatIsSeenAndNotNamedIsNoTrouble) {
  Rig rig(policy(2000, 10'000));
  rig.faults = {black(0, 10'000, 60'000, 3000)};
  rig.run(30'000);
  EXPECT_TRUE(rig.changes.empty());
}

TEST(Failover, ComesBackWhenItsWatcherSaysThatItIsGood) {
  Rig rig(watching());
  rig.faults = {well(0, 0, 13'000), black(0, 10'000, 60'000, 3000), well(0, 60'000, 100'000)};
  rig.run(100'000);
  ASSERT_EQ(rig.changes.size(), 2U);
  EXPECT_NEAR(static_cast<double>(rig.changes[1].first), 70'000, 100);
  EXPECT_FALSE(rig.failover.to_be_watched(0));
}

TEST(Failover, WithoutAVerdictItIsTriedAgainAfterDistrustAndHold) {
  Rig rig(watching());
  rig.faults = {well(0, 0, 13'000), black(0, 10'000, 20'000, 3000)};
  rig.run(60'000);
  ASSERT_EQ(rig.changes.size(), 2U);
  EXPECT_NEAR(static_cast<double>(rig.changes[1].first), 40'000, 100);
}

TEST(Failover, ADeadWatcherMakesNoTroubleOfTheInputOnAir) {
  Rig rig(watching(), 1);
  rig.faults = {black(0, 10'000, 20'000, 3000)};
  rig.run(30'000);
  EXPECT_EQ(rig.failover.troubles(0), 0U);
}

}  // namespace
}  // namespace headgate::fastpath
