#include "control/reconcile/apply.h"

#include <gtest/gtest.h>

#include <map>

#include "sample_model.h"

namespace headgate::control {
namespace {

using namespace std::chrono_literals;
using Expected = tl::expected<void, std::string>;

// Two processes that load what was written; time passes only by pause().
class FakePlane : public DataPlane {
 public:
  struct Process {
    std::string file;
    std::uint64_t runs = 0;
    std::uint64_t refuses = 0;           // this generation
    std::uint64_t dies_at_start_of = 0;  // this generation, once a second
    std::chrono::milliseconds dying_since{0};
    bool dies_on_apply = false;  // once
    std::chrono::milliseconds away_until{0};
    int applies = 0;
    int restarts = 0;
  };

  Expected write_state(const std::string& name, const std::string& json) override {
    processes[name].file = json;
    return {};
  }
  tl::expected<std::uint64_t, std::string> generation(const std::string& name) override {
    const bool dies = wanted(processes[name]) == processes[name].dies_at_start_of;
    if (dies || time < processes[name].away_until) return tl::unexpected(std::string("connection refused"));
    return processes[name].runs;
  }
  Expected apply(const std::string& name) override {
    Process& process = processes[name];
    ++process.applies;
    if (process.dies_on_apply) {
      process.dies_on_apply = false;
      process.away_until = time + 500ms;
      return tl::unexpected(std::string("connection reset"));
    }
    if (wanted(process) == process.refuses)
      return tl::unexpected(std::string("no memory for so many channels"));
    process.runs = wanted(process);
    return {};
  }
  Expected restart(const std::string& name) override {
    Process& process = processes[name];
    ++process.restarts;
    process.away_until = time + 700ms;
    if (wanted(process) == process.dies_at_start_of) process.away_until = process.dying_since = time;
    if (wanted(process) != process.refuses) process.runs = wanted(process);
    return {};
  }
  tl::expected<std::uint64_t, std::string> deaths(const std::string& name) override {
    const Process& process = processes[name];
    const bool dies = wanted(process) == process.dies_at_start_of;
    return dies ? static_cast<std::uint64_t>((time - process.dying_since) / 1s) : 0;
  }
  std::chrono::steady_clock::time_point now() override { return std::chrono::steady_clock::time_point(time); }
  void pause(std::chrono::milliseconds by) override { time += by; }

  static std::uint64_t wanted(const Process& process) {
    if (const auto state = protocol::parse_fastpath_state(process.file)) return state->generation;
    return protocol::parse_bridge_state(process.file).value().generation;
  }
  std::map<std::string, Process> processes;
  std::chrono::milliseconds time{0};
};

class Apply : public ::testing::Test {
 protected:
  Apply() {
    before = build_states(sample_model(), handles, 4);
    auto model = sample_model();
    model.channels.pop_back();
    model.channels[1].hls = config::HlsOptions{};
    wanted = build_states(model, handles, 5);
    EXPECT_TRUE(carry_out(plane, before, {}).has_value());
  }
  protocol::FastpathState on_disk() {
    return protocol::parse_fastpath_state(plane.processes["fastpath"].file).value();
  }

  FakePlane plane;
  Handles handles;
  DesiredStates before, wanted;
};

TEST_F(Apply, MakesBothRunTheNewGeneration) {
  ASSERT_TRUE(carry_out_or_roll_back(plane, before, wanted, {}).has_value());
  EXPECT_EQ(plane.processes["fastpath"].runs, 5U);
  EXPECT_EQ(plane.processes["bridge"].runs, 5U);
  EXPECT_EQ(plane.processes["fastpath"].restarts, 0);
}

TEST_F(Apply, PutsEverythingBackWhereTheBridgeRefuses) {
  plane.processes["bridge"].refuses = 5;
  const auto done = carry_out_or_roll_back(plane, before, wanted, {});
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().reason, "bridge refused the map: no memory for so many channels");
  EXPECT_TRUE(done.error().rolled_back);
  EXPECT_EQ(plane.processes["fastpath"].runs, 6U);
  EXPECT_EQ(plane.processes["bridge"].runs, 6U);
  auto expected = before.fastpath;
  expected.generation = 6;
  EXPECT_EQ(on_disk(), expected);
}

TEST_F(Apply, DoesNotAskTheBridgeWhereTheFastPathRefuses) {
  plane.processes["fastpath"].refuses = 5;
  const int asked = plane.processes["bridge"].applies;
  EXPECT_FALSE(carry_out(plane, wanted, {}).has_value());
  EXPECT_EQ(plane.processes["bridge"].applies, asked);
}

TEST_F(Apply, WaitsForAProcessThatDiesMeanwhile) {
  plane.processes["fastpath"].dies_on_apply = true;
  ASSERT_TRUE(carry_out_or_roll_back(plane, before, wanted, {}).has_value());
  EXPECT_EQ(plane.processes["fastpath"].runs, 5U);
}

TEST_F(Apply, GivesUpOnAProcessThatStaysAway) {
  plane.processes["bridge"].away_until = 1h;
  const auto done = carry_out(plane, wanted, {}, 20s);
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error(), "bridge can't be reached: connection refused");
  EXPECT_LT(plane.time, 21s);
}

TEST_F(Apply, RestartsWhatThePlanNamesAndWaitsForItsReturn) {
  ASSERT_TRUE(carry_out_or_roll_back(plane, before, wanted, {"fastpath"}).has_value());
  EXPECT_EQ(plane.processes["fastpath"].restarts, 1);
  EXPECT_EQ(plane.processes["bridge"].restarts, 0);
  EXPECT_GE(plane.time, 700ms);
}

TEST_F(Apply, PutsBackAtTheSecondDeathOfAStart) {
  plane.processes["fastpath"].dies_at_start_of = 5;
  const auto done = carry_out_or_roll_back(plane, before, wanted, {"fastpath"}, 20s);
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().reason, "fastpath died at its start with the new map; its last log lines say why");
  EXPECT_TRUE(done.error().rolled_back);
  EXPECT_EQ(plane.processes["fastpath"].runs, 6U);
  EXPECT_LT(plane.time, 4s);
}

TEST_F(Apply, RestartsWithTheOldMapWhereTheNewOneDoesNotStart) {
  plane.processes["fastpath"].refuses = 5;
  const auto done = carry_out_or_roll_back(plane, before, wanted, {"fastpath"}, 5s);
  ASSERT_FALSE(done.has_value());
  EXPECT_TRUE(done.error().rolled_back);
  EXPECT_EQ(plane.processes["fastpath"].restarts, 2);
  EXPECT_EQ(plane.processes["fastpath"].runs, 6U);
}

}  // namespace
}  // namespace headgate::control
