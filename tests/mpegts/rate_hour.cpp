// An hour of multiplexes of constant rate, written through a pipe into tests/support/rate_judge.cpp, which
// knows the bytes and nothing of this library.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "mpegts/mux/rate_schedule.h"
#include "ts_builder.h"

namespace headgate::mpegts {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kStart = 1'700'000'000 * kSecond;

// A program on PID 0x100 + its number: PCRs by a clock of its own, packets between them bunched and late by
// some time, as they are in a stream of variable rate.
class Made {
 public:
  Made(std::uint16_t pid, double ppm, std::int64_t pcr_every, int packets, std::int64_t late_ns)
      : pid_(pid), ppm_(ppm), pcr_every_(pcr_every), packets_(packets), late_ns_(late_ns) {
    next();
  }
  std::int64_t ns() const { return ns_; }
  const test::Packet& bytes() const { return packet_; }
  void next() {
    const std::int64_t interval = number_ / packets_;
    const std::int64_t within = number_ % packets_;
    seed_ = seed_ * 6364136223846793005U + 1442695040888963407U;
    // In the first third of the interval.
    const std::int64_t tick = interval * pcr_every_ + within * (pcr_every_ / 3) / packets_;
    const auto late =
        late_ns_ > 0 ? static_cast<std::int64_t>((seed_ >> 33U) % static_cast<std::uint64_t>(late_ns_)) : 0;
    const double exact = static_cast<double>(tick) * (1000.0 / 27.0) / (1 + ppm_ * 1e-6);
    ns_ = std::max(ns_, static_cast<std::int64_t>(std::llround(exact)) + late);
    const auto counter = static_cast<std::uint8_t>(number_ & 15);
    const auto pcr = static_cast<std::uint64_t>(tick + 26LL * 3600 * kTicksPerSecond) % kPcrModulus;
    packet_ = within == 0 ? test::pcr_packet(pid_, counter, pcr) : test::packet(pid_, counter);
    ++number_;
  }

 private:
  std::uint16_t pid_;
  double ppm_;
  std::int64_t pcr_every_;
  int packets_;
  std::int64_t late_ns_;
  std::int64_t number_ = 0;
  std::int64_t ns_ = 0;
  std::uint64_t seed_ = 7;
  test::Packet packet_{};
};

struct Multiplex {
  const char* name;
  std::uint64_t rate;
  std::vector<double> ppm;  // of the programs' clocks
  int packets;              // of each in a PCR interval
};

class RateHour : public testing::TestWithParam<Multiplex> {};

TEST_P(RateHour, IsConstantByAnIndependentJudge) {
  constexpr std::int64_t kSeconds = 3600;
  const Multiplex& mux = GetParam();
  const bool alike = std::all_of(mux.ppm.begin(), mux.ppm.end(), [&](double p) { return p == mux.ppm[0]; });
  std::vector<Made> programs;
  for (std::size_t i = 0; i < mux.ppm.size(); ++i) {
    // From 20 ms to the 100 ms that DVB allows; the clock of the first is recovered by the buffer before.
    const std::int64_t every = std::array{810'000, 540'000, 1'080'000, 2'430'000}[i % 4];
    programs.emplace_back(static_cast<std::uint16_t>(0x100 + i), mux.ppm[i], every,
                          static_cast<int>(mux.packets * every / 810'000), i == 0 ? 0 : 1'000'000);
  }
  RateSchedule stage(mux.rate, mux.rate / 2 / 1504);
  const std::string command =
      std::string(HEADGATE_RATE_JUDGE) + " " + std::to_string(mux.rate) + " " + (alike ? "0" : "7200");
  FILE* judge = ::popen(command.c_str(), "w");
  ASSERT_NE(judge, nullptr);
  RateSchedule::Datagram datagram{};
  for (bool open = true; open;) {
    auto first = programs.begin();
    for (auto p = first + 1; p != programs.end(); ++p) first = p->ns() < first->ns() ? p : first;
    const std::int64_t now = kStart + first->ns();
    while (stage.next_departure_ns() < now) {
      if (!stage.pop(stage.next_departure_ns(), datagram)) continue;
      open = std::fwrite(&datagram.departure_ns, 8, 1, judge) == 1 &&
             std::fwrite(datagram.bytes.data(), datagram.bytes.size(), 1, judge) == 1;
    }
    stage.push(first->bytes(), now);
    open = open && first->ns() < kSeconds * kSecond;
    first->next();
  }
  const int status = ::pclose(judge);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the judge's lines say why";
  EXPECT_EQ(stage.counters().all_dropped(), 0U);
  EXPECT_LE(stage.take_pcr_accuracy_max().value_or(99), 3U) << "and what the output says of itself";
}

INSTANTIATE_TEST_SUITE_P(
    Multiplexes, RateHour,
    testing::Values(Multiplex{"Two2Mbps", 2'000'000, {20, 20}, 14},
                    Multiplex{"Four8Mbps", 8'000'000, {-30, -30, -30, -30}, 30},
                    Multiplex{"Eight38Mbps", 38'000'000, {5, 5, 5, 5, 5, 5, 5, 5}, 80},
                    Multiplex{"Two2MbpsApart", 2'000'000, {20, -5}, 14},
                    Multiplex{"Four8MbpsApart", 8'000'000, {-30, 30, 0, -29}, 30},
                    Multiplex{"Eight38MbpsApart", 38'000'000, {5, 15, -15, 5, 25, 5, 4, 6}, 80}),
    [](const auto& which) { return which.param.name; });

}  // namespace
}  // namespace headgate::mpegts
