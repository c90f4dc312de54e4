#include "control/launcher/launcher.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <thread>

#include "control/launcher/launcher_client.h"
#include "control/launcher/run.h"
#include "control/protocol/state.h"
#include "temp_dir.h"

namespace headgate::control {
namespace {

using namespace std::chrono_literals;

// The launcher runs in a process of its own, as in life; what it starts are fake_process.
class LauncherTest : public ::testing::Test {
 protected:
  ~LauncherTest() override {
    stop(SIGKILL);
    for (const char* name : {"control", "fastpath", "bridge"}) {
      if (const auto running = find_running(run.lock(name))) ::kill(running->pid, SIGKILL);
    }
  }

  std::string control_mode = "live";
  void start(const std::string& fastpath_mode = "live") {
    launcher = ::fork();
    if (launcher != 0) return;
    LauncherOptions options;
    options.run_dir = run;
    options.stop_bound = stop_bound;
    options.hang_bound = hang_bound;
    options.first_word_bound = first_word_bound;
    for (const std::string name : {"control", "fastpath", "bridge"})
      options.processes.push_back({name,
                                   {FAKE_PROCESS, dir.path, name,
                                    name == "fastpath"  ? fastpath_mode
                                    : name == "control" ? control_mode
                                                        : "live"},
                                   {},
                                   name != "control"});
    ::_exit(Launcher(std::move(options), ServiceManager(notify, watchdog)).run());
  }
  int stop(int signal) {
    int status = -1;
    if (launcher > 0) {
      ::kill(launcher, signal);
      ::waitpid(launcher, &status, 0);
    }
    launcher = 0;
    return status;
  }
  static bool eventually(const std::function<bool()>& holds) {
    const auto end = std::chrono::steady_clock::now() + 60s;
    while (std::chrono::steady_clock::now() < end) {
      if (holds()) return true;
      std::this_thread::sleep_for(5ms);
    }
    return false;
  }
  ProcessStatus status(const std::string& name) {
    const auto text = launcher_call(run.launcher_socket(), "status");
    if (text) {
      for (const auto& process : parse_launcher_status(*text)) {
        if (process.name == name) return process;
      }
    }
    return {};
  }
  pid_t pid_of(const std::string& name) {
    const auto running = find_running(run.lock(name));
    return running ? running->pid : 0;
  }
  bool all_run() { return pid_of("control") != 0 && pid_of("fastpath") != 0 && pid_of("bridge") != 0; }
  void start_all(const std::string& fastpath_mode = "live") {
    start(fastpath_mode);
    ASSERT_TRUE(eventually([&] { return pid_of("control") != 0; }));
    ASSERT_TRUE(launcher_call(run.launcher_socket(), "start").has_value());
  }

  TempDir dir;
  protocol::RunDir run{dir.path};
  pid_t launcher = 0;
  std::chrono::milliseconds stop_bound{300}, hang_bound{10'000}, first_word_bound{20'000};
  std::string notify;
  std::optional<std::chrono::microseconds> watchdog;
};

TEST_F(LauncherTest, StartsTheMediaProcessesOnControlsWordOnly) {
  start();
  ASSERT_TRUE(eventually([&] { return pid_of("control") != 0; }));
  EXPECT_EQ(status("fastpath").state, "waiting");
  ASSERT_TRUE(launcher_call(run.launcher_socket(), "start").has_value());
  EXPECT_TRUE(eventually([&] { return all_run(); }));
}

TEST_F(LauncherTest, StartsADeadProcessAgainAndLeavesTheOthersAlone) {
  start_all();
  ASSERT_TRUE(eventually([&] { return all_run(); }));
  const pid_t bridge = pid_of("bridge"), fastpath = pid_of("fastpath");
  ::kill(bridge, SIGKILL);
  EXPECT_TRUE(eventually([&] { return pid_of("bridge") != 0 && pid_of("bridge") != bridge; }));
  EXPECT_EQ(pid_of("fastpath"), fastpath);
  EXPECT_EQ(status("bridge").deaths, 1U);
}

TEST_F(LauncherTest, KillsWhatControlSaysHangs) {
  start_all();
  ASSERT_TRUE(eventually([&] { return all_run(); }));
  const pid_t bridge = pid_of("bridge");
  ::kill(bridge, SIGSTOP);
  const std::string wrong = "hung bridge " + std::to_string(bridge + 100000);
  EXPECT_FALSE(launcher_call(run.launcher_socket(), wrong).has_value());
  EXPECT_EQ(pid_of("bridge"), bridge);
  ASSERT_TRUE(launcher_call(run.launcher_socket(), "hung bridge " + std::to_string(bridge)).has_value());
  EXPECT_TRUE(eventually([&] { return pid_of("bridge") != 0 && pid_of("bridge") != bridge; }));
  EXPECT_EQ(status("bridge").deaths, 1U);
  EXPECT_EQ(status("bridge").hung, 1U);
}

TEST_F(LauncherTest, KillsAControlThatFallsSilent) {
  hang_bound = 2000ms;
  control_mode = "ping";
  start();
  ASSERT_TRUE(eventually([&] { return pid_of("control") != 0; }));
  // One that speaks lives on: three times the bound, by its own start.
  const pid_t control = pid_of("control");
  EXPECT_TRUE(eventually([&] {
    const auto age = std::chrono::system_clock::now().time_since_epoch() -
                     std::chrono::nanoseconds(status("control").started_unix_ns);
    return age >= 3 * hang_bound;
  }));
  EXPECT_EQ(pid_of("control"), control);
  EXPECT_EQ(status("control").deaths, 0U);
  ::kill(control, SIGSTOP);
  EXPECT_TRUE(eventually([&] { return pid_of("control") != 0 && pid_of("control") != control; }));
  EXPECT_EQ(status("control").hung, 1U);
}

// Stopped before this launcher came: it never hears a word of it.
TEST_F(LauncherTest, KillsAnAdoptedControlThatNeverSaysAWord) {
  control_mode = "ping";
  start();
  ASSERT_TRUE(eventually([&] { return pid_of("control") != 0; }));
  const pid_t control = pid_of("control");
  ::kill(control, SIGSTOP);
  stop(SIGKILL);
  first_word_bound = 2000ms;
  start();
  EXPECT_TRUE(eventually([&] { return pid_of("control") != 0 && pid_of("control") != control; }));
  EXPECT_EQ(status("control").hung, 1U);
}

TEST_F(LauncherTest, ListensAnewWhereItsSocketWasRemoved) {
  start();
  ASSERT_TRUE(eventually([&] { return pid_of("control") != 0; }));
  ASSERT_EQ(::unlink(run.launcher_socket().c_str()), 0);
  EXPECT_TRUE(eventually([&] { return launcher_call(run.launcher_socket(), "status").has_value(); }));
}

TEST_F(LauncherTest, IsAdoptedFromWhenItDies) {
  start_all();
  ASSERT_TRUE(eventually([&] { return all_run(); }));
  const pid_t before[] = {pid_of("control"), pid_of("fastpath"), pid_of("bridge")};
  stop(SIGKILL);
  EXPECT_TRUE(all_run());
  start();
  ASSERT_TRUE(eventually([&] { return status("bridge").state == "running"; }));
  EXPECT_EQ(status("control").pid, before[0]);
  EXPECT_EQ(status("fastpath").pid, before[1]);
  EXPECT_EQ(status("bridge").pid, before[2]);
  ::kill(before[1], SIGKILL);  // and watches what it adopted
  EXPECT_TRUE(eventually([&] { return pid_of("fastpath") != 0 && pid_of("fastpath") != before[1]; }));
}

TEST_F(LauncherTest, AsksToHearThatTheGatewayIsReadyWhenItWasStartedAnew) {
  const auto awaits = [&] {
    return awaits_ready(launcher_call(run.launcher_socket(), "status").value_or("no answer"));
  };
  start_all();
  ASSERT_TRUE(eventually([&] { return all_run(); }));
  EXPECT_TRUE(awaits());
  ASSERT_TRUE(launcher_call(run.launcher_socket(), "ready 1 channel").has_value());
  EXPECT_FALSE(awaits());
  stop(SIGKILL);
  start();
  EXPECT_TRUE(eventually(awaits));
}

TEST_F(LauncherTest, SendsTheWatchdogItsSignOfLifeWhilePollingAndWhileStopping) {
  const UniqueFd manager(::socket(AF_UNIX, SOCK_DGRAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  notify = dir.path + "/notify";
  std::memcpy(address.sun_path, notify.c_str(), notify.size() + 1);
  ASSERT_EQ(::bind(manager.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  watchdog = 200ms;
  stop_bound = 1500ms;
  start_all("stubborn");
  ASSERT_TRUE(eventually([&] { return all_run(); }));
  const timeval bound{10, 0};
  ::setsockopt(manager.get(), SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
  const auto next = [&] {
    char text[256];
    const ssize_t n = ::recv(manager.get(), text, sizeof text, 0);
    return n > 0 ? std::string(text, static_cast<std::size_t>(n)) : std::string();
  };
  for (int i = 0; i < 3; ++i) EXPECT_EQ(next(), "WATCHDOG=1");
  // What came meanwhile: the kernel keeps few, and none must be missing from now on.
  char old[256];
  while (::recv(manager.get(), old, sizeof old, MSG_DONTWAIT) > 0) {
  }
  EXPECT_EQ(stop(SIGTERM), 0);
  std::string said;
  while (!said.starts_with("STOPPING=1")) ASSERT_FALSE((said = next()).empty());
  EXPECT_EQ(next(), "WATCHDOG=1");
}

TEST_F(LauncherTest, RaisesTheAlarmOfACrashLoopAndPauses) {
  start_all("die");
  ASSERT_TRUE(eventually([&] { return status("fastpath").crash_loop; }));
  EXPECT_GE(status("fastpath").deaths, 4U);
  EXPECT_LE(status("fastpath").deaths, 8U);
  EXPECT_FALSE(status("bridge").crash_loop);
}

TEST_F(LauncherTest, StopsEverythingOnSigterm) {
  start_all();
  ASSERT_TRUE(eventually([&] { return all_run(); }));
  EXPECT_EQ(stop(SIGTERM), 0);
  for (const char* name : {"control", "fastpath", "bridge"}) EXPECT_EQ(pid_of(name), 0) << name;
}

TEST_F(LauncherTest, KillsWhatDoesNotStop) {
  start_all("stubborn");
  ASSERT_TRUE(eventually([&] { return all_run(); }));
  EXPECT_EQ(stop(SIGTERM), 0);
  EXPECT_EQ(pid_of("fastpath"), 0);
}

TEST_F(LauncherTest, RestartsOnRequestWithoutCountingADeath) {
  start_all();
  ASSERT_TRUE(eventually([&] { return all_run(); }));
  const pid_t before = pid_of("fastpath");
  ASSERT_TRUE(launcher_call(run.launcher_socket(), "restart fastpath").has_value());
  EXPECT_TRUE(eventually([&] { return pid_of("fastpath") != 0 && pid_of("fastpath") != before; }));
  EXPECT_EQ(status("fastpath").deaths, 0U);
  const auto unknown = launcher_call(run.launcher_socket(), "restart nothing");
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error(), "no process nothing");
}

TEST_F(LauncherTest, GivesChildrenTheirOwnSession) {
  start_all();
  ASSERT_TRUE(eventually([&] { return all_run(); }));
  EXPECT_EQ(::getsid(pid_of("bridge")), pid_of("bridge"));
}

TEST(ProcessLock, NamesThePidOfItsHolder) {
  TempDir dir;
  const auto first = ProcessLock::acquire(dir.path + "/x.lock");
  ASSERT_TRUE(first.has_value());
  const auto second = ProcessLock::acquire(dir.path + "/x.lock");
  ASSERT_FALSE(second.has_value());
  EXPECT_NE(second.error().find("already running, pid " + std::to_string(::getpid())), std::string::npos)
      << second.error();
}

TEST(ProcessLock, FindsTheListenerOfASocketAndNobodyBehindADeadOne) {
  TempDir dir;
  const std::string path = dir.path + "/x.sock";
  EXPECT_FALSE(find_listening(path).has_value());
  protocol::SocketPath socket_path(path);
  UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_TRUE(socket_path.bind(listener.get(), 0600).has_value());
  ASSERT_EQ(::listen(listener.get(), 8), 0);
  const auto found = find_listening(path);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->pid, ::getpid());
  listener.reset();
  EXPECT_FALSE(find_listening(path).has_value());
}

TEST(ProcessLock, DoesNotBelieveAPidWithoutItsLock) {
  TempDir dir;
  const std::string path = dir.path + "/x.lock";
  ASSERT_TRUE(protocol::write_file_atomically(path, std::to_string(::getpid()) + "\n").has_value());
  EXPECT_FALSE(find_running(path).has_value());
  ASSERT_TRUE(protocol::write_file_atomically(path, "rubbish").has_value());
  EXPECT_FALSE(find_running(path).has_value());
  EXPECT_FALSE(find_running(dir.path + "/none.lock").has_value());
}

TEST(FindDaemon, LooksBesideAndInLibexec) {
  TempDir dir;
  namespace fs = std::filesystem;
  fs::create_directories(dir.path + "/bin");
  fs::create_directories(dir.path + "/libexec/headgate");
  fs::copy_file(FAKE_PROCESS, dir.path + "/libexec/headgate/headgate-bridge");
  EXPECT_EQ(find_daemon(dir.path + "/bin/headgate", "headgate-bridge"),
            dir.path + "/libexec/headgate/headgate-bridge");
  fs::copy_file(FAKE_PROCESS, dir.path + "/bin/headgate-bridge");
  EXPECT_EQ(find_daemon(dir.path + "/bin/headgate", "headgate-bridge"), dir.path + "/bin/headgate-bridge");
  EXPECT_EQ(find_daemon(dir.path + "/bin/headgate", "headgate-none"), "");
}

}  // namespace
}  // namespace headgate::control
