// Several programs in one stream of constant rate, each on a clock of its own, read as receivers do:
// positions are counted from the bytes.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <vector>

#include "mpegts/clock/playout.h"
#include "mpegts/mux/rate_schedule.h"
#include "ts_builder.h"

namespace headgate::mpegts {
namespace {

using test::Packet;

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kStart = 1'700'000'000'000'000'000;
constexpr auto kModulus = static_cast<std::int64_t>(kPcrModulus);

struct ProgramOptions {
  double ppm = 0;                    // of its clock
  std::int64_t pcr_every = 810'000;  // ticks of it
  std::int64_t first_pcr = 0;
  std::int64_t noise_ns = 0;  // its packets come later by up to this
  int packets = 3;            // from one PCR to the next
  std::int64_t ends_ns = std::numeric_limits<std::int64_t>::max();
};

// Programs side by side, their packets merged by the time at which they come. Program n has PID 0x100 + n.
class Programs {
 public:
  explicit Programs(const std::vector<ProgramOptions>& all) {
    for (const auto& o : all) sources_.push_back({o, 0, 0, {}});
    for (auto& s : sources_) make(s);
  }
  struct Made {
    std::size_t program = 0;
    std::int64_t ns = 0;  // since the start
    std::int64_t pcr = -1;
    Packet bytes{};
  };
  Made next() {
    std::size_t first = 0;
    for (std::size_t i = 1; i < sources_.size(); ++i) {
      if (sources_[i].made.ns < sources_[first].made.ns) first = i;
    }
    Made made = sources_[first].made;
    made.program = first;
    made.bytes[1] = 0x01;
    made.bytes[2] = static_cast<std::uint8_t>(first);
    make(sources_[first]);
    return made;
  }

 private:
  struct Source {
    ProgramOptions o;
    std::int64_t number = 0;
    std::int64_t last = 0;
    Made made;
  };
  void make(Source& s) {
    const std::int64_t n = s.number++;
    const std::int64_t tick = n * s.o.pcr_every / s.o.packets;
    seed_ = seed_ * 6364136223846793005U + 1442695040888963407U;
    s.made.ns = std::llround(static_cast<double>(tick) * (1000.0 / 27.0) / (1 + s.o.ppm * 1e-6));
    if (s.o.noise_ns > 0)
      s.made.ns = std::max(
          s.last,
          s.made.ns + static_cast<std::int64_t>((seed_ >> 33U) % static_cast<std::uint64_t>(s.o.noise_ns)));
    s.last = s.made.ns;
    if (s.made.ns >= s.o.ends_ns) s.made.ns = std::numeric_limits<std::int64_t>::max();
    const auto counter = static_cast<std::uint8_t>(n & 15);
    s.made.pcr = n % s.o.packets == 0 ? (s.o.first_pcr + tick) % kModulus : -1;
    s.made.bytes = s.made.pcr < 0
                       ? test::packet(0x100, counter)
                       : test::pcr_packet(0x100, counter, static_cast<std::uint64_t>(s.made.pcr), false);
  }
  std::vector<Source> sources_;
  std::uint64_t seed_ = 7;
};

// What a receiver of one program sees of its PCRs.
class Line {
 public:
  // `rate`: of the stream. Over windows of ten seconds: how far PCRs lie from the best straight line through
  // byte position and PCR.
  explicit Line(std::uint64_t rate) : rate_(rate) {}
  void take(std::int64_t position, std::int64_t pcr, bool flagged) {
    const double at = static_cast<double>(position) * 1504 * 27e6 / static_cast<double>(rate_);
    if (count++ > 0) {
      const std::int64_t step = (pcr - pcr_ + kModulus) % kModulus;
      elapsed_ += step;
      const double apart = at - at_;
      longest_ms = std::max(longest_ms, apart / 27e3);
      // The clock may be 100 ppm off, and values are whole ticks.
      if (std::abs(static_cast<double>(step) - apart) > 2 + apart * 100e-6) ++jumps;
    }
    flags += flagged ? 1 : 0;
    pcr_ = pcr;
    at_ = at;
    if (points_.empty()) began_ = at;
    points_.emplace_back(at - began_, static_cast<double>(elapsed_));
    if (at - began_ > 10 * 27e6) close();
  }
  int count = 0, jumps = 0, flags = 0;
  double longest_ms = 0;
  double worst_ns = 0;
  double ppm = 0;  // of the latest window
  void begin() { worst_ns = 0; }

 private:
  void close() {
    double mx = 0, my = 0, xx = 0, xy = 0;
    const auto n = static_cast<double>(points_.size());
    for (const auto& [x, y] : points_) mx += x / n, my += y / n;
    for (const auto& [x, y] : points_) xx += (x - mx) * (x - mx), xy += (x - mx) * (y - my);
    const double slope = xy / xx;
    for (const auto& [x, y] : points_)
      worst_ns = std::max(worst_ns, std::abs(y - my - slope * (x - mx)) * 1000 / 27);
    ppm = (slope - 1) * 1e6;
    points_.clear();
  }
  std::uint64_t rate_;
  std::int64_t pcr_ = 0, elapsed_ = 0;
  double at_ = 0, began_ = 0;
  std::vector<std::pair<double, double>> points_;
};

class Output {
 public:
  Output(std::uint64_t rate, std::size_t room, std::size_t programs)
      : stage(rate, room), lines(programs, Line(rate)), behind(programs), counters_(programs, -1) {}

  // What its PCR was when it came, so that what leaves is known to be of its clock.
  void push(const Packet& packet, std::size_t program, std::int64_t pcr, std::int64_t due,
            bool clock_set = false) {
    if (!clock_set) drain(due);
    if (pcr >= 0) came_[program].push_back(pcr);
    stage.push(packet, due);
  }
  void drain(std::int64_t until) {
    while (stage.next_departure_ns() < until) {
      if (stage.pop(stage.next_departure_ns(), datagram_)) take();
    }
  }
  RateSchedule stage;
  std::vector<Line> lines;
  struct Behind {
    std::int64_t least = kModulus, most = -kModulus;
  };
  std::vector<Behind> behind;  // the PCR that left against the source's own
  int counter_errors = 0;
  std::int64_t position = 0;

 private:
  void take() {
    for (std::size_t at = 0; at < datagram_.bytes.size(); at += kPacketSize, ++position) {
      const TsPacket p(std::span<const std::uint8_t>(datagram_.bytes).subspan(at).first<kPacketSize>());
      if (p.pid() == kNullPid) continue;
      const auto program = static_cast<std::size_t>(p.pid().value - 0x100);
      ASSERT_LT(program, lines.size());
      const int expected = p.has_payload() ? (counters_[program] + 1) & 15 : counters_[program];
      if (counters_[program] >= 0 && p.continuity_counter() != expected) ++counter_errors;
      counters_[program] = p.continuity_counter();
      if (!p.has_pcr()) continue;
      const auto pcr = static_cast<std::int64_t>(p.pcr()->ticks);
      lines[program].take(position, pcr, p.discontinuity());
      if (!p.has_payload()) continue;
      auto& came = came_[program];
      std::int64_t late = (pcr - came[left_[program]++]) % kModulus;
      if (late > kModulus / 2) late -= kModulus;
      if (late < -kModulus / 2) late += kModulus;
      behind[program].least = std::min(behind[program].least, late);
      behind[program].most = std::max(behind[program].most, late);
      if (left_[program] > 1000) {
        came.erase(came.begin(), came.begin() + 1000);
        left_[program] -= 1000;
      }
    }
  }
  std::map<std::size_t, std::vector<std::int64_t>> came_;
  std::map<std::size_t, std::size_t> left_;
  std::vector<int> counters_;
  RateSchedule::Datagram datagram_{};
};

const std::vector<ProgramOptions> kFour{
    {.ppm = 20, .first_pcr = 5, .packets = 12},
    {.ppm = 70, .first_pcr = kModulus - 3000 * kTicksPerSecond, .packets = 12},
    {.ppm = -30, .pcr_every = 1'080'000, .noise_ns = 2'000'000, .packets = 20},
    {.pcr_every = 2'430'000, .packets = 9}};

// Through a buffer that follows the first program, as a channel's way is: three hours at up to 100 ppm
// between the clocks, which would be a second.
TEST(RatePrograms, EachKeepsItsOwnClockForHours) {
  constexpr std::uint64_t kRate = 2'391'003;
  Programs programs(kFour);
  Playout playout(kSecond / 2, 4000);
  Output out(kRate, 800, kFour.size());
  std::vector<Programs::Made> waiting;
  std::size_t gone = 0;
  bool later = false;
  for (Programs::Made made = programs.next(); made.ns < 3 * 3600 * kSecond; made = programs.next()) {
    const std::int64_t now = kStart + made.ns;
    while (playout.next_due_ns() <= now) {
      const auto batch = playout.pop(playout.next_due_ns());
      for (std::size_t at = 0; at < batch.packets.size(); at += kPacketSize, ++gone) {
        Packet packet{};
        std::copy_n(batch.packets.begin() + static_cast<std::ptrdiff_t>(at), kPacketSize, packet.begin());
        out.push(packet, waiting[gone].program, waiting[gone].pcr, batch.due_ns);
      }
    }
    if (gone > 10'000) {
      waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(gone));
      gone = 0;
    }
    playout.push(made.bytes, now);
    waiting.push_back(std::move(made));
    if (!later && now > kStart + 7200 * kSecond) {
      later = true;
      for (auto& line : out.lines) line.begin();
      out.behind.assign(kFour.size(), {});
    }
  }
  EXPECT_EQ(out.stage.counters().all_dropped(), 0U);
  EXPECT_EQ(playout.counters().underflows + playout.counters().overflows, 0U);
  EXPECT_EQ(out.counter_errors, 0);
  for (std::size_t i = 0; i < kFour.size(); ++i) {
    const Line& line = out.lines[i];
    EXPECT_GT(line.count, 3 * 3600 * 28) << i;
    EXPECT_EQ(line.jumps + line.flags, 0) << i;
    EXPECT_LE(line.longest_ms, 35) << i;
    EXPECT_LE(line.worst_ns, 100) << i;
    EXPECT_NEAR(line.ppm, kFour[i].ppm - kFour[0].ppm, 8) << i;
    EXPECT_GE(out.behind[i].least, -15 * kTicksPerSecond / 1000) << i;
    EXPECT_LE(out.behind[i].most, 40 * kTicksPerSecond / 1000) << i;
  }
  EXPECT_LE(out.stage.take_pcr_accuracy_max().value_or(99), 2U);
}

// Due times that are milliseconds off, as those between the PCRs of another program are in a stream of
// variable rate, don't tell of another clock.
TEST(RatePrograms, EqualClocksAreNotPulledByUnevenDueTimes) {
  constexpr std::uint64_t kRate = 1'000'000;
  Programs programs({{.ppm = 50}, {.ppm = 50, .noise_ns = 9'000'000}, {.ppm = 50, .noise_ns = 3'000'000}});
  Output out(kRate, 500, 3);
  for (auto made = programs.next(); made.ns < 1800 * kSecond; made = programs.next())
    out.push(made.bytes, made.program, made.pcr, kStart + made.ns);
  for (const Line& line : out.lines) {
    EXPECT_LE(line.worst_ns, 100);
    EXPECT_NEAR(line.ppm, 0, 4) << "the first PCR was 9 ms off at most";
    EXPECT_EQ(line.jumps + line.flags, 0);
  }
}

TEST(RatePrograms, AJumpOfOneIsNoMatterOfTheOthers) {
  constexpr std::uint64_t kRate = 1'000'000;
  Programs programs({{.ppm = 0}, {.ppm = 30}, {.ppm = -30}});
  Output out(kRate, 500, 3);
  for (auto made = programs.next(); made.ns < 600 * kSecond; made = programs.next()) {
    if (made.program == 1 && made.pcr >= 0 && made.ns > 300 * kSecond) {
      made.pcr = (made.pcr + 1000 * kTicksPerSecond) % kModulus;
      const Packet stamped =
          test::pcr_packet(0x101, made.bytes[3] & 15, static_cast<std::uint64_t>(made.pcr), false);
      made.bytes = stamped;
    }
    out.push(made.bytes, made.program, made.pcr, kStart + made.ns);
  }
  EXPECT_EQ(out.lines[0].jumps + out.lines[0].flags, 0);
  EXPECT_EQ(out.lines[2].jumps + out.lines[2].flags, 0);
  EXPECT_EQ(out.lines[1].flags, 1) << "told to receivers";
  EXPECT_EQ(out.lines[1].jumps, 1);
}

// The first program goes: the rate counts another's seconds, and no receiver sees more than that.
TEST(RatePrograms, AnotherLeadsWhenTheFirstFallsSilent) {
  constexpr std::uint64_t kRate = 1'000'000;
  Programs programs({{.ppm = 0, .ends_ns = 1200 * kSecond}, {.ppm = 40}, {.ppm = -20}});
  Output out(kRate, 500, 3);
  for (auto made = programs.next(); made.ns < 3 * 3600 * kSecond; made = programs.next())
    out.push(made.bytes, made.program, made.pcr, kStart + made.ns);
  EXPECT_EQ(out.counter_errors, 0);
  EXPECT_EQ(out.stage.counters().all_dropped(), 0U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(out.lines[i].jumps + out.lines[i].flags, 0) << i;
    EXPECT_LT(out.behind[i].most, 35 * kTicksPerSecond / 1000) << i;
    EXPECT_GT(out.behind[i].least, -35 * kTicksPerSecond / 1000) << i;
  }
  EXPECT_LE(out.lines[0].longest_ms, 36) << "none is put in for a program that is gone";
  EXPECT_NEAR(out.lines[2].ppm - out.lines[1].ppm, -60, 3);
}

TEST(RatePrograms, GoOnWhenTheNodesClockIsSet) {
  constexpr std::uint64_t kRate = 1'000'000;
  Programs programs({{.ppm = 0}, {.ppm = 50}, {.ppm = -50}});
  Output out(kRate, 500, 3);
  std::int64_t before = 0;
  for (auto made = programs.next(); made.ns < 1200 * kSecond; made = programs.next()) {
    const std::int64_t step = made.ns < 400 * kSecond   ? 0
                              : made.ns < 800 * kSecond ? 7200 * kSecond
                                                        : -3600 * kSecond;
    out.push(made.bytes, made.program, made.pcr, kStart + made.ns + step, step != before);
    before = step;
  }
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(out.lines[i].jumps + out.lines[i].flags, 0) << i;
  EXPECT_NEAR(static_cast<double>(out.position), 1200 * static_cast<double>(kRate) / 1504, 3000);
}

// As many as may be, and one more: all leave, the rest is as good as due times are.
TEST(RatePrograms, MoreThanCanBeKnownStillLeave) {
  constexpr std::uint64_t kRate = 20'000'000;
  std::vector<ProgramOptions> many(RateSchedule::kMaxPrograms + 1);
  Programs programs(many);
  Output out(kRate, 2000, many.size());
  for (auto made = programs.next(); made.ns < 20 * kSecond; made = programs.next())
    out.push(made.bytes, made.program, made.pcr, kStart + made.ns);
  EXPECT_EQ(out.counter_errors, 0);
  for (const Line& line : out.lines) EXPECT_GT(line.count, 600);
}

}  // namespace
}  // namespace headgate::mpegts
