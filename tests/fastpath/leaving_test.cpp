// Own outputs as the worker judges them: what a pipe or a cut sends, by the indicators of TR 101 290.
#include "mpegts/monitor/indicators.h"
#include "tests/fastpath/pipe_support.h"

namespace headgate::fastpath {
namespace {

using mpegts::Indicator;
constexpr std::uint64_t kSecond = 27'000'000;
constexpr std::uint32_t kGroup = 0xEF010101;

class LeavingTest : public PipeTest {
 protected:
  std::optional<std::uint64_t> errors(Indicator indicator) {
    const protocol::IndicatorStats& stats = this->stats().outputs[0].tr101290;
    const auto place = static_cast<std::size_t>(indicator);
    if ((stats.judged.load() >> place & 1) == 0) return std::nullopt;
    return stats.errors[place].load();
  }
  void apply_rate(std::uint64_t bits_per_second) {
    auto wanted = state();
    wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1")};
    wanted.channels[0].bitrate_bps = bits_per_second;
    apply(wanted);
  }
};

TEST_F(LeavingTest, AConstantRateIsGoodButForTheTablesThatItsInputHasNot) {
  apply_rate(1'000'000);
  Sender sender{MadeService(1, 5 * kSecond), kGroup};
  run(1500, {&sender});
  stats();
  run(1500, {&sender});
  for (const Indicator none :
       {Indicator::ts_sync_loss, Indicator::pat_error, Indicator::continuity_count_error,
        Indicator::pmt_error, Indicator::pid_error, Indicator::pcr_repetition_error,
        Indicator::pcr_discontinuity_indicator_error, Indicator::pcr_accuracy_error})
    EXPECT_EQ(errors(none), 0U) << mpegts::kIndicators[static_cast<std::size_t>(none)].name;
  sender.service.tables = false;
  run(2000, {&sender});
  EXPECT_EQ(errors(Indicator::pat_error), 1U);
  EXPECT_EQ(errors(Indicator::pmt_error), 1U);
  EXPECT_EQ(errors(Indicator::continuity_count_error), 0U);
}

TEST_F(LeavingTest, WhatARateThatIsTooSmallLosesShows) {
  apply_rate(200'000);  // the stream has 376 kb/s
  Sender sender{MadeService(1, 5 * kSecond), kGroup};
  run(5000, {&sender});
  EXPECT_GT(errors(Indicator::continuity_count_error), 20U);
}

TEST_F(LeavingTest, ARelayIsItsInputsAndACutIsOurs) {
  auto wanted = state();
  wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1")};
  apply(wanted);
  Sender sender{MadeService(1, 5 * kSecond), kGroup};
  run(1000, {&sender});
  EXPECT_FALSE(errors(Indicator::continuity_count_error));
  wanted.channels[0].inputs[0].program = std::uint16_t{1};
  apply(wanted);
  run(1000, {&sender});
  EXPECT_EQ(errors(Indicator::continuity_count_error), 0U);
  EXPECT_EQ(errors(Indicator::pat_error), 0U);
  EXPECT_FALSE(errors(Indicator::pcr_accuracy_error)) << "its rate is not constant";
  wanted.channels[0].inputs[0].program.reset();
  apply(wanted);
  run(1000, {&sender});
  EXPECT_FALSE(errors(Indicator::continuity_count_error));
}

TEST_F(LeavingTest, AServiceHasTheRateOfItsPids) {
  apply_rate(1'000'000);
  stats();  // its window begins
  Sender sender{MadeService(1, 5 * kSecond), kGroup};
  run(2000, {&sender});
  const protocol::InputStats& in = *input("a");
  ASSERT_EQ(in.service_count.load(), 1U);
  EXPECT_EQ(in.services[0].program_number.load(), 1U);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < in.pid_count.load(); ++i)
    if (in.pids[i].pid.load() != 0) sum += in.pids[i].bitrate_bps.load();
  EXPECT_EQ(in.services[0].bitrate_bps.load(), sum) << "all but the PAT";
  EXPECT_NEAR(static_cast<double>(sum), 357'000, 20'000);
}

// Half a second without a core, then all at once: tables were not late for that.
TEST_F(LeavingTest, AWorkerThatWasAwayIsNoErrorOfAnybody) {
  apply_rate(1'000'000);
  Sender sender{MadeService(1, 5 * kSecond), kGroup};
  run(2000, {&sender});
  wait(600 * kMs);
  run(2000, {&sender});
  EXPECT_EQ(errors(Indicator::pat_error), 0U);
  stats();
  const protocol::IndicatorStats& in = input("a")->tr101290;
  EXPECT_EQ(in.errors[static_cast<std::size_t>(Indicator::pat_error)].load(), 0U);
}

}  // namespace
}  // namespace headgate::fastpath
