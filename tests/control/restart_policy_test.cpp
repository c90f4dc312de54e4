#include "control/launcher/restart_policy.h"

#include <gtest/gtest.h>

namespace headgate::control {
namespace {

using namespace std::chrono_literals;
using Time = RestartPolicy::Clock::time_point;

TEST(RestartPolicy, StartsAgainAtOnceAfterTheFirstDeath) {
  RestartPolicy policy;
  const Time now{1000s};
  policy.on_start(now);
  EXPECT_EQ(policy.on_death(now + 1s), now + 1s);
}

TEST(RestartPolicy, DoublesItsPausesUpToTenSeconds) {
  RestartPolicy policy;
  Time now{1000s};
  std::vector<long long> pauses;
  for (int i = 0; i < 10; ++i) {
    policy.on_start(now);
    const Time again = policy.on_death(now);
    pauses.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(again - now).count());
    now = again;
  }
  EXPECT_EQ(pauses, (std::vector<long long>{0, 100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000}));
}

TEST(RestartPolicy, ForgetsDeathsAfterAMinuteAlive) {
  RestartPolicy policy;
  Time now{1000s};
  for (int i = 0; i < 5; ++i) {
    policy.on_start(now);
    policy.on_death(now);
  }
  policy.on_start(now);
  now += 60s;
  EXPECT_EQ(policy.on_death(now), now);
}

TEST(RestartPolicy, CallsFourDeathsInAMinuteACrashLoopUntilItIsOver) {
  RestartPolicy policy;
  const Time now{1000s};
  for (int i = 0; i < 3; ++i) policy.on_death(now + i * 10s);
  EXPECT_FALSE(policy.crash_loop(now + 30s));
  policy.on_death(now + 30s);
  EXPECT_TRUE(policy.crash_loop(now + 30s));
  EXPECT_TRUE(policy.crash_loop(now + 59s));
  EXPECT_FALSE(policy.crash_loop(now + 60s));
  EXPECT_EQ(policy.deaths(), 4U);
}

}  // namespace
}  // namespace headgate::control
