#include "control/daemon/channel_monitor.h"

#include <gtest/gtest.h>

#include "sample_model.h"

namespace headgate::control {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kStart = 1'000 * kSecond;

class ChannelMonitorTest : public ::testing::Test {
 protected:
  ChannelMonitorTest() {
    model.channels = {sample_channel("news", "239.10.1.1", true)};
    InputSnapshot input;
    input.channel = "news";
    snapshot.epoch = 1;
    snapshot.inputs.push_back(input);
  }
  // A second of media, then a look.
  void second_of_media() {
    now += kSecond;
    input().ts_packets += 1000;
    input().last_packet_unix_ns = static_cast<std::uint64_t>(now);
    look();
  }
  void look() {
    monitor.update(
        model, snapshot, now,
        [this](const std::string&, const ChannelHealth& before, const ChannelHealth& health) {
          changes.push_back(std::string(to_string(before.state)) + ">" + to_string(health.state));
        },
        problems);
  }
  InputSnapshot& input() { return snapshot.inputs[0]; }
  const ChannelHealth& health() { return *monitor.find("news"); }

  config::Model model;
  Snapshot snapshot;
  ChannelMonitor monitor;
  std::int64_t now = kStart;
  std::vector<std::string> changes;
  std::map<std::string, std::string> problems;
};

TEST_F(ChannelMonitorTest, IsDownUntilTheFirstDatagram) {
  look();
  EXPECT_EQ(health().state, ChannelState::down);
  EXPECT_EQ(health().reason, "no datagram yet");
  EXPECT_TRUE(changes.empty());
  second_of_media();
  EXPECT_EQ(health().state, ChannelState::ok);
  EXPECT_EQ(health().active_input, 1U);
  EXPECT_EQ(changes, std::vector<std::string>{"down>ok"});
}

TEST_F(ChannelMonitorTest, IsDegradedForTenSecondsAfterAnError) {
  second_of_media();
  input().cc_errors += 3;
  second_of_media();
  EXPECT_EQ(health().state, ChannelState::degraded);
  EXPECT_EQ(health().reason, "3 CC errors in the last 10 s");
  const auto since = health().since_unix_ns;
  for (int i = 0; i < 9; ++i) second_of_media();
  EXPECT_EQ(health().state, ChannelState::degraded);
  EXPECT_EQ(health().since_unix_ns, since);
  for (int i = 0; i < 2; ++i) second_of_media();
  EXPECT_EQ(health().state, ChannelState::ok);
}

TEST_F(ChannelMonitorTest, IsDownAfterTwoSilentSeconds) {
  second_of_media();
  now += 2 * kSecond;
  look();
  EXPECT_EQ(health().state, ChannelState::ok);
  now += 1;
  look();
  EXPECT_EQ(health().state, ChannelState::down);
  EXPECT_EQ(health().active_input, 0U);
}

TEST_F(ChannelMonitorTest, BridgesARestartOfTheFastPath) {
  input().cc_errors = 50;
  second_of_media();
  snapshot = Snapshot{};
  now += kSecond;
  look();
  EXPECT_EQ(health().state, ChannelState::ok);
  snapshot.epoch = 2;
  InputSnapshot fresh;
  fresh.channel = "news";
  fresh.cc_errors = 0;
  snapshot.inputs = {fresh};
  second_of_media();
  EXPECT_EQ(health().state, ChannelState::ok) << health().reason;
}

TEST_F(ChannelMonitorTest, CallsMostlyScrambledMediaDegraded) {
  second_of_media();
  input().scrambled += 900;
  second_of_media();
  EXPECT_EQ(health().state, ChannelState::degraded);
  EXPECT_EQ(health().reason, "900 scrambled in the last 10 s");
}

TEST_F(ChannelMonitorTest, AllowsOneScrambledServiceOfMany) {
  second_of_media();
  input().scrambled += 100;
  second_of_media();
  EXPECT_EQ(health().state, ChannelState::ok);
}

TEST_F(ChannelMonitorTest, CountsWhatTheNodeItselfLost) {
  second_of_media();
  OutputSnapshot output;
  output.channel = "news";
  output.drops[static_cast<std::size_t>(protocol::DropReason::output_queue_full)] = 0;
  snapshot.outputs = {output};
  second_of_media();
  snapshot.outputs[0].drops[static_cast<std::size_t>(protocol::DropReason::output_queue_full)] = 4;
  second_of_media();
  EXPECT_EQ(health().reason, "4 lost in this node in the last 10 s");
}

TEST_F(ChannelMonitorTest, SaysThatTheServiceIsMissing) {
  input().service_state = 2;
  second_of_media();
  EXPECT_EQ(health().state, ChannelState::degraded);
  EXPECT_EQ(health().reason, "the program is not in the stream");
}

TEST_F(ChannelMonitorTest, WaitsForTheServicesTablesOnlySoLong) {
  input().service_state = 1;
  second_of_media();
  second_of_media();
  EXPECT_EQ(health().state, ChannelState::ok);
  second_of_media();
  second_of_media();
  EXPECT_EQ(health().state, ChannelState::degraded);
  EXPECT_EQ(health().reason, "the program is not in the stream");
  input().service_state = 4;
  second_of_media();
  EXPECT_EQ(health().state, ChannelState::ok);
}

TEST_F(ChannelMonitorTest, KnowsDisabledChannelsAndForgetsRemovedOnes) {
  model.channels[0].enabled = false;
  second_of_media();
  EXPECT_EQ(health().state, ChannelState::disabled);
  model.channels.clear();
  look();
  EXPECT_EQ(monitor.find("news"), nullptr);
}

TEST_F(ChannelMonitorTest, IsDegradedWhileTheBridgeHasNothingToServe) {
  second_of_media();
  problems["news"] = "HLS has no segment: PID 256 (h264) is scrambled";
  second_of_media();
  EXPECT_EQ(health().state, ChannelState::degraded);
  EXPECT_EQ(health().reason, "HLS has no segment: PID 256 (h264) is scrambled");
  input().cc_errors += 3;
  second_of_media();
  EXPECT_EQ(health().reason, "3 CC errors in the last 10 s; HLS has no segment: PID 256 (h264) is scrambled");
  for (int i = 0; i < 12; ++i) second_of_media();
  problems.clear();
  second_of_media();
  EXPECT_EQ(health().state, ChannelState::ok);
  EXPECT_EQ(changes, (std::vector<std::string>{"ok>degraded", "degraded>ok"}));
  // Without packets it is down, whatever the bridge said last.
  problems["news"] = "HLS has no segment";
  now += 5 * kSecond;
  look();
  EXPECT_EQ(health().state, ChannelState::down);
}

}  // namespace
}  // namespace headgate::control
