#include "control/daemon/channel_monitor.h"

#include <gtest/gtest.h>

#include "sample_model.h"

namespace headgate::control {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kStart = 1'000 * kSecond;

SourceView source_view(std::uint32_t number, const std::string& kind, const std::string& state,
                       const std::string& error) {
  SourceView view;
  view.number = number;
  view.kind = kind;
  view.state = state;
  view.error = error;
  return view;
}

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
          reasons.push_back(health.reason);
        },
        problems, sources);
  }
  InputSnapshot& input() { return snapshot.inputs[0]; }
  const ChannelHealth& health() { return *monitor.find("news"); }

  config::Model model;
  Snapshot snapshot;
  ChannelMonitor monitor;
  std::int64_t now = kStart;
  std::vector<std::string> changes, reasons;
  std::map<std::string, std::string> problems;
  Sources sources;
};

// A udp primary and an srt backup.
class SwitchedChannelTest : public ChannelMonitorTest {
 protected:
  SwitchedChannelTest() {
    config::Input backup;
    backup.number = 2;
    backup.kind = config::InputKind::srt_caller;
    backup.url = "srt://far:9000";
    model.channels[0].inputs.push_back(backup);
    snapshot.inputs.push_back(snapshot.inputs[0]);
    snapshot.inputs[1].number = 2;
    snapshot.inputs[1].url = "srt://far:9000";
    snapshot.channels.emplace_back();
    air().channel = "news";
    air().on_air = 1;
  }
  ChannelSnapshot& air() { return snapshot.channels[0]; }
  // Both bring media.
  void second_of_both() {
    snapshot.inputs[1].ts_packets += 1000;
    snapshot.inputs[1].last_packet_unix_ns = static_cast<std::uint64_t>(now + kSecond);
    second_of_media();
  }
};

TEST_F(SwitchedChannelTest, IsOnBackupForAsLongAsThePreferredInputIsNotOnAir) {
  second_of_both();
  EXPECT_EQ(health().state, ChannelState::ok);
  EXPECT_EQ(health().active_input, 1U);
  air().on_air = 2;
  input().troubles = 1U;  // no_data
  second_of_both();
  EXPECT_EQ(health().state, ChannelState::backup);
  EXPECT_EQ(health().active_input, 2U);
  EXPECT_EQ(health().reason, "input 1: no_data");
  input().troubles = 0;
  second_of_both();
  EXPECT_EQ(health().reason, "input 1 is good again and returns when it stays so");
  model.channels[0].failover.back = false;
  second_of_both();
  EXPECT_EQ(health().reason, "input 1 is good again; headgate switch news 1 returns to it");
  air().forced = 2;
  second_of_both();
  EXPECT_EQ(health().reason, "input 2 is forced; headgate switch news auto ends that");
  air().on_air = 1;
  air().forced = 0;
  second_of_both();
  EXPECT_EQ(health().state, ChannelState::ok);
  EXPECT_EQ(changes, (std::vector<std::string>{"ok>backup", "backup>ok"}));
}

TEST_F(SwitchedChannelTest, CountsErrorsOfTheInputOnAirOnly) {
  second_of_both();
  snapshot.inputs[1].cc_errors += 9;
  second_of_both();
  EXPECT_EQ(health().state, ChannelState::ok);
  input().cc_errors += 3;
  second_of_both();
  EXPECT_EQ(health().state, ChannelState::degraded);
  air().on_air = 2;
  second_of_both();
  EXPECT_EQ(health().state, ChannelState::backup);
  EXPECT_EQ(health().reason.find("CC errors"), std::string::npos)
      << "those of the other input: " << health().reason;
  snapshot.inputs[1].cc_errors += 2;
  second_of_both();
  EXPECT_EQ(health().state, ChannelState::backup);
  EXPECT_NE(health().reason.find("; 2 CC errors in the last 10 s"), std::string::npos) << health().reason;
}

TEST_F(SwitchedChannelTest, IsDownWhereNothingIsOnAirWhateverABackupWasOnce) {
  second_of_both();
  sources["news"] = {source_view(2, "srt_caller", "connecting", "connection refused")};
  now += 3 * kSecond;
  look();
  EXPECT_EQ(health().state, ChannelState::down);
  EXPECT_EQ(health().reason, "no datagram for 3s");
}

TEST_F(SwitchedChannelTest, GoesOnWhenABackupComesOrGoes) {
  second_of_both();
  config::Input third = model.channels[0].inputs[1];
  third.number = 3;
  third.url = "srt://far:9001";
  model.channels[0].inputs.push_back(third);
  second_of_both();
  model.channels[0].inputs.resize(1);
  second_of_both();
  EXPECT_EQ(health().state, ChannelState::ok);
  EXPECT_TRUE(changes.empty());
}

class PublishedChannelTest : public ChannelMonitorTest {
 protected:
  PublishedChannelTest() {
    config::Input& input = model.channels[0].inputs[0];
    input = {};
    input.kind = config::InputKind::publish;
    input.url = "publish";
    snapshot.inputs[0].url = "publish";
  }
  void source(const char* state, const char* error = "") {
    sources["news"] = {source_view(1, "publish", state, error)};
  }
};

TEST_F(PublishedChannelTest, WaitsForItsPublisher) {
  look();
  EXPECT_EQ(health().state, ChannelState::waiting);
  source("waiting");
  look();
  EXPECT_EQ(health().reason, "for a publisher");
  source("receiving");
  second_of_media();
  EXPECT_EQ(health().state, ChannelState::ok);
  source("waiting", "connection reset");
  now += 3 * kSecond;
  look();
  EXPECT_EQ(health().state, ChannelState::waiting);
  EXPECT_EQ(health().reason, "for a publisher; the last one: connection reset");
  EXPECT_EQ(changes, (std::vector<std::string>{"waiting>ok", "ok>waiting"}));
}

TEST_F(PublishedChannelTest, IsDownWhereThePublisherBringsNothing) {
  source("receiving");
  look();
  now += 3 * kSecond;
  look();
  EXPECT_EQ(health().state, ChannelState::down);
  EXPECT_EQ(health().reason, "nothing came since it was started (3s)");
}

TEST_F(ChannelMonitorTest, IsDownUntilTheFirstDatagram) {
  look();
  EXPECT_EQ(health().state, ChannelState::down);
  EXPECT_EQ(health().reason, "no datagram since it was started (0s)");
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

// It stands still, so the source is not to blame.
TEST_F(ChannelMonitorTest, NamesAFastPathThatStandsStill) {
  snapshot.heartbeat_unix_ns = static_cast<std::uint64_t>(now);
  second_of_media();
  now += 12 * kSecond;
  look();
  EXPECT_EQ(health().state, ChannelState::down);
  EXPECT_EQ(health().reason, "the fast path does not answer (for 13s)");
  snapshot.heartbeat_unix_ns = static_cast<std::uint64_t>(now);
  look();
  EXPECT_EQ(health().reason, "no datagram for 12s");
}

TEST_F(ChannelMonitorTest, NamesAFastPathThatStandsStillBeforeAnythingCame) {
  snapshot.heartbeat_unix_ns = static_cast<std::uint64_t>(now);
  now += 5 * kSecond;
  look();
  EXPECT_EQ(health().reason, "the fast path does not answer (for 5s)");
}

TEST_F(ChannelMonitorTest, KeepsSinceWhenOverARestartOfControl) {
  second_of_media();
  const auto since = health().since_unix_ns;
  second_of_media();
  const std::string kept = monitor.remembered();
  monitor = {};
  monitor.recall(kept);
  second_of_media();
  EXPECT_EQ(health().state, ChannelState::ok);
  EXPECT_EQ(health().since_unix_ns, since);
  monitor = {};
  monitor.recall(kept);
  now += 10 * kSecond;  // another state
  look();
  EXPECT_EQ(health().state, ChannelState::down);
  EXPECT_EQ(health().since_unix_ns, now);
  second_of_media();
  EXPECT_EQ(health().since_unix_ns, now);  // ok, but not all the time
  for (const char* text : {"rubbish", "{}", R"({"channels": {"news": {"state": 5}}})"}) {
    monitor = {};
    monitor.recall(text);
    second_of_media();
    EXPECT_EQ(health().since_unix_ns, now);
  }
}

TEST_F(ChannelMonitorTest, KeepsSinceWhenItIsDegradedOverARestartOfControl) {
  second_of_media();
  input().cc_errors += 3;
  second_of_media();
  const auto since = health().since_unix_ns;
  const std::string kept = monitor.remembered();
  monitor = {};
  monitor.recall(kept);
  second_of_media();  // the errors were seen by the one before
  EXPECT_EQ(health().state, ChannelState::ok);
  input().cc_errors += 3;
  second_of_media();
  EXPECT_EQ(health().state, ChannelState::degraded);
  EXPECT_EQ(health().since_unix_ns, since);
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

TEST_F(ChannelMonitorTest, TellsOnceThatAChannelNeverCameUp) {
  for (int i = 0; i < 30; ++i, now += kSecond) look();
  EXPECT_EQ(changes, std::vector<std::string>{"down>down"});
  EXPECT_EQ(reasons, std::vector<std::string>{"no datagram since it was started (3s)"});
  EXPECT_EQ(health().reason, "no datagram since it was started (29s)");
}

TEST_F(ChannelMonitorTest, SaysSinceWhenAnAddedChannelIsSilent) {
  look();
  model.channels.push_back(sample_channel("late", "239.10.1.9", false));
  now += kSecond;
  look();
  now += 5 * kSecond;
  look();
  EXPECT_EQ(monitor.find("late")->reason, "no datagram since it was added (5s)");
}

TEST_F(ChannelMonitorTest, CountsTheSilenceFromTheLastDatagram) {
  second_of_media();
  now += 17 * kSecond;
  look();
  EXPECT_EQ(health().reason, "no datagram for 17s");
}

// No flapping over an edit: what was goes on until the new input had its 2 s.
TEST_F(ChannelMonitorTest, GoesDownOnceAfterAnApplyToADeadInput) {
  second_of_media();
  input().cc_errors += 3;
  second_of_media();
  ASSERT_EQ(health().state, ChannelState::degraded);
  changes.clear();
  model.channels[0].inputs[0].url = "udp://239.10.9.9:5000";
  model.channels[0].inputs[0].group = "239.10.9.9";
  snapshot.inputs[0] = InputSnapshot{};
  snapshot.inputs[0].channel = "news";
  look();
  EXPECT_EQ(health().state, ChannelState::degraded);
  EXPECT_EQ(health().reason, "no datagram of the new input yet");
  EXPECT_TRUE(health().nothing_came);
  for (int i = 0; i < 30; ++i) {
    now += kSecond / 2;
    look();
  }
  EXPECT_EQ(changes, std::vector<std::string>{"degraded>down"});
  EXPECT_EQ(health().reason, "no datagram since its input was changed (15s)");
}

TEST_F(ChannelMonitorTest, IgnoresCountersOfAnInputThatWas) {
  model.channels[0].inputs[0].url = "udp://239.10.9.9:5000";
  snapshot.inputs[0].url = "udp://239.10.1.1:5000";
  second_of_media();
  EXPECT_EQ(health().state, ChannelState::down);
  snapshot.inputs[0].url = "udp://239.10.9.9:5000";
  second_of_media();
  EXPECT_EQ(health().state, ChannelState::ok);
}

}  // namespace
}  // namespace headgate::control
