// Which alarm explains another.
#include <gtest/gtest.h>

#include "diagnosis_situation.h"

namespace headgate::control {
namespace {

Alarm alarm_of(const std::string& kind, const std::string& subject) {
  Alarm alarm;
  alarm.kind = kind;
  alarm.subject = subject;
  return alarm;
}

std::string root(const GatewayView& view, const Alarm& alarm, std::vector<Alarm> all) {
  all.push_back(alarm);
  const auto found = cause_of(view, alarm, all);
  return found ? found->first + "|" + found->second : "";
}

TEST(CauseOf, DeadPortIsTheRootOfAllItsChannels) {
  Scene scene;
  scene.add_backup();
  const GatewayView& view = scene.run([](Scene& of, Snapshot& sample, int) {
    of.stop_all(sample);
    sample.interfaces[0].link_up = false;
  });
  const std::vector<Alarm> all{alarm_of("link_down", "cap0"), alarm_of("channel_down", "film"),
                               alarm_of("no_querier", "cap0")};
  for (const char* id : {"sport", "film", "kids", "docu"})
    EXPECT_EQ(root(view, alarm_of("channel_down", id), all), "link_down|cap0") << id;
  EXPECT_EQ(root(view, alarm_of("input_down", "news input 1"), all), "link_down|cap0");
  EXPECT_EQ(root(view, alarm_of("no_querier", "cap0 vlan 120"), all), "link_down|cap0");
  EXPECT_EQ(root(view, alarm_of("link_down", "cap0"), {}), "");
}

// But for the time that it takes to be found.
TEST(CauseOf, IsNotYoungerThanWhatItExplains) {
  Scene scene;
  const GatewayView& view = scene.run([](Scene& of, Snapshot& sample, int) {
    of.stop_all(sample);
    sample.interfaces[0].link_up = false;
  });
  Alarm down = alarm_of("channel_down", "film"), link = alarm_of("link_down", "cap0");
  down.since_unix_ns = scene_time(280);
  link.id = 7;
  for (const auto& [second, explains] : {std::pair(270, true), std::pair(290, true), std::pair(296, false)}) {
    link.since_unix_ns = scene_time(second);
    EXPECT_EQ(root(view, down, {link}), explains ? "link_down|cap0" : "") << second;
  }
  down.cause = 7;
  EXPECT_EQ(root(view, down, {link}), "link_down|cap0") << "it was told so before";
}

TEST(CauseOf, QuerierExplainsNoInputAloneNorWhatDoesWithoutIt) {
  Scene scene;
  scene.add_backup();
  const std::vector<Alarm> all{alarm_of("no_querier", "cap0")};
  const Alarm input = alarm_of("input_down", "news input 1");
  EXPECT_EQ(root(scene.run([](Scene& of, Snapshot& sample, int) {
              of.stop(sample);
              last_query(sample, 240);
            }),
                 input, all),
            "");
  Scene other;
  other.from = 0;
  other.querier = false;
  const GatewayView& view = other.run([](Scene& of, Snapshot& sample, int) { of.stop_all(sample); });
  EXPECT_EQ(root(view, alarm_of("channel_down", "film"), all), "");
}

// What only threatens, and lost packets, don't keep a far end from taking a push.
TEST(CauseOf, PushThatIsRefusedStandsForItselfBesideLostPackets) {
  Scene scene;
  push_fails(scene, "closed");
  const GatewayView& view = scene.run(damaged({"news"}));
  const auto push = alarm_of("push_failing", "news rtmp://live.example.com/app");
  EXPECT_EQ(root(view, push, {alarm_of("cc_errors", "news")}), "");
  Scene quiet;
  const GatewayView& threatened = quiet.run([](Scene&, Snapshot& sample, int) { last_query(sample, 240); });
  EXPECT_EQ(root(threatened, alarm_of("program_unset", "news"), {alarm_of("no_querier", "cap0")}), "");
}

TEST(CauseOf, SilentSourceStandsForItself) {
  Scene scene;
  const GatewayView& view = scene.run(stop_news);
  EXPECT_EQ(root(view, alarm_of("channel_down", "news"), {alarm_of("link_down", "cap1")}), "");
}

TEST(CauseOf, QuerierIsTheRootOfWhatStoppedAfterIt) {
  Scene scene;
  const GatewayView& view = scene.run([](Scene& of, Snapshot& sample, int) {
    of.stop_all(sample);
    last_query(sample, 240);
  });
  EXPECT_EQ(root(view, alarm_of("channel_down", "film"), {alarm_of("no_querier", "cap0")}),
            "no_querier|cap0");
  EXPECT_EQ(root(view, alarm_of("channel_down", "film"), {}), "");
}

TEST(CauseOf, WhatAChannelThatIsDownCannotDoIsNoNews) {
  Scene scene;
  push_fails(scene, "closed");
  const GatewayView& view = scene.run(stop_news);
  const auto push = alarm_of("push_failing", "news rtmp://live.example.com/app");
  EXPECT_EQ(root(view, push, {alarm_of("channel_down", "news")}), "channel_down|news");
  EXPECT_EQ(root(view, alarm_of("channel_down", "news"), {push}), "");
}

TEST(CauseOf, SilentFastPathIsTheRootOfAllChannels) {
  Scene scene;
  starve(scene);
  const GatewayView& view = scene.run([](Scene& of, Snapshot& sample, int) {
    of.stop_all(sample);
    sample.heartbeat_unix_ns = static_cast<std::uint64_t>(scene_time(280));
  });
  const std::vector<Alarm> all{alarm_of("process_silent", "fastpath"), alarm_of("host_overload", "")};
  EXPECT_EQ(root(view, alarm_of("channel_down", "film"), all), "process_silent|fastpath");
  EXPECT_EQ(root(view, alarm_of("process_silent", "fastpath"), all), "host_overload|");
  EXPECT_EQ(root(view, alarm_of("process_silent", "fastpath"),
                 {alarm_of("crash_loop", "fastpath"), alarm_of("host_overload", "")}),
            "crash_loop|fastpath");
}

TEST(CauseOf, FailoverIsExplainedByTheInputThatFailed) {
  Scene scene;
  scene.add_backup();
  const GatewayView& view = scene.run(backup_on_air(stop_news));
  EXPECT_EQ(root(view, alarm_of("failover_active", "news"), {alarm_of("input_down", "news input 1")}),
            "input_down|news input 1");
  EXPECT_EQ(root(view, alarm_of("input_down", "news input 1"), {alarm_of("failover_active", "news")}), "");
}

TEST(CauseOf, SilentBridgeIsTheRootOfWhatPassesIt) {
  Scene scene;
  scene.channel("film").hls = config::HlsOptions{};
  scene.view.processes[2].answers = false;
  const GatewayView& view = scene.run();
  const std::vector<Alarm> all{alarm_of("process_silent", "bridge")};
  EXPECT_EQ(root(view, alarm_of("players_get_nothing", "film"), all), "process_silent|bridge");
  EXPECT_EQ(root(view, alarm_of("channel_down", "news"), all), "");
}

TEST(CauseOf, NeverExplainsInACircle) {
  Scene scene;
  scene.add_backup();
  push_fails(scene, "refused", "sport");
  const std::vector<Alarm> all{
      alarm_of("link_down", "cap0"),       alarm_of("no_querier", "cap0"),
      alarm_of("channel_down", "news"),    alarm_of("input_down", "news input 1"),
      alarm_of("failover_active", "news"), alarm_of("cc_errors", "news"),
      alarm_of("host_overload", ""),       alarm_of("process_silent", "bridge"),
      alarm_of("channel_down", "sport"),   alarm_of("push_failing", "sport rtmp://live.example.com/app"),
      alarm_of("disk_full", "run_dir"),    alarm_of("process_silent", "fastpath"),
      alarm_of("crash_loop", "fastpath"),  alarm_of("apply_pending", "")};
  for (int kind = 0; kind < 4; ++kind) {
    Scene of = scene;
    const GatewayView& view = of.run([kind](Scene& in, Snapshot& sample, int second) {
      if (kind == 1) in.stop_all(sample);
      if (kind == 2) sample.interfaces[0].link_up = false;
      if (kind == 3) Scene::cc_errors(sample, second);
    });
    for (const Alarm& alarm : all) {
      Alarm at = alarm;
      for (int steps = 0;; ++steps) {
        ASSERT_LT(steps, 10) << alarm.kind << " " << alarm.subject;
        const auto next = cause_of(view, at, all);
        if (!next) break;
        at = alarm_of(next->first, next->second);
      }
    }
  }
}

}  // namespace
}  // namespace headgate::control
