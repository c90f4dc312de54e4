// Joins that nothing confirms are announced again; and how long the worker rests.
#include "dataplane/fastpath/host/multicast_host.h"
#include "dataplane/fastpath/worker/rest.h"
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
constexpr Ipv4 kA{0x0A000001};
constexpr std::optional<Ipv4> kAny = std::nullopt;

class DoubtTest : public testing::Test {
 protected:
  void SetUp() override { start(IgmpVersionMode::automatic); }
  void start(IgmpVersionMode mode) {
    host_ = std::make_unique<MulticastHost>(
        IgmpSender{kOwnMac, 0, kOwn}, 1500, mode, [](std::uint64_t) { return 0; }, sink_);
  }
  // Runs the timers for `time`; when frames went out, from now on.
  std::vector<Time> run(Time time) {
    const Time begin = now_;
    const Time end = now_ + time;
    std::vector<Time> when;
    std::size_t sent = sink_.frames.size();
    for (;;) {
      host_->on_timer(now_);
      if (sink_.frames.size() != sent) when.push_back(now_ - begin);
      sent = sink_.frames.size();
      const auto next = host_->next_deadline();
      if (!next || *next > end) break;
      now_ = std::max(now_, *next);
    }
    now_ = end;
    return when;
  }
  void hear_query(std::uint8_t interval) {
    const auto frame = v3_query({}, {}, 10, kPeer, 2, interval);
    host_->on_packet(*parse_ipv4_packet(parse_ethernet(frame)->payload), now_);
    run(milliseconds(0));
    sink_.take();
  }
  RecordingSink sink_;
  std::unique_ptr<MulticastHost> host_;
  Time now_ = seconds(1000);
};

TEST_F(DoubtTest, JoinIsRepeatedWithDoublingPausesUpToTheQueryInterval) {
  hear_query(10);
  host_->join(kGroup, kAny, now_);
  host_->doubt(kGroup, kAny, now_);
  run(milliseconds(500));  // the join and its repetition
  for (const auto& record : sink_.take_records()) EXPECT_EQ(record.type, change_to_exclude);
  EXPECT_EQ(run(seconds(40)),
            (std::vector<Time>{milliseconds(500), milliseconds(2500), milliseconds(6500), milliseconds(14500),
                               milliseconds(24500), milliseconds(34500)}));
  const auto sent = sink_.take_records();
  EXPECT_THAT(sent, SizeIs(6));
  for (const auto& record : sent)
    EXPECT_EQ(record, (GroupRecord{change_to_exclude, kGroup, {}})) << "never a leave";
}

TEST_F(DoubtTest, ConfirmedJoinIsNotRepeated) {
  host_->join(kGroup, kAny, now_);
  host_->doubt(kGroup, kAny, now_);
  run(milliseconds(1500));
  sink_.take();
  host_->confirm(kGroup, kAny);
  EXPECT_THAT(run(seconds(300)), IsEmpty());
  EXPECT_FALSE(host_->next_deadline());
  host_->doubt(kGroup, kAny, now_);  // the media fell silent
  EXPECT_EQ(run(seconds(2)), std::vector<Time>{seconds(1)});
}

TEST_F(DoubtTest, LeaveEndsTheDoubt) {
  host_->join(kGroup, kA, now_);
  host_->doubt(kGroup, kA, now_);
  run(milliseconds(500));
  sink_.take();
  host_->leave(kGroup, kA, now_);
  run(seconds(300));
  for (const auto& record : sink_.take_records()) EXPECT_EQ(record.type, block_old_sources);
  EXPECT_FALSE(host_->next_deadline());
  host_->doubt(kGroup, kA, now_);
  EXPECT_FALSE(host_->next_deadline()) << "there is nothing to doubt";
}

TEST_F(DoubtTest, OnlyTheDoubtfulSourceIsAskedForAgain) {
  const Ipv4 other{0x0A000002};
  for (const Ipv4 source : {kA, other}) {
    host_->join(kGroup, source, now_);
    host_->doubt(kGroup, source, now_);
  }
  run(milliseconds(500));
  sink_.take();
  host_->confirm(kGroup, other);
  run(seconds(1));
  EXPECT_THAT(sink_.take_records(), ElementsAre(GroupRecord{allow_new_sources, kGroup, {kA}}));
}

TEST_F(DoubtTest, Version2RepeatsItsReport) {
  start(IgmpVersionMode::v2);
  host_->join(kGroup, kAny, now_);
  host_->doubt(kGroup, kAny, now_);
  run(milliseconds(500));
  sink_.take();
  EXPECT_EQ(run(seconds(3)), (std::vector<Time>{milliseconds(500), milliseconds(2500)}));
  for (const Sent& sent : sink_.take())
    EXPECT_EQ(std::get<IgmpGroupMessage>(sent.message).type, IgmpType::v2_report);
}

TEST_F(DoubtTest, TwoThousandDoubtfulGroupsArePaced) {
  start(IgmpVersionMode::v2);
  for (std::uint32_t i = 0; i < 2000; ++i) {
    host_->join({kGroup.value + i}, kAny, now_);
    host_->doubt({kGroup.value + i}, kAny, now_);
  }
  run(milliseconds(900));
  sink_.take();
  run(milliseconds(500));
  EXPECT_LE(sink_.take().size(), 16U + 501U);
}

TEST(Rest, NapsGrowUntilAHandfulGathers) {
  Rest rest;
  std::int64_t now = 1'000'000'000;
  long nap = 0;
  for (int i = 0; i < 20; ++i) {
    rest.worked(2);
    nap = rest.next(now += nap);
  }
  EXPECT_EQ(nap, Rest::kLongest) << "4,000 datagrams a second";
}

TEST(Rest, NapsShrinkUnderLoadAndEndInSpinning) {
  Rest rest;
  std::int64_t now = 1'000'000'000;
  for (int i = 0; i < 10; ++i) {
    rest.worked(2);
    rest.next(now += 1000);
  }
  for (int i = 0; i < 10; ++i) {
    rest.worked(200);
    while (rest.next(now += 1000) == 0) {
    }
  }
  rest.worked(200);
  EXPECT_EQ(rest.next(now), 0) << "spins first";
  long nap = 0;
  for (int i = 0; i < 100 && nap == 0; ++i) nap = rest.next(now);
  EXPECT_EQ(nap, Rest::kShortest);
}

TEST(Rest, NeverSleepsPastADeparture) {
  Rest rest;
  std::int64_t now = 1'000'000'000'000;
  for (const std::int64_t left : {3'000'000, 900'000, 300'000, 130'000}) {
    const long nap = rest.next(now, now + left);
    EXPECT_GT(nap, 0);
    EXPECT_LT(nap, left);
  }
  EXPECT_EQ(rest.next(now, now + 20'000), 0) << "no nap is that short: it is spun";
  EXPECT_EQ(rest.next(now, now - 5'000), 0) << "due already";
}

// How long before a departure a nap ends.
std::int64_t lead_of(Rest rest) {
  const std::int64_t now = 1'000'000'000'000;
  return 700'000 - rest.next(now, now + 700'000);
}

// Naps that end late by `usual`, one in `rare` of them by `worst`.
Rest rested(std::int64_t usual, int rare, std::int64_t worst) {
  Rest rest;
  for (int i = 1; i < 20'000; ++i) rest.slept(100'000, 100'000 + (i % rare == 0 ? worst : usual));
  return rest;
}

TEST(Rest, WakesAsMuchEarlierAsWakingTakesButForOneTimeInAHundred) {
  EXPECT_NEAR(static_cast<double>(lead_of(rested(100'000, 1'000, 110'000))), 80'000, 8'000);
  EXPECT_NEAR(static_cast<double>(lead_of(rested(30'000, 20, 110'000))), 90'000, 16'000) << "one in twenty";
  EXPECT_LT(lead_of(rested(30'000, 500, 110'000)), 30'000) << "not for one in five hundred";
  EXPECT_GE(lead_of(rested(1'000, 500, 2'000)), 5'000);
  EXPECT_LE(lead_of(rested(900'000'000, 1'000, 0)), 150'000)
      << "what takes a second tells nothing of the next";
}

TEST(Rest, SpinsForDeparturesThatLieFarApartOnly) {
  for (const std::int64_t apart : {2'000'000, 100'000, 40'000, 10'000}) {
    Rest rest = rested(5'000, 20, 40'000);
    std::int64_t now = 1'000'000'000'000, due = now, spun = 0, latest = 0;
    int naps = 0;
    for (const std::int64_t end = now + 1'000'000'000; now < end;) {
      for (; due <= now; due += apart) latest = std::max(latest, now - due);
      const long nap = rest.next(now, due);
      spun += nap == 0 ? 1'000 : 0;
      now += nap == 0 ? 1'000 : nap + (++naps % 20 == 0 ? 40'000 : 5'000);
    }
    if (apart >= 100'000) {
      EXPECT_GT(spun, 4'000'000) << apart;
      EXPECT_LT(spun, 250'000'000) << apart;
      EXPECT_LE(latest, 25'000) << apart;
    } else {
      EXPECT_GT(spun, 1'000'000) << apart;
      EXPECT_LT(spun, 35'000'000) << apart << ": they gather, but for a trial now and then";
      EXPECT_LE(latest, Rest::kGather + 40'000) << apart;
    }
  }
}

}  // namespace
}  // namespace headgate::fastpath
