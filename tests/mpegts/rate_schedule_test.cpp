#include "mpegts/mux/rate_schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "mpegts/clock/playout.h"
#include "paced_source.h"
#include "tests/support/allocation_count.h"

namespace headgate::mpegts {
namespace {

using test::Arrival;
using test::PacedSource;
using test::Packet;

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kStart = test::kSourceStart;
constexpr std::uint64_t kRate = 1'500'000;
constexpr std::size_t kRoom = 1000;

// What leaves, read as a receiver does: positions are counted from the bytes, nothing is asked of the sender.
struct Receiver {
  struct Stamp {
    std::int64_t position = 0;  // of the packet in the stream
    std::int64_t pcr = 0;
    bool flagged = false;
    std::int64_t number = 0;
    std::int64_t departure = 0;
  };
  static constexpr std::int64_t kAlone = -1;
  std::int64_t packets = 0;
  std::int64_t nulls = 0;
  std::vector<Stamp> stamps;  // the source's own PCRs
  std::vector<Stamp> every;   // and those that were put in between
  std::vector<std::int64_t> departures;
  std::vector<std::int64_t> numbers;
  bool keep_numbers = true;

  void take(const RateSchedule::Datagram& datagram) {
    departures.push_back(datagram.departure_ns);
    for (std::size_t at = 0; at < datagram.bytes.size(); at += kPacketSize) {
      const TsPacket packet(std::span<const std::uint8_t>(datagram.bytes).subspan(at).first<kPacketSize>());
      ASSERT_TRUE(packet.has_sync());
      if (packet.pid() == kNullPid) {
        ++nulls;
      } else {
        const bool alone = !packet.has_payload();  // a PCR that was put in between
        const std::int64_t number = alone ? kAlone : PacedSource::number_of(packet.bytes().data());
        if (keep_numbers && !alone) numbers.push_back(number);
        if (const auto pcr = packet.pcr()) {
          every.push_back({packets, static_cast<std::int64_t>(pcr->ticks), packet.discontinuity(), number,
                           datagram.departure_ns});
          if (!alone) stamps.push_back(every.back());
        }
      }
      ++packets;
    }
  }

  // The farthest that a PCR lies from the line through the first one with the slope of the rate, in ticks.
  double worst_accuracy(std::uint64_t rate, std::size_t from = 0) const {
    double worst = 0;
    std::int64_t wraps = 0;
    const Stamp& first = stamps[from];
    const Stamp* before = &first;
    for (const Stamp& stamp : every) {
      if (stamp.position <= first.position) continue;
      if (stamp.pcr < before->pcr) wraps += static_cast<std::int64_t>(kPcrModulus);
      before = &stamp;
      const auto bits = static_cast<long double>((stamp.position - first.position) * 1504);
      const long double expected = bits * 27e6L / static_cast<long double>(rate);
      const auto elapsed = static_cast<long double>(stamp.pcr + wraps - first.pcr);
      worst = std::max(worst, static_cast<double>(std::fabs(elapsed - expected)));
    }
    return worst;
  }
};

// A sender that is called when its next datagram is due, before each packet that comes.
class Sender {
 public:
  explicit Sender(std::uint64_t rate = kRate, std::size_t room = kRoom) : stage(rate, room) {}

  void push(std::span<const std::uint8_t> packet, std::int64_t due) {
    drain(due);
    stage.push(packet.first<kPacketSize>(), due);
  }
  // All that leaves before `until`.
  void drain(std::int64_t until) {
    while (stage.next_departure_ns() < until) {
      const std::int64_t now = stage.next_departure_ns();
      if (stage.pop(now, datagram_)) {
        ASSERT_EQ(datagram_.departure_ns, now);
        receiver.take(datagram_);
      }
    }
  }

  RateSchedule stage;
  Receiver receiver;

 private:
  RateSchedule::Datagram datagram_{};
};

PacedSource::Options varying() {
  PacedSource::Options o;
  o.burst = [](std::int64_t interval) { return interval % 5 == 0 ? 60 : 10; };
  return o;
}

void send(Sender& sender, PacedSource& source, std::int64_t until) {
  for (Arrival a = source.next(); a.ns < until; a = source.next()) sender.push(a.bytes, a.ns);
}

TEST(RateSchedule, EachPcrTellsThePositionItLeavesAt) {
  for (const std::uint64_t rate : {1'500'000ULL, 1'999'993ULL, 6'000'000ULL, 38'014'706ULL, 100'000'000ULL}) {
    PacedSource source(varying());
    Sender sender(rate);
    send(sender, source, kStart + 20 * kSecond);
    ASSERT_GT(sender.receiver.stamps.size(), 500U);
    EXPECT_LE(sender.receiver.worst_accuracy(rate), 1.0) << rate;
    EXPECT_EQ(sender.stage.counters().all_dropped(), 0U);
    for (std::size_t i = 0; i < sender.receiver.numbers.size(); ++i)
      ASSERT_EQ(sender.receiver.numbers[i], static_cast<std::int64_t>(i));
  }
}

TEST(RateSchedule, MeasuresThePcrAccuracyOfWhatLeaves) {
  PacedSource source(varying());
  Sender sender(1'999'993);
  EXPECT_EQ(sender.stage.take_pcr_accuracy_max(), std::nullopt);
  send(sender, source, kStart + 20 * kSecond);
  EXPECT_EQ(sender.stage.take_pcr_accuracy_max(), 1U) << "rounded to whole ticks";
  EXPECT_EQ(sender.stage.take_pcr_accuracy_max(), std::nullopt) << "nothing since";
}

TEST(RateSchedule, AnySecondHoldsTheRateWithinADatagram) {
  PacedSource source(varying());
  Sender sender;
  send(sender, source, kStart + 30 * kSecond);
  const auto& departures = sender.receiver.departures;
  const double nominal = static_cast<double>(kRate) / 1504 / 7;
  std::size_t first = 0;
  for (std::size_t i = 0; i < departures.size(); ++i) {
    while (departures[i] - departures[first] >= kSecond) ++first;
    if (departures[i] - departures[0] < kSecond) continue;
    ASSERT_NEAR(static_cast<double>(i - first + 1), nominal, 1.0) << i;
  }
  EXPECT_NEAR(static_cast<double>(departures.size()), 30 * nominal, 2);
}

TEST(RateSchedule, APacketTakesTheFirstPositionThatItCan) {
  PacedSource source(PacedSource::Options{});  // 1 Mb/s, evenly
  Sender sender;
  std::map<std::int64_t, std::int64_t> due;
  for (int i = 0; i < 5000; ++i) {
    const auto a = source.next();
    due[i] = a.ns;
    sender.push(a.bytes, a.ns);
  }
  const double slot = 1504.0 / static_cast<double>(kRate) * 1e9;
  for (const auto& stamp : sender.receiver.stamps) {
    const double left = static_cast<double>(kStart - kStart) + static_cast<double>(stamp.position) * slot;
    const double late = left - static_cast<double>(due[stamp.number] - kStart);
    ASSERT_GE(late, -40) << stamp.number;  // a tick
    ASSERT_LE(late, slot + 40) << stamp.number;
  }
}

// Sixty minutes behind a playout, from a source whose clock drifts: PCRs on the line for all that time, and
// near the source's own.
class RateScheduleHour : public testing::TestWithParam<double> {};

TEST_P(RateScheduleHour, NeverDriftsAgainstTheSource) {
  // A fifth of the other tests' rates: an hour has packets enough. Waits for positions are of all lengths.
  constexpr std::uint64_t kSlow = kRate / 5 + 1237;
  PacedSource::Options o;
  o.packet_gap *= 5;
  o.pcr_every /= 5;
  o.burst = [](std::int64_t interval) { return interval % 5 == 0 ? 12 : 2; };
  o.ppm = GetParam();
  o.way = test::in_uneven_bursts(20 * kMs, 300 * kMs);
  o.first_pcr = static_cast<std::int64_t>(kPcrModulus) - 600 * kTicksPerSecond;  // wraps on the way
  PacedSource source(o);
  PacedSource twin(o);
  Playout playout(kSecond, 10'000);
  Sender sender(kSlow);
  sender.receiver.keep_numbers = false;
  std::size_t longest_queue = 0;
  const auto play = [&](std::int64_t until) {
    while (playout.next_due_ns() <= until) {
      const auto batch = playout.pop(playout.next_due_ns());
      for (std::size_t at = 0; at < batch.packets.size(); at += kPacketSize)
        sender.push(batch.packets.subspan(at, kPacketSize), batch.due_ns);
      longest_queue = std::max<std::size_t>(longest_queue, sender.stage.counters().waiting);
    }
  };
  for (Arrival a = source.next(); a.ns < kStart + 3600 * kSecond; a = source.next()) {
    play(a.ns);
    playout.push(a.bytes, a.ns);
  }
  const auto& stamps = sender.receiver.stamps;
  ASSERT_GT(stamps.size(), 90'000U);
  EXPECT_LE(sender.receiver.worst_accuracy(kSlow), 1.0);
  EXPECT_EQ(sender.stage.counters().all_dropped(), 0U);
  EXPECT_EQ(playout.counters().underflows + playout.counters().overflows, 0U);
  EXPECT_LT(longest_queue, 60U);
  // The PCRs that were there, made again: those that left lie behind by the wait for a position, not more.
  std::int64_t wraps = 0, least = kNever, least_later = kNever, most = -kNever;
  std::size_t next = 0;
  while (next < stamps.size()) {
    const std::int64_t number = twin.number();
    const auto a = twin.next();
    if (number != stamps[next].number) continue;
    if (next > 0 && stamps[next].pcr < stamps[next - 1].pcr) wraps += static_cast<std::int64_t>(kPcrModulus);
    const std::int64_t behind = stamps[next].pcr + wraps - (o.first_pcr + twin.tick());
    least = std::min(least, behind);
    most = std::max(most, behind);
    if (next > stamps.size() / 2) least_later = std::min(least_later, behind);
    ASSERT_FALSE(stamps[next].flagged);
    ++next;
  }
  EXPECT_GE(least, -5 * kTicksPerSecond / 1000);
  EXPECT_LE(most, 60 * kTicksPerSecond / 1000);
  EXPECT_GE(least_later, -kTicksPerSecond / 10'000);
}

INSTANTIATE_TEST_SUITE_P(Drifts, RateScheduleHour, testing::Values(50.0, -50.0, 0.0));

TEST(RateSchedule, NeitherCountersNorPayloadChange) {
  PacedSource source(varying());
  PacedSource twin(varying());
  RateSchedule stage(kRate, kRoom);
  RateSchedule::Datagram datagram{};
  int counter = -1;
  const auto compare = [&] {
    for (std::size_t at = 0; at < datagram.bytes.size(); at += kPacketSize) {
      const auto bytes = std::span<const std::uint8_t>(datagram.bytes).subspan(at).first<kPacketSize>();
      if (TsPacket(bytes).pid() == kNullPid) continue;
      if (!TsPacket(bytes).has_payload()) {  // a PCR in between: its counter stands still (2.4.3.3)
        ASSERT_EQ(bytes[3] & 0x0F, counter);
        continue;
      }
      counter = bytes[3] & 0x0F;
      auto expected = twin.next().bytes;
      const std::size_t skip = TsPacket(bytes).has_pcr() ? 12 : 4;
      ASSERT_TRUE(std::equal(bytes.begin(), bytes.begin() + 6, expected.begin()));
      ASSERT_TRUE(std::equal(bytes.begin() + skip, bytes.end(), expected.begin() + skip));
    }
  };
  for (int i = 0; i < 3000; ++i) {
    const auto a = source.next();
    while (stage.next_departure_ns() < a.ns) {
      if (stage.pop(stage.next_departure_ns(), datagram)) compare();
    }
    stage.push(std::span<const std::uint8_t>(a.bytes).first<kPacketSize>(), a.ns);
  }
  EXPECT_GT(twin.number(), 2900);
}

TEST(RateSchedule, TheStreamsOwnNullPacketsAreReplaced) {
  PacedSource source(PacedSource::Options{});
  Sender sender;
  for (int i = 0; i < 5000; ++i) {
    const auto a = source.next();
    sender.push(a.bytes, a.ns);
    for (int k = 0; k < 10; ++k) sender.push(test::packet(0x1FFF, 0), a.ns);
  }
  EXPECT_EQ(sender.stage.counters().all_dropped(), 0U);
  const Receiver& receiver = sender.receiver;
  const auto between =
      receiver.nulls + static_cast<std::int64_t>(receiver.every.size() - receiver.stamps.size());
  EXPECT_NEAR(static_cast<double>(between) / static_cast<double>(receiver.packets), 1.0 / 3, 0.01);
}

TEST(RateSchedule, FallsSilentWithItsInputAndGoesOnOnTheSameGrid) {
  PacedSource::Options o;
  o.way = [](std::int64_t made) { return made; };
  PacedSource source(o);
  Sender sender;
  send(sender, source, kStart + 5 * kSecond);
  sender.drain(kStart + 60 * kSecond);
  EXPECT_EQ(sender.stage.next_departure_ns(), kNever);
  EXPECT_NEAR(static_cast<double>(sender.receiver.departures.back() - kStart), 6e9, 10e6);
  const auto before = sender.receiver.departures.size();
  const auto stamps_before = sender.receiver.stamps.size();
  // Back after 100 s, the clock having gone on.
  for (Arrival a = source.next(); a.ns < kStart + 110 * kSecond; a = source.next()) {
    if (a.ns >= kStart + 105 * kSecond) sender.push(a.bytes, a.ns);
  }
  const auto& departures = sender.receiver.departures;
  ASSERT_GT(departures.size(), before + 500);
  EXPECT_NEAR(static_cast<double>(departures[before] - kStart), 105e9, 7e6);
  const double gap = 7 * 1504.0 / static_cast<double>(kRate) * 1e9;
  const double gaps = static_cast<double>(departures[before] - departures[before - 1]) / gap;
  EXPECT_NEAR(gaps, std::round(gaps), 1e-4);
  // As if the datagrams between had been sent.
  auto& stamps = sender.receiver.stamps;
  const auto skipped = static_cast<std::int64_t>(std::llround(gaps) - 1) * 7;
  for (auto& stamp : sender.receiver.every) {
    if (stamp.departure > kStart + 100 * kSecond) stamp.position += skipped;
  }
  EXPECT_LE(sender.receiver.worst_accuracy(kRate), 1.0);
  EXPECT_EQ(sender.stage.take_pcr_accuracy_max(), 0U) << "positions that nothing left at don't count";
  EXPECT_FALSE(stamps[stamps_before].flagged);
}

TEST(RateSchedule, FollowsAClockThatJumps) {
  for (const bool flagged : {false, true}) {
    PacedSource::Options o;
    o.jump_at = 5000;
    o.jump = -700 * kTicksPerSecond;
    o.flagged = flagged;
    o.first_pcr = 1000 * kTicksPerSecond;
    PacedSource source(o);
    Sender sender;
    send(sender, source, kStart + 20 * kSecond);
    const auto& stamps = sender.receiver.stamps;
    std::size_t at = 0;
    for (std::size_t i = 0; i < stamps.size(); ++i) {
      ASSERT_EQ(stamps[i].flagged, stamps[i].number == 5000);
      if (stamps[i].flagged) at = i;
    }
    ASSERT_GT(at, 0U);
    EXPECT_LE(sender.receiver.worst_accuracy(kRate, at), 1.0);
    EXPECT_EQ(sender.stage.take_pcr_accuracy_max(), 0U) << "a marked jump is no error";
    EXPECT_NEAR(static_cast<double>(stamps[at].pcr), static_cast<double>(1000 - 700 + 7.52) * 27e6, 27e4);
  }
}

// A splice leaves the PCR some milliseconds off its due time: the grid makes up for it slowly enough for any
// receiver, and no PCR leaves the line.
TEST(RateSchedule, MakesUpForASmallStepWithinTheLimitsOfTheClock) {
  PacedSource::Options o;
  o.jump_at = 5000;
  o.jump = 5 * kTicksPerSecond / 1000;
  PacedSource source(o);
  Sender sender;
  send(sender, source, kStart + 600 * kSecond);
  const auto& receiver = sender.receiver;
  EXPECT_LE(receiver.worst_accuracy(kRate), 1.0);
  for (const auto& stamp : receiver.stamps) ASSERT_FALSE(stamp.flagged);
  // The rate in every ten seconds of departures, in ppm of the nominal one.
  const double gap = 7 * 1504.0 / static_cast<double>(kRate) * 1e9;
  const std::size_t window = 1425;
  double fastest = 0, slowest = 0;
  for (std::size_t i = window; i < receiver.departures.size(); ++i) {
    const auto took = static_cast<double>(receiver.departures[i] - receiver.departures[i - window]);
    const double ppm = (gap * static_cast<double>(window) / took - 1) * 1e6;
    fastest = std::max(fastest, ppm);
    slowest = std::min(slowest, ppm);
  }
  EXPECT_LT(fastest, 30);
  EXPECT_GT(fastest, 10);
  EXPECT_GT(slowest, -5);
  // In the end it is made up for: the last PCR is the source's, but for its wait.
  const std::int64_t behind =
      receiver.stamps.back().pcr - (receiver.stamps.back().number * o.packet_gap + o.jump);
  EXPECT_GE(behind, -kTicksPerSecond / 10'000);
  EXPECT_LE(behind, kTicksPerSecond / 500);
}

// The playout before it waited for its buffer to fill again: due times move, the clock doesn't.
TEST(RateSchedule, MarksAClockThatStoodStill) {
  PacedSource::Options o;
  o.way = [](std::int64_t made) { return made < 5 * kSecond ? made : made + 700 * kMs; };
  PacedSource source(o);
  Sender sender;
  send(sender, source, kStart + 10 * kSecond);
  const auto& stamps = sender.receiver.stamps;
  std::size_t flags = 0, at = 0;
  for (std::size_t i = 0; i < stamps.size(); ++i) {
    flags += stamps[i].flagged ? 1U : 0U;
    if (stamps[i].flagged) at = i;
  }
  ASSERT_EQ(flags, 1U);
  EXPECT_LE(sender.receiver.worst_accuracy(kRate, at), 1.0);
}

TEST(RateSchedule, GoesOnWhenTheNodesClockIsSet) {
  for (const std::int64_t step : {3600 * kSecond, -3600 * kSecond}) {
    for (const bool push_first : {false, true}) {
      PacedSource source(PacedSource::Options{});
      RateSchedule stage(kRate, kRoom);
      RateSchedule::Datagram datagram{};
      Receiver receiver;
      std::int64_t last = 0;
      for (int i = 0; i < 20'000; ++i) {
        auto a = source.next();
        a.ns += i < 10'000 ? 0 : step;
        const auto bytes = std::span<const std::uint8_t>(a.bytes).first<kPacketSize>();
        if (push_first) stage.push(bytes, a.ns);
        while (stage.next_departure_ns() < a.ns || i == 10'000) {
          if (!stage.pop(a.ns, datagram)) break;
          receiver.take(datagram);
          datagram.departure_ns -= i < 10'000 ? 0 : step;
          if (last != 0) {
            ASSERT_NEAR(static_cast<double>(datagram.departure_ns - last), 7.02e6, 40e6) << i;
          }
          last = datagram.departure_ns;
        }
        if (!push_first) stage.push(bytes, a.ns);
      }
      EXPECT_LE(receiver.worst_accuracy(kRate), 1.0);
      for (const auto& stamp : receiver.stamps) {
        ASSERT_FALSE(stamp.flagged) << stamp.number;
        const std::int64_t behind = stamp.pcr - stamp.number * PacedSource::Options{}.packet_gap;
        ASSERT_GE(behind, -kTicksPerSecond / 10'000) << stamp.number;
        ASSERT_LE(behind, kTicksPerSecond / 500) << stamp.number;
      }
      EXPECT_EQ(stage.counters().all_dropped(), 0U);
      EXPECT_NEAR(static_cast<double>(receiver.packets), 30.08 * kRate / 1504, 20);
    }
  }
}

// A stream that is twice as fast as the rate for a while: video, teletext, a PMT.
TEST(RateSchedule, DropsByPriorityWhatIsTooMuch) {
  Sender sender(kRate, 400);
  std::uint64_t seed = 7, pushed = 0;
  const auto random = [&](std::uint64_t below) {
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return (seed >> 33U) % below;
  };
  const auto pes = [](std::uint16_t pid, std::uint8_t id, bool start) {
    auto p = test::packet(pid, 0, start);
    const std::array<std::uint8_t, 9> head{0, 0, 1, id, 0, 0, 0x80, 0, 0};
    if (start) std::copy(head.begin(), head.end(), p.begin() + 4);
    return p;
  };
  auto pmt = test::packet(0x50, 0, true);
  pmt[4] = 0;
  pmt[5] = 0x02;
  std::map<std::uint16_t, std::pair<int, int>> counts;  // pushed, left
  std::int64_t pcrs = 0;
  bool damaged = false, whole = true;
  RateSchedule::Datagram datagram{};
  int in_unit = 0;
  const auto drain = [&](std::int64_t until) {
    while (sender.stage.next_departure_ns() < until) {
      if (!sender.stage.pop(sender.stage.next_departure_ns(), datagram)) continue;
      for (std::size_t at = 0; at < datagram.bytes.size(); at += kPacketSize) {
        const TsPacket p(std::span<const std::uint8_t>(datagram.bytes).subspan(at).first<kPacketSize>());
        ++counts[p.pid().value].second;
        pcrs += p.has_pcr() && p.has_payload() ? 1 : 0;
        if (p.pid().value != 0x100 || p.has_pcr()) continue;
        // A unit ends at the next one's start: 40 packets, or it was cut at its end, but never goes on.
        if (p.payload_unit_start()) {
          damaged = damaged || in_unit != 40;
          in_unit = 0;
        } else if (p.bytes()[100] != in_unit) {
          whole = false;
        }
        ++in_unit;
      }
    }
  };
  const std::int64_t gap = 1504 * 1'000'000 / static_cast<std::int64_t>(kRate) * 1000 / 2;
  int in = 0;
  for (std::int64_t i = 0; i < 20'000; ++i) {
    const std::int64_t due = kStart + i * gap;
    drain(due);
    Packet p{};
    switch (i % 50 == 0 ? 0 : i % 50 == 1 ? 1 : random(10) == 0 ? 2 : 3) {
      case 0:
        p = pmt;
        break;
      case 1:
        p = test::pcr_packet(0x100, 0, static_cast<std::uint64_t>(i * gap * 27 / 1000));
        break;
      case 2:
        p = pes(0x102, 0xBD, random(2) == 0);
        break;
      default:
        p = pes(0x100, 0xE0, in % 40 == 0);
        p[100] = static_cast<std::uint8_t>(in++ % 40);
    }
    const auto pid = test::view(p).pid().value;
    ++counts[pid].first;
    ++pushed;
    sender.stage.push(p, due);
    ASSERT_LE(sender.stage.counters().waiting, 410U);
  }
  const auto counters = sender.stage.counters();
  drain(kStart + 20'000 * gap + 2 * kSecond);
  EXPECT_NEAR(static_cast<double>(counters.all_dropped()), 10'000, 600);
  EXPECT_EQ(counts[0x50].first, counts[0x50].second);
  EXPECT_EQ(pcrs, 400);
  EXPECT_LT(counts[0x102].second, counts[0x102].first / 5);
  EXPECT_GT(counts[0x100].second, counts[0x100].first * 4 / 10);
  EXPECT_TRUE(damaged);
  EXPECT_TRUE(whole);
  EXPECT_EQ(pushed, sender.stage.counters().packets + sender.stage.counters().all_dropped());
}

// The farthest that two PCRs lie apart, in ms at this rate.
double longest_interval(const Receiver& receiver, std::uint64_t rate) {
  std::int64_t longest = 0;
  for (std::size_t i = 1; i < receiver.every.size(); ++i)
    longest = std::max(longest, receiver.every[i].position - receiver.every[i - 1].position);
  return static_cast<double>(longest) * 1504 * 1000 / static_cast<double>(rate);
}

TEST(RateSchedule, PutsPcrsInBetweenWhereItsSourceSendsFew) {
  PacedSource::Options sparse;
  sparse.pcr_every = 66;  // 99 ms
  for (const std::uint64_t rate : {1'200'000ULL, 1'500'000ULL, 8'000'000ULL}) {
    PacedSource source(sparse);
    Sender sender(rate);
    send(sender, source, kStart + 20 * kSecond);
    const Receiver& receiver = sender.receiver;
    EXPECT_LE(longest_interval(receiver, rate), 35) << rate;
    EXPECT_GE(receiver.every.size(), 3 * receiver.stamps.size()) << rate;
    EXPECT_LE(receiver.worst_accuracy(rate), 1.0) << rate;
    EXPECT_EQ(sender.stage.counters().all_dropped(), 0U) << rate;
    EXPECT_NEAR(static_cast<double>(sender.stage.counters().nulls),
                static_cast<double>(receiver.nulls + static_cast<std::int64_t>(receiver.every.size() -
                                                                               receiver.stamps.size())),
                1);
  }
}

TEST(RateSchedule, PutsNoPcrWhereItsSourceSendsEnough) {
  PacedSource::Options often;
  often.pcr_every = 16;  // 24 ms
  PacedSource source(often);
  Sender sender;
  send(sender, source, kStart + 20 * kSecond);
  EXPECT_EQ(sender.receiver.every.size(), sender.receiver.stamps.size());
}

// 1 Mb/s at 1.01 Mb/s: no position is free for long, and the stream still loses nothing.
TEST(RateSchedule, PutsPcrsBeforeOtherPacketsWhereNoPositionIsFree) {
  PacedSource::Options sparse;
  sparse.pcr_every = 66;
  sparse.burst = [](std::int64_t interval) { return interval % 2 == 0 ? 130 : 2; };
  PacedSource source(sparse);
  Sender sender(1'050'000);
  send(sender, source, kStart + 20 * kSecond);
  EXPECT_LE(longest_interval(sender.receiver, 1'050'000), 35);
  EXPECT_EQ(sender.stage.counters().all_dropped(), 0U);
}

TEST(RateSchedule, NothingLeavesBeforeSomethingCame) {
  RateSchedule stage(kRate, kRoom);
  RateSchedule::Datagram datagram{};
  EXPECT_EQ(stage.next_departure_ns(), kNever);
  EXPECT_FALSE(stage.pop(kStart, datagram));
}

TEST(RateSchedule, DoesNotAllocate) {
  PacedSource source(varying());
  std::vector<Arrival> arrivals;
  for (int i = 0; i < 10'000; ++i) arrivals.push_back(source.next());
  RateSchedule stage(kRate, kRoom);
  RateSchedule::Datagram datagram{};
  std::uint64_t count = 0;
  const auto before = headgate::test::allocations();
  for (const auto& a : arrivals) {
    stage.push(std::span<const std::uint8_t>(a.bytes).first<kPacketSize>(), a.ns);
    while (stage.pop(a.ns, datagram)) ++count;
  }
  EXPECT_EQ(headgate::test::allocations(), before);
  EXPECT_GT(count, 1000U);
}

}  // namespace
}  // namespace headgate::mpegts
