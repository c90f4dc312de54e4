#include "control/daemon/host.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "control/daemon/channel_monitor.h"
#include "control/daemon/even_clock.h"
#include "sample_model.h"

namespace headgate::control {
namespace {

constexpr std::int64_t kSecondsNs = 1'000'000'000;
constexpr std::int64_t kBoot = 5'000 * kSecondsNs, kUnix = 1'700'000'000 * kSecondsNs;

class HostWatchTest : public ::testing::Test {
 protected:
  HostWatchTest() {
    reading.cpus = 4;
    reading.cpu_pressure = 60;
    reading.load = 9;
    reading.memory_total = 8'000'000'000;
    reading.memory_available = 4'000'000'000;
    reading.disks = {{"data_dir", "/var/lib/headgate", 10'000'000'000, 5'000'000'000}};
    reading.processes = {{"fastpath", 77, 0}};
    reading.realtime_ns = reading.now_unix_ns = kUnix;
    reading.boottime_ns = kBoot;
  }
  // A second, of which the fast path waited so long.
  void second(std::int64_t waited_ms = 0) {
    reading.boottime_ns += kSecondsNs;
    reading.realtime_ns += kSecondsNs;
    reading.now_unix_ns += kSecondsNs;
    reading.processes[0].waited_ns += static_cast<std::uint64_t>(waited_ms * 1'000'000);
    watch.update(reading);
  }
  const HostCondition* find(const std::string& kind) const { return watch.view().find(kind); }
  HostReading reading;
  HostWatch watch;
};

TEST_F(HostWatchTest, IsOverloadedWhenOurProcessesWaitForACpu) {
  for (int i = 0; i < 12; ++i) second(20);
  EXPECT_EQ(find("host_overload"), nullptr) << "2 % is nothing";
  for (int i = 0; i < 12; ++i) second(150);
  ASSERT_NE(find("host_overload"), nullptr);
  EXPECT_TRUE(watch.view().cpu_short);
  EXPECT_EQ(find("host_overload")->message,
            "fastpath waited for a CPU 15 % of the last 10 s, CPU pressure 60 %, load 9.0 on 4 CPUs");
  for (int i = 0; i < 12; ++i) second(0);
  EXPECT_EQ(find("host_overload"), nullptr);
  EXPECT_FALSE(watch.view().cpu_short);
}

TEST_F(HostWatchTest, PressureThatHarmsNoneOfOursIsNoOverload) {
  reading.cpu_pressure = 100;
  for (int i = 0; i < 12; ++i) second(10);
  EXPECT_EQ(find("host_overload"), nullptr);
}

TEST_F(HostWatchTest, JudgesWithoutPsiWhereTheKernelHasNone) {
  reading.cpu_pressure.reset();
  for (int i = 0; i < 12; ++i) second(200);
  EXPECT_TRUE(watch.view().cpu_short);
}

TEST_F(HostWatchTest, AProcessStartedAnewWaitedForNothingYet) {
  for (int i = 0; i < 12; ++i) second(5);
  reading.processes[0].pid = 78;
  reading.processes[0].waited_ns = 999 * static_cast<std::uint64_t>(kSecondsNs);
  second(0);
  EXPECT_FALSE(watch.view().cpu_short);
}

TEST_F(HostWatchTest, TellsOfLittleMemoryAndFullDisks) {
  reading.memory_available = 200'000'000;
  reading.disks.push_back({"run_dir", "/run/headgate", 100'000'000, 4'000'000});
  reading.disks.push_back({"big", "/big", 100'000'000'000, 4'000'000'000});  // 4 %, and enough
  second();
  ASSERT_NE(find("host_overload"), nullptr);
  EXPECT_EQ(find("host_overload")->message, "200 MB of 8.0 GB memory left");
  EXPECT_FALSE(watch.view().cpu_short);
  ASSERT_NE(find("disk_full"), nullptr);
  EXPECT_EQ(find("disk_full")->subject, "run_dir");
  EXPECT_EQ(find("disk_full")->message, "run_dir (/run/headgate) has 4 MB of 100 MB left");
  EXPECT_EQ(watch.view().conditions.size(), 2U);
  reading.disks[1].available = 50'000'000;
  second();
  EXPECT_EQ(find("disk_full"), nullptr);
}

TEST_F(HostWatchTest, SeesTheClockSetAndForgetsItAfterAMinute) {
  second();
  EXPECT_EQ(find("clock_stepped"), nullptr);
  reading.realtime_ns += 3600 * kSecondsNs;
  second();
  ASSERT_NE(find("clock_stepped"), nullptr);
  EXPECT_EQ(find("clock_stepped")->message, "the system's clock was set ahead by 3600.0 s");
  EXPECT_EQ(find("clock_stepped")->since_unix_ns, reading.now_unix_ns);
  const auto began = find("clock_stepped")->since_unix_ns;
  for (int i = 0; i < 50; ++i) second();
  ASSERT_NE(find("clock_stepped"), nullptr);
  EXPECT_EQ(find("clock_stepped")->since_unix_ns, began) << "the same one";
  for (int i = 0; i < 15; ++i) second();
  EXPECT_EQ(find("clock_stepped"), nullptr);
  reading.realtime_ns -= 7200 * kSecondsNs;
  second();
  ASSERT_NE(find("clock_stepped"), nullptr);
  EXPECT_EQ(find("clock_stepped")->message, "the system's clock was set back by 7200.0 s");
}

TEST_F(HostWatchTest, SlewingIsNoStep) {
  for (int i = 0; i < 100; ++i) {
    reading.realtime_ns += 500'000;
    second();
  }
  EXPECT_EQ(find("clock_stepped"), nullptr);
}

TEST(ReadHost, FindsThisMachine) {
  const HostReading reading =
      read_host({{"tmp", "/tmp"}, {"none", "/does/not/exist"}}, {{"me", ::getpid()}, {"no", 0}});
  EXPECT_GT(reading.cpus, 0U);
  EXPECT_GT(reading.memory_total, reading.memory_available);
  EXPECT_GT(reading.memory_available, 0U);
  ASSERT_EQ(reading.disks.size(), 1U);
  EXPECT_GT(reading.disks[0].total, reading.disks[0].available);
  ASSERT_EQ(reading.processes.size(), 1U);
  EXPECT_GT(reading.realtime_ns, reading.boottime_ns);
}

// --- the clock that ages are taken from

TEST(EvenClock, GoesByTheSystemsClockUntilThatIsSet) {
  EXPECT_EQ(clock_steps_ns(), 0);
  EXPECT_LT(std::abs(wall_now_ns() - unix_now_ns()), 100'000'000);
}

// The fast path's page was made before a step, this process was started after it: what came last is as old as
// it is.
TEST(EvenClock, APageOfAnotherTimeOfTheClockKeepsItsAges) {
  auto mapping = protocol::StatsMapping::create_unshared();
  ASSERT_TRUE(mapping);
  protocol::StatsPage& page = *mapping->page();
  for (const std::int64_t step : {3600 * kSecondsNs, -3600 * kSecondsNs}) {
    const std::int64_t monotonic = unix_now_ns() - clock_base_ns();
    page.clock_base_ns = clock_base_ns() - step;
    const auto by_page = [&](std::int64_t ago) {
      return static_cast<std::uint64_t>(monotonic - ago + page.clock_base_ns);
    };
    page.inputs[0].in_use = 1;
    page.inputs[0].last_packet_unix_ns = by_page(12 * kSecondsNs);
    page.networks[0].in_use = 1;
    page.networks[0].last_query_unix_ns = by_page(20 * kSecondsNs);
    page.heartbeat_unix_ns = by_page(0);
    const Snapshot snapshot = take(page, clock_base_ns());
    const std::int64_t now = monotonic + clock_base_ns();
    EXPECT_EQ(now - static_cast<std::int64_t>(snapshot.inputs.at(0).last_packet_unix_ns), 12 * kSecondsNs);
    EXPECT_EQ(now - static_cast<std::int64_t>(snapshot.networks.at(0).last_query_unix_ns), 20 * kSecondsNs);
    EXPECT_EQ(snapshot.inputs.at(0).first_packet_unix_ns, 0U) << "never stays never";
  }
}

// Shown by the clock on the wall after a step, each age is what it was.
TEST(EvenClock, ShiftingAViewKeepsAllAges) {
  config::Model model;
  model.channels = {sample_channel("news", "239.10.1.1", false)};
  Snapshot snapshot;
  snapshot.epoch = 1;
  snapshot.inputs.emplace_back();
  snapshot.inputs[0].channel = "news";
  snapshot.inputs[0].url = model.channels[0].inputs[0].url;
  snapshot.inputs[0].last_packet_unix_ns = static_cast<std::uint64_t>(kUnix - kSecondsNs);
  ChannelMonitor monitor;
  monitor.update(model, snapshot, kUnix, {});
  const auto since = monitor.find("news")->since_unix_ns;
  for (const std::int64_t step : {3600 * kSecondsNs, -7200 * kSecondsNs}) {
    ChannelMonitor shown = monitor;
    Snapshot taken = snapshot;
    shown.shift(step);
    shift(taken, step);
    EXPECT_EQ(shown.find("news")->since_unix_ns, since + step);
    EXPECT_EQ(static_cast<std::int64_t>(taken.inputs[0].last_packet_unix_ns), kUnix - kSecondsNs + step);
  }
}

}  // namespace
}  // namespace headgate::control
