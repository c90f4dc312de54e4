#include "control/daemon/watch.h"

#include <gtest/gtest.h>

namespace headgate::control {
namespace {

Observation seen(int pid, std::uint64_t deaths, bool crash_loop = false) {
  Observation now;
  now.launcher_answers = true;
  now.processes.resize(1);
  now.processes[0].process = {"bridge", pid == 0 ? "backing_off" : "running", pid, deaths, 1, crash_loop};
  return now;
}

std::vector<std::string> kinds(const std::vector<Event>& events) {
  std::vector<std::string> result;
  for (const Event& event : events) result.push_back(event.kind);
  return result;
}

TEST(Watch, TellsADeathAndTheReturn) {
  EXPECT_EQ(kinds(compare(seen(10, 0), seen(11, 1), 5)),
            (std::vector<std::string>{"process_died", "process_restarted"}));
  EXPECT_EQ(kinds(compare(seen(10, 0), seen(0, 1), 5)), std::vector<std::string>{"process_died"});
  EXPECT_EQ(kinds(compare(seen(0, 1), seen(12, 1), 5)), std::vector<std::string>{"process_restarted"});
  EXPECT_TRUE(compare(seen(10, 1), seen(10, 1), 5).empty());
}

TEST(Watch, TellsAKillOfWhatDidNotAnswerAsThat) {
  Observation now = seen(11, 1);
  now.processes[0].process.hung = 1;
  EXPECT_EQ(kinds(compare(seen(10, 0), now, 5)),
            (std::vector<std::string>{"process_hung", "process_restarted"}));
}

TEST(Watch, SaysTheNameOnceAndCountsInWords) {
  const auto events = compare(seen(10, 0), seen(11, 1), 5);
  EXPECT_EQ(events.at(0).subject, "bridge");
  EXPECT_EQ(events.at(0).message, "ended unexpectedly (pid 10); 1 death so far");
  EXPECT_EQ(events.at(1).message, "runs again, pid 11");
}

// A control that was started again: what it kept tells its own death, and another's meanwhile.
TEST(Watch, RemembersOverARestartOfControl) {
  Observation before = seen(10, 0);
  before.launcher_pid = 7;
  Observation now = seen(11, 1);
  now.launcher_pid = 7;
  EXPECT_EQ(kinds(compare(recall(remembered(before)), now, 5)),
            (std::vector<std::string>{"process_died", "process_restarted"}));
  EXPECT_TRUE(compare(recall(remembered(before)), before, 5).empty());
  EXPECT_TRUE(recall("rubbish").processes.empty());
}

TEST(HangWatch, TellsAProcessThatAnsweredAndThenNotForTenSeconds) {
  HangWatch watch;
  ProcessView process;
  process.process = {"bridge", "running", 10, 0, 1, false};
  auto now = HangWatch::Clock::time_point{} + std::chrono::hours(1);
  const auto after = [&](std::chrono::seconds time) { return watch.hangs(process, now += time); };
  EXPECT_FALSE(after(std::chrono::seconds(0)));  // never answered: it starts
  EXPECT_FALSE(after(std::chrono::seconds(15)));
  process.answers = true;
  EXPECT_FALSE(after(std::chrono::seconds(1)));
  process.answers = false;
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(after(std::chrono::seconds(2)));
  EXPECT_TRUE(after(std::chrono::seconds(2)));
  process.process.pid = 11;  // the one started in its place
  EXPECT_FALSE(after(std::chrono::seconds(60)));
}

// It was stopped before this control came: nobody else would ever kill it. An apply changes nothing.
TEST(HangWatch, TellsAProcessThatNeverAnsweredThisWatcherForTwentySeconds) {
  for (const bool busy : {false, true}) {
    HangWatch watch;
    ProcessView process;
    process.process = {"fastpath", "running", 10, 0, 1, false};
    auto now = HangWatch::Clock::time_point{} + std::chrono::hours(1);
    for (int second = 0; second < 20; ++second, now += std::chrono::seconds(1))
      EXPECT_FALSE(watch.hangs(process, now, busy)) << second;
    EXPECT_TRUE(watch.hangs(process, now, busy));
    process.process.pid = 11;
    EXPECT_FALSE(watch.hangs(process, now, busy));
  }
}

// Control itself was stopped: one late look says nothing of the others.
TEST(HangWatch, NeedsSeveralLooksAndForgivesDuringAnApply) {
  HangWatch watch;
  ProcessView process;
  process.process = {"bridge", "running", 10, 0, 1, false};
  process.answers = true;
  const auto start = HangWatch::Clock::time_point{} + std::chrono::hours(1);
  EXPECT_FALSE(watch.hangs(process, start));
  process.answers = false;
  EXPECT_FALSE(watch.hangs(process, start + std::chrono::seconds(100)));
  EXPECT_FALSE(watch.hangs(process, start + std::chrono::seconds(101)));
  EXPECT_FALSE(watch.hangs(process, start + std::chrono::seconds(102)));
  EXPECT_FALSE(watch.hangs(process, start + std::chrono::seconds(103), true));
  EXPECT_FALSE(watch.hangs(process, start + std::chrono::seconds(104)));
}

TEST(Watch, SaysWhichProcessesWentOnWhileControlWasAway) {
  Observation before = seen(10, 0);
  EXPECT_EQ(what_went_on(before, {{"bridge", 10}, {"fastpath", 5}}), "media went on");
  before.processes.push_back(before.processes[0]);
  before.processes[1].process.name = "fastpath";
  before.processes[1].process.pid = 5;
  EXPECT_EQ(what_went_on(before, {{"bridge", 10}, {"fastpath", 6}}),
            "fastpath was started again too, pid 6 after 5");
  EXPECT_EQ(what_went_on(before, {{"bridge", 0}, {"fastpath", 6}}),
            "bridge (pid 10) has ended too; fastpath was started again too, pid 6 after 5");
  EXPECT_EQ(what_went_on({}, {{"bridge", 10}, {"fastpath", 6}}), "media went on");
}

TEST(Watch, CountsHowLongAProcessIsSilentAndNamesTheChannelsOfASilentBridge) {
  Silence silence;
  ProcessView bridge;
  bridge.process.name = "bridge";
  const auto start = Silence::Clock::time_point{} + std::chrono::hours(1);
  EXPECT_EQ(silence.of(bridge, start).count(), 0);
  EXPECT_EQ(silence.of(bridge, start + std::chrono::seconds(5)).count(), 5);
  bridge.answers = true;
  EXPECT_EQ(silence.of(bridge, start + std::chrono::seconds(6)).count(), 0);
  config::Model model;
  model.channels.resize(2);
  model.channels[0].id = "hls", model.channels[1].id = "relay";
  model.channels[0].hls.emplace();
  EXPECT_TRUE(bridge_silent(model, std::chrono::seconds(3)).empty());
  EXPECT_EQ(bridge_silent(model, std::chrono::seconds(7)),
            (std::map<std::string, std::string>{{"hls", "the bridge does not answer (for 7s)"}}));
}

TEST(Watch, TellsThatTheLauncherIsBack) {
  Observation away = seen(10, 2);
  away.launcher_answers = false;
  EXPECT_TRUE(compare(seen(10, 2), away, 5).empty());  // an alarm tells it
  EXPECT_EQ(kinds(compare(away, seen(10, 0), 5)), std::vector<std::string>{"launcher_back"});
}

// A service manager starts it again faster than we look.
TEST(Watch, TellsThatTheLauncherWasReplacedBetweenTwoLooks) {
  Observation before = seen(10, 2), now = seen(10, 0);
  before.launcher_pid = 7;
  now.launcher_pid = 8;
  EXPECT_TRUE(launcher_replaced(before, now));
  EXPECT_EQ(kinds(compare(before, now, 5)), std::vector<std::string>{"launcher_back"});
  EXPECT_FALSE(launcher_replaced(now, now));
  before.launcher_answers = false;
  EXPECT_FALSE(launcher_replaced(before, now));
}

TEST(Watch, ReadsTheBridgesTroublesAndBelievesNoShape) {
  const auto status = nlohmann::json::parse(R"({"channels": {
    "a": {"problem": "no PAT\u0007 comes", "program_unset": true, "service": 7}, "b": {"problem": ""}, "c": {"problem": 5},
    "d": [], "e": {"program_unset": "yes"}, "f": {"program_unset": true, "service": null}}})");
  EXPECT_EQ(bridge_problems(status), (std::map<std::string, std::string>{{"a", "no PAT comes"}}));
  const auto unset = unset_programs(status);
  ASSERT_EQ(unset.size(), 2U);
  EXPECT_EQ(unset.at("a"), "several services come in and the map names none; HLS and RTMP take service 7");
  EXPECT_EQ(unset.at("f"),
            "several services come in and the map names none; HLS and RTMP take the first with clear media");
  for (const char* other : {"null", "[]", R"({"channels": 3})"}) {
    EXPECT_TRUE(bridge_problems(nlohmann::json::parse(other)).empty());
    EXPECT_TRUE(unset_programs(nlohmann::json::parse(other)).empty());
  }
}

}  // namespace
}  // namespace headgate::control
