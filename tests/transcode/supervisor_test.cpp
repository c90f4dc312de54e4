#include "dataplane/transcode/supervisor.h"

#include <array>
#include <utility>

#include "control/protocol/state.h"
#include "tests/transcode/transcode_support.h"

namespace headgate::transcode {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;

class SupervisorTest : public TranscodeTest {};

TEST_F(SupervisorTest, AJobThatIsThereAndOneThatComesGetTheirWorkers) {
  Link first = sound("one");
  start();
  EXPECT_TRUE(first.echoes());
  Link second(folder("ladder.two.360"), job::Kind::ladder, "two");
  EXPECT_TRUE(second.echoes());
  EXPECT_TRUE(first.echoes());
  const nlohmann::json status = job("ladder.two.360");
  EXPECT_EQ(status["kind"], "ladder");
  EXPECT_EQ(status["channel"], "two");
  EXPECT_EQ(status["state"], "running");
  EXPECT_EQ(status["restarts"], 0);
  EXPECT_NE(worker("sound.one"), worker("ladder.two.360"));
}

TEST_F(SupervisorTest, AWorkerHasItsTwoDescriptorsAndNothingElse) {
  start();
  Link link = sound("a-channel-of-a-long-name");
  ASSERT_TRUE(link.echoes());
  link.say("about");
  const std::string said = link.hear().text;
  EXPECT_THAT(said, HasSubstr("name sound.a-channel nice 5 "));
  EXPECT_THAT(said, ContainsRegex("fds 0 1 2 [0-9]+ [0-9]+ $"));
}

TEST_F(SupervisorTest, WhatAWorkerMayNotDoEndsItAndNothingElse) {
  ::setenv("FAKE_STRIKES", "100", 1);
  start();
  ::unsetenv("FAKE_STRIKES");
  Link other = sound("other");
  Link link = sound("x");
  unsigned deaths = 0;
  for (const char* word : {"open", "socket", "unix", "fork", "thread", "exec", "signal", "tgkill", "code",
                           "runnable", "shared", "stack"}) {
    ASSERT_TRUE(link.echoes()) << word;
    link.say(word);
    ++deaths;
    ASSERT_TRUE(eventually([&] { return job("sound.x")["deaths"]["violated"] == deaths; }))
        << word << ": " << job("sound.x");
  }
  EXPECT_TRUE(link.echoes());
  EXPECT_EQ(job("sound.other")["restarts"], 0);
  EXPECT_TRUE(lives(pid_));
}

TEST_F(SupervisorTest, EachWayToDieIsCountedAndRestarted) {
  ::setenv("FAKE_STRIKES", "100", 1);
  start();
  ::unsetenv("FAKE_STRIKES");
  Link link = sound("x");
  for (const auto& way :
       {std::pair{"crash", "crashed"}, std::pair{"exit", "exited"}, std::pair{"hang", "hung"}}) {
    const std::string reason = way.second;
    ASSERT_TRUE(link.echoes()) << way.first;
    link.say(way.first);
    if (reason == "hung") link.say("more");
    ASSERT_TRUE(eventually([&] { return job("sound.x")["deaths"][reason] == 1; })) << job("sound.x");
  }
  ASSERT_TRUE(link.echoes());
  const pid_t pid = worker("sound.x");
  ASSERT_EQ(::kill(pid, SIGKILL), 0);
  ASSERT_TRUE(eventually([&] { return job("sound.x")["deaths"]["killed"] == 1; }));
  EXPECT_TRUE(link.echoes());
  const nlohmann::json status = job("sound.x");
  EXPECT_EQ(status["restarts"], 4);
  EXPECT_EQ(status["last_error"], "killed by SIGKILL");
  EXPECT_GT(status["cpu_seconds"].get<double>(), 0.0);
}

// What it may have is little, so that it gets more on a machine where nobody gets much.
TEST_F(SupervisorTest, AWorkerThatSpinsIsEnded) {
  ::setenv("FAKE_CPU", "0.02", 1);
  start();
  ::unsetenv("FAKE_CPU");
  Link link = sound("x");
  ASSERT_TRUE(link.echoes());
  link.say("spin-idle");
  EXPECT_TRUE(eventually([&] { return job("sound.x")["deaths"]["cpu"] >= 1; })) << job("sound.x");
}

TEST_F(SupervisorTest, AStoppedWorkerIsReplacedWhenMessagesWait) {
  start();
  Link link = sound("x");
  ASSERT_TRUE(link.echoes());
  const pid_t pid = worker("sound.x");
  ASSERT_EQ(::kill(pid, SIGSTOP), 0);
  link.say("anything");
  EXPECT_TRUE(eventually([&] { return job("sound.x")["deaths"]["hung"] == 1; }));
  EXPECT_TRUE(link.echoes());
  EXPECT_NE(worker("sound.x"), pid);
}

#if !defined(WITHOUT_MEMORY_LIMIT)
TEST_F(SupervisorTest, AWorkerThatEatsMemoryComesToItsEndAtItsLimit) {
  ::setenv("FAKE_HANG_MS", "15000", 1);  // it may take its time
  start();
  ::unsetenv("FAKE_HANG_MS");
  Link link = sound("x");
  ASSERT_TRUE(link.echoes());
  link.say("eat");
  ASSERT_TRUE(eventually([&] { return job("sound.x")["deaths"]["crashed"] == 1; })) << job("sound.x");
  EXPECT_EQ(job("sound.x")["last_error"], "killed by SIGABRT");
  EXPECT_TRUE(link.echoes());
}
#endif

TEST_F(SupervisorTest, ThreeDeathsLeadToQuarantineAndOneTryOutOfIt) {
  start();
  Link other = sound("other");
  Link link = sound("x");
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(link.echoes());
    link.say("crash");
  }
  ASSERT_TRUE(state_becomes("sound.x", "quarantined"));
  EXPECT_TRUE(other.echoes());
  const std::uint32_t before = link.workers();
  ASSERT_TRUE(eventually([&] { return link.workers() == before + 1; }));
  ASSERT_TRUE(link.echoes());
  link.say("crash");
  ASSERT_TRUE(state_becomes("sound.x", "quarantined"));
}

TEST_F(SupervisorTest, KillsFromOutsideAreNoStrikesUnlessItHadTakenHalfOfItsMemory) {
  ::setenv("FAKE_QUARANTINE_MS", "600000", 1);
  start();
  ::unsetenv("FAKE_QUARANTINE_MS");
  Link link = sound("x");
  const auto kill_three_times = [&](const char* word) {
    for (int i = 0; i < 3 && link.echoes(); ++i) {
      link.say(word);
      ASSERT_TRUE(link.echoes());
      const auto before = job("sound.x")["deaths"]["killed"].get<int>();
      ASSERT_EQ(::kill(worker("sound.x"), SIGKILL), 0);
      ASSERT_TRUE(eventually([&] { return job("sound.x")["deaths"]["killed"] == before + 1; }));
    }
  };
  kill_three_times("nothing");
  EXPECT_EQ(job("sound.x")["deaths"]["killed"], 3);
  EXPECT_NE(job("sound.x")["state"], "quarantined");
  kill_three_times("grow");  // as the kernel does when memory runs out
  EXPECT_TRUE(state_becomes("sound.x", "quarantined"));
}

TEST_F(SupervisorTest, AFolderMadeAnewIsAnotherJobAlsoOutOfQuarantine) {
  start();
  Link link = sound("x");
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(link.echoes());
    link.say("abort");
  }
  ASSERT_TRUE(state_becomes("sound.x", "quarantined"));
  link.remove();
  Link anew = sound("x");
  EXPECT_TRUE(anew.echoes());
  EXPECT_EQ(job("sound.x")["deaths"]["crashed"], 0);
}

TEST_F(SupervisorTest, AFolderThatGoesTakesItsWorkerAlong) {
  start();
  Link link = sound("x");
  ASSERT_TRUE(link.echoes());
  const pid_t pid = worker("sound.x");
  link.remove();
  EXPECT_TRUE(eventually([&] { return !lives(pid); }));
  EXPECT_TRUE(eventually([&] { return job("sound.x").is_null(); }));
}

TEST_F(SupervisorTest, RingsThatAreReplacedMakeANewWorker) {
  start();
  Link link = sound("x");
  ASSERT_TRUE(link.echoes());
  const pid_t pid = worker("sound.x");
  Link again = sound("x");
  EXPECT_TRUE(again.echoes());
  EXPECT_NE(worker("sound.x"), pid);
}

TEST_F(SupervisorTest, AKilledSupervisorTakesItsWorkersAlongAndItsSuccessorGoesOn) {
  start();
  Link link = sound("x");
  ASSERT_TRUE(link.echoes());
  const pid_t pid = worker("sound.x");
  ASSERT_EQ(::kill(pid, SIGSTOP), 0);  // even so
  stop(SIGKILL);
  EXPECT_TRUE(eventually([&] { return !lives(pid); }));
  start();
  EXPECT_TRUE(link.echoes());
  EXPECT_EQ(stop(SIGTERM), 0);
}

TEST_F(SupervisorTest, ASuccessorKeepsTheQuarantineOfOneThatWasKilled) {
  ::setenv("FAKE_QUARANTINE_MS", "600000", 1);
  start();
  Link link = sound("x");
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(link.echoes());
    link.say("crash");
  }
  ASSERT_TRUE(state_becomes("sound.x", "quarantined"));
  const std::uint32_t workers = link.workers();
  stop(SIGKILL);
  Link other = sound("other");
  start();
  ::unsetenv("FAKE_QUARANTINE_MS");
  EXPECT_TRUE(other.echoes());
  EXPECT_EQ(job("sound.x")["state"], "quarantined");
  EXPECT_EQ(job("sound.x")["last_error"], "killed by SIGSEGV");
  EXPECT_EQ(link.workers(), workers) << "no worker was started";
  // Another job under the same name knows nothing of it.
  link.remove();
  Link anew = sound("x");
  EXPECT_TRUE(anew.echoes());
}

TEST_F(SupervisorTest, DeathsBeforeASupervisorsOwnCountForItsSuccessor) {
  start();
  Link link = sound("x");
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(link.echoes());
    link.say("crash");
  }
  ASSERT_TRUE(eventually([&] { return job("sound.x")["deaths"]["crashed"] == 2; }));
  stop(SIGKILL);
  start();
  ASSERT_TRUE(link.echoes());
  link.say("crash");
  EXPECT_TRUE(state_becomes("sound.x", "quarantined"));
}

TEST_F(SupervisorTest, FoldersThatAreNoJobsAreNamedAndDisturbNobody) {
  start();
  std::filesystem::create_directories(folder("empty"));
  std::filesystem::create_directories(folder("broken"));
  std::filesystem::create_directories(folder("ringless"));
  ASSERT_TRUE(job::write_spec({folder("ringless")}, {job::Kind::sound, "r"}).has_value());
  std::filesystem::create_symlink("/etc", folder("link"));
  ASSERT_EQ(::mkfifo(folder("fifo").c_str(), 0600), 0);
  std::filesystem::create_directories(folder("broken") + "/spec.json");
  Link link = sound("x");
  EXPECT_TRUE(link.echoes());
  EXPECT_TRUE(eventually([&] { return call("status")["broken"].size() == 2; })) << call("status");
  EXPECT_THAT(call("status")["broken"]["ringless"].get<std::string>(), HasSubstr("in.ring"));
}

TEST_F(SupervisorTest, AJobBeyondTheMostIsNamedAndRunsWhenThereIsRoom) {
  ::setenv("FAKE_JOBS", "1", 1);
  start();
  ::unsetenv("FAKE_JOBS");
  Link first = sound("a");
  ASSERT_TRUE(first.echoes());
  Link second = sound("b");
  EXPECT_TRUE(eventually([&] { return call("status")["broken"].contains("sound.b"); }));
  EXPECT_TRUE(first.echoes());
  first.remove();
  EXPECT_TRUE(second.echoes());
  EXPECT_TRUE(call("status")["broken"].empty());
}

TEST_F(SupervisorTest, SettingsAreTakenFromTheStateFile) {
  start();
  EXPECT_EQ(call("hello")["generation"], 0);
  EXPECT_EQ(call("hello")["process"], "transcode");
  EXPECT_EQ(call("hello")["pid"], pid_);
  std::filesystem::create_directories(run_dir_.root + "/state");
  protocol::TranscodeState state;
  state.generation = 7;
  ASSERT_TRUE(
      protocol::write_file_atomically(run_dir_.transcode_state(), protocol::to_json(state)).has_value());
  EXPECT_EQ(call("apply")["generation"], 7);
}

}  // namespace
}  // namespace headgate::transcode
