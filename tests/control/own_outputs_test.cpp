#include "control/daemon/own_outputs.h"

#include <gtest/gtest.h>

#include "sample_view.h"

namespace headgate::control {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
using mpegts::Indicator;

struct Watched {
  GatewayView view = sample_view();
  OwnOutputs outputs;
  std::int64_t now = 1000 * kSecond;

  Watched() { out().judged = 0xFFFF; }
  IndicatorSnapshot& out() { return view.snapshot.outputs[0].tr101290; }
  IndicatorSnapshot& in() { return view.snapshot.inputs[0].tr101290; }
  Messages look() {
    now += kSecond;
    return outputs.update(*view.model, view.snapshot, now);
  }
};

TEST(OwnOutputs, AreToldWhereTheirInputsHaveNotTheSame) {
  Watched watched;
  ASSERT_EQ(watched.view.snapshot.outputs[0].channel, watched.view.snapshot.inputs[0].channel);
  watched.out().errors[Indicator::pat_error] = 7;
  EXPECT_TRUE(watched.look().empty()) << "what was before counts nothing";
  watched.out().errors[Indicator::pat_error] = 8;
  watched.in().errors[Indicator::pat_error] = 1;
  EXPECT_TRUE(watched.look().empty()) << "its input had it, too";
  watched.out().errors[Indicator::continuity_count_error] = 3;
  watched.out().errors[Indicator::crc_error] = 9;
  const Messages told = watched.look();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told.begin()->second, "Continuity_count_error 3 in the last minute, more than at its inputs");
  for (int i = 0; i < 65; ++i) watched.look();
  EXPECT_TRUE(watched.look().empty());
}

TEST(OwnOutputs, ThatRelayAreNotJudged) {
  Watched watched;
  watched.out().judged = 0;
  watched.look();
  watched.out().errors[Indicator::pat_error] = 8;
  EXPECT_TRUE(watched.look().empty());
}

}  // namespace
}  // namespace headgate::control
