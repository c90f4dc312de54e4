#include "dataplane/fastpath/host/multicast_host.h"

#include "tests/fastpath/host_support.h"

namespace headgate::fastpath {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using enum RecordType;

constexpr Ipv4 kGroup{0xEF010101};
constexpr Ipv4 kOther{0xEF010102};
constexpr Ipv4 kA{0x0A000001};
constexpr Ipv4 kB{0x0A000002};
constexpr Ipv4 kC{0x0A000003};
constexpr std::optional<Ipv4> kAny = std::nullopt;

class MulticastHostTest : public testing::Test {
 protected:
  void start(IgmpVersionMode mode = IgmpVersionMode::automatic, Ipv4 address = kOwn) {
    host_ = std::make_unique<MulticastHost>(
        IgmpSender{kOwnMac, 0, address}, 1500, mode, [this](std::uint64_t bound) { return bound / divide_; },
        sink_);
  }
  void SetUp() override { start(); }
  void hear(const std::vector<std::uint8_t>& frame) {
    host_->on_packet(*parse_ipv4_packet(parse_ethernet(frame)->payload), now_);
  }
  // Runs the timers up to `time` from now.
  void run(Time time) {
    const Time end = now_ + time;
    host_->on_timer(now_);
    for (auto next = host_->next_deadline(); next && *next <= end; next = host_->next_deadline()) {
      now_ = std::max(now_, *next);
      host_->on_timer(now_);
    }
    now_ = end;
  }
  void settle() {
    run(seconds(60));
    sink_.take();
  }
  RecordingSink sink_;
  std::unique_ptr<MulticastHost> host_;
  std::uint64_t divide_ = 2;  // random delays are half their bound
  Time now_ = seconds(1000);
};

// RFC 3376 5.1: old state, new state, record sent.
TEST_F(MulticastHostTest, StateChangesSendTheRecordsOfTheTable) {
  struct Step {
    bool join;
    std::optional<Ipv4> source;
    std::vector<GroupRecord> records;
  };
  const Step steps[] = {
      {true, kA, {{allow_new_sources, kGroup, {kA}}}},  // INCLUDE () -> INCLUDE (A)
      {true, kB, {{allow_new_sources, kGroup, {kB}}}},  // -> INCLUDE (A,B)
      {true, kB, {}},                                   // another reference
      {false, kB, {}},
      {true, kAny, {{change_to_exclude, kGroup, {}}}},             // -> EXCLUDE ()
      {true, kC, {}},                                              // more sources change nothing there
      {false, kAny, {{change_to_include, kGroup, {kA, kB, kC}}}},  // -> INCLUDE (A,B,C)
      {false, kC, {{block_old_sources, kGroup, {kC}}}},
      {false, kB, {{block_old_sources, kGroup, {kB}}}},
      {false, kA, {{block_old_sources, kGroup, {kA}}}},  // -> gone
      {true, kAny, {{change_to_exclude, kGroup, {}}}},
      {false, kAny, {{change_to_include, kGroup, {}}}},
  };
  for (const Step& step : steps) {
    ASSERT_TRUE(step.join ? host_->join(kGroup, step.source, now_) : host_->leave(kGroup, step.source, now_));
    host_->on_timer(now_);
    EXPECT_EQ(sink_.take_records(), step.records);
    settle();
  }
  EXPECT_EQ(host_->counters().groups, 0U);
  EXPECT_FALSE(host_->next_deadline());
}

TEST_F(MulticastHostTest, ChangeIsRepeatedByTheRobustnessVariableWithinASecond) {
  hear(v3_query({}, {}, 10, kPeer, 4));
  host_->join(kGroup, kAny, now_);
  host_->on_timer(now_);
  EXPECT_THAT(sink_.take(), SizeIs(1));
  const Time joined = now_;
  std::size_t repeats = 0;
  while (host_->next_deadline()) {
    const Time next = *host_->next_deadline();
    EXPECT_LE(next - now_, seconds(1));
    now_ = next;
    host_->on_timer(now_);
    for (const GroupRecord& record : sink_.take_records())
      repeats += record.type == change_to_exclude ? 1 : 0;
  }
  EXPECT_EQ(repeats, 3U);
  EXPECT_GT(now_, joined);
}

TEST_F(MulticastHostTest, LeaveReplacesAJoinThatWasStillBeingRepeated) {
  host_->join(kGroup, kA, now_);
  host_->on_timer(now_);
  sink_.take();
  host_->leave(kGroup, kA, now_);
  run(seconds(10));
  EXPECT_THAT(sink_.take_records(), ElementsAre(GroupRecord{block_old_sources, kGroup, {kA}},
                                                GroupRecord{block_old_sources, kGroup, {kA}}));
}

TEST_F(MulticastHostTest, WhatCannotBeJoinedIsRefused) {
  EXPECT_FALSE(host_->join({0x0A000001}, kAny, now_));
  EXPECT_FALSE(host_->join(kAllSystems, kAny, now_));
  EXPECT_FALSE(host_->join(kGroup, kOther, now_));
  EXPECT_FALSE(host_->leave(kGroup, kAny, now_));
  host_->join(kGroup, kA, now_);
  EXPECT_FALSE(host_->leave(kGroup, kAny, now_));
  EXPECT_FALSE(host_->leave(kGroup, kB, now_));
}

TEST_F(MulticastHostTest, GeneralQueryIsAnsweredWithAllStateWithinItsTime) {
  host_->join(kGroup, kAny, now_);
  host_->join(kOther, kB, now_);
  settle();
  hear(v3_query({}, {}, 100));
  EXPECT_EQ(host_->next_deadline(), now_ + seconds(5)) << "half of 10 s";
  run(milliseconds(4999));
  EXPECT_THAT(sink_.take(), IsEmpty());
  run(milliseconds(1));
  EXPECT_THAT(sink_.take_records(), ElementsAre(GroupRecord{mode_is_exclude, kGroup, {}},
                                                GroupRecord{mode_is_include, kOther, {kB}}));
  EXPECT_FALSE(host_->next_deadline());
}

TEST_F(MulticastHostTest, QueryFromNoAddressIsAnswered) {
  host_->join(kGroup, kAny, now_);
  settle();
  hear(v3_query({}, {}, 10, Ipv4{}));
  run(seconds(1));
  EXPECT_THAT(sink_.take_records(), SizeIs(1));
}

TEST_F(MulticastHostTest, QueryToAnotherHostIsIgnored) {
  host_->join(kGroup, kAny, now_);
  settle();
  hear(igmp_frame({0x11, 10, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0}, kPeer));
  EXPECT_FALSE(host_->next_deadline());
  hear(igmp_frame({0x11, 10, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0}, kOwn));
  EXPECT_TRUE(host_->next_deadline());
}

// RFC 3376 5.2, what the answer to a query holds.
TEST_F(MulticastHostTest, GroupQueriesAreAnsweredByTheTable) {
  struct Case {
    std::vector<std::optional<Ipv4>> joined;
    std::vector<Ipv4> asked;
    std::vector<GroupRecord> answer;
  };
  const Case cases[] = {
      {{kA, kB}, {}, {{mode_is_include, kGroup, {kA, kB}}}},
      {{kAny}, {}, {{mode_is_exclude, kGroup, {}}}},
      {{kAny, kA}, {}, {{mode_is_exclude, kGroup, {}}}},        // any and specific: EXCLUDE ({})
      {{kA, kB}, {kB, kC}, {{mode_is_include, kGroup, {kB}}}},  // A*B
      {{kA}, {kC}, {}},
      {{kAny}, {kB, kC}, {{mode_is_include, kGroup, {kB, kC}}}},  // B-A
      {{}, {}, {}},
  };
  for (const Case& c : cases) {
    start();
    for (const auto& source : c.joined) host_->join(kGroup, source, now_);
    settle();
    hear(v3_query(kGroup, c.asked, 10));
    run(seconds(1));
    EXPECT_EQ(sink_.take_records(), c.answer);
  }
}

// RFC 3376 5.2 rules 1 to 5: how a query merges with an answer that is pending.
TEST_F(MulticastHostTest, QueriesMergeWithPendingAnswersByTheRules) {
  struct Query {
    Ipv4 group;
    std::vector<Ipv4> sources;
    std::uint8_t code;
  };
  struct Case {
    const char* rule;
    std::vector<Query> queries;
    std::vector<GroupRecord> answers;
    milliseconds last;  // when the last one is sent
  };
  const GroupRecord all{mode_is_include, kGroup, {kA, kB}};
  const Case cases[] = {
      {"1: general pending sooner", {{{}, {}, 10}, {kGroup, {}, 100}}, {all}, milliseconds(500)},
      {"2: general sooner replaces general", {{{}, {}, 100}, {{}, {}, 10}}, {all}, milliseconds(500)},
      {"2: general later is dropped", {{{}, {}, 10}, {{}, {}, 100}}, {all}, milliseconds(500)},
      {"3: sources remembered", {{kGroup, {kA}, 10}}, {{mode_is_include, kGroup, {kA}}}, milliseconds(500)},
      {"4: group query clears sources, sooner",
       {{kGroup, {kA}, 100}, {kGroup, {}, 10}},
       {all},
       milliseconds(500)},
      {"4: group query pending stays whole",
       {{kGroup, {}, 10}, {kGroup, {kA}, 100}},
       {all},
       milliseconds(500)},
      {"5: sources united, sooner", {{kGroup, {kA}, 100}, {kGroup, {kB}, 10}}, {all}, milliseconds(500)},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.rule);
    start();
    host_->join(kGroup, kA, now_);
    host_->join(kGroup, kB, now_);
    settle();
    const Time asked = now_;
    for (const Query& query : c.queries) hear(v3_query(query.group, query.sources, query.code));
    run(seconds(30));
    EXPECT_EQ(sink_.take_records(), c.answers);
    EXPECT_EQ(host_->counters().last_report, asked + c.last);
  }
}

TEST_F(MulticastHostTest, V2QuerierIsFollowedUntilItFallsSilent) {
  host_->join(kGroup, kA, now_);
  settle();
  hear(old_message(IgmpType::query, 100, {}));
  EXPECT_EQ(host_->counters().version, 2);
  run(seconds(10));
  auto sent = sink_.take();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(std::get<IgmpGroupMessage>(sent[0].message).type, IgmpType::v2_report);
  EXPECT_EQ(sent[0].ip.destination, kGroup);
  // RFC 3376 8.12: 2 x 125 s + 10 s after the query.
  run(seconds(249));
  EXPECT_EQ(host_->counters().version, 2);
  run(seconds(1));
  EXPECT_EQ(host_->counters().version, 3);
  hear(v3_query({}, {}, 10));
  run(seconds(1));
  EXPECT_THAT(sink_.take_records(), ElementsAre(GroupRecord{mode_is_include, kGroup, {kA}}));
}

TEST_F(MulticastHostTest, V1QuerierOutranksV2AndGetsNoLeaves) {
  host_->join(kGroup, kAny, now_);
  settle();
  hear(old_message(IgmpType::query, 100, {}));
  hear(old_message(IgmpType::query, 0, {}));
  EXPECT_EQ(host_->counters().version, 1);
  run(seconds(10));
  const auto sent = sink_.take();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(std::get<IgmpGroupMessage>(sent[0].message).type, IgmpType::v1_report);
  host_->leave(kGroup, kAny, now_);
  run(seconds(20));
  EXPECT_THAT(sink_.take(), IsEmpty());
}

TEST_F(MulticastHostTest, JoinThatWasNeverSentSurvivesAChangeOfVersion) {
  host_->join(kGroup, kAny, now_);
  hear(old_message(IgmpType::query, 100, {}));
  host_->on_timer(now_);
  const auto sent = sink_.take();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(std::get<IgmpGroupMessage>(sent[0].message).type, IgmpType::v2_report);
}

TEST_F(MulticastHostTest, ForcedV3IgnoresOlderQueriers) {
  start(IgmpVersionMode::v3);
  host_->join(kGroup, kAny, now_);
  settle();
  hear(old_message(IgmpType::query, 10, {}));
  run(seconds(1));
  EXPECT_EQ(host_->counters().version, 3);
  EXPECT_THAT(sink_.take_records(), SizeIs(1));
}

TEST_F(MulticastHostTest, ForcedV2JoinsRepeatsAnswersAndLeaves) {
  start(IgmpVersionMode::v2);
  host_->join(kGroup, kA, now_);
  run(seconds(20));
  auto sent = sink_.take();
  ASSERT_THAT(sent, SizeIs(2)) << "the robustness variable";
  hear(v3_query(kGroup, {}, 10));
  run(seconds(1));
  EXPECT_THAT(sink_.take(), SizeIs(1));
  host_->leave(kGroup, kA, now_);
  host_->on_timer(now_);
  sent = sink_.take();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(std::get<IgmpGroupMessage>(sent[0].message).type, IgmpType::v2_leave);
  EXPECT_EQ(sent[0].ip.destination, kAllRouters);
}

TEST_F(MulticastHostTest, AnotherHostsReportSuppressesOursInV2Only) {
  for (const auto mode : {IgmpVersionMode::v2, IgmpVersionMode::v3}) {
    start(mode);
    host_->join(kGroup, kAny, now_);
    settle();
    hear(v3_query(kGroup, {}, 10));
    hear(old_message(IgmpType::v2_report, 0, kGroup));
    run(seconds(5));
    EXPECT_THAT(sink_.take(), SizeIs(mode == IgmpVersionMode::v2 ? 0 : 1));
  }
}

TEST_F(MulticastHostTest, ReportsComeFromNoAddressWhereThereIsNone) {
  start(IgmpVersionMode::automatic, Ipv4{});
  host_->join(kGroup, kAny, now_);
  host_->on_timer(now_);
  const auto sent = sink_.take();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].ip.source, Ipv4{});
  EXPECT_EQ(sent[0].ip.destination, kIgmpv3Routers);
}

TEST_F(MulticastHostTest, ThousandsOfJoinsArePaced) {
  start(IgmpVersionMode::v2);
  divide_ = 1;
  for (std::uint32_t i = 0; i < 2000; ++i) host_->join({kGroup.value + i}, kAny, now_);
  host_->on_timer(now_);
  EXPECT_LE(sink_.take().size(), 16U) << "a bounded burst";
  ASSERT_TRUE(host_->next_deadline());
  EXPECT_GT(*host_->next_deadline(), now_);
  run(milliseconds(500));
  const std::size_t half_second = sink_.take().size();
  EXPECT_GE(half_second, 490U);
  EXPECT_LE(half_second, 516U);
  run(seconds(60));
  EXPECT_EQ(half_second + 16 + sink_.take().size(), 4000U);
}

TEST_F(MulticastHostTest, JoinsOfV3ShareReports) {
  for (std::uint32_t i = 0; i < 1000; ++i) host_->join({kGroup.value + i}, kAny, now_);
  host_->on_timer(now_);
  const auto sent = sink_.take();
  EXPECT_LE(sent.size(), 10U);
  std::size_t records = 0;
  for (const Sent& frame : sent) records += frame.records().size();
  EXPECT_EQ(records, 1000U);
}

TEST_F(MulticastHostTest, RefreshReportsEverythingAndLeavesNothing) {
  host_->join(kGroup, kAny, now_);
  host_->join(kOther, kA, now_);
  settle();
  host_->refresh(now_);
  run(seconds(5));
  EXPECT_THAT(sink_.take_records(), ElementsAre(GroupRecord{mode_is_exclude, kGroup, {}},
                                                GroupRecord{mode_is_include, kOther, {kA}}));
}

}  // namespace
}  // namespace headgate::fastpath
