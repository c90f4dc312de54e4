#include "control/cli/render_alarms.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "control/cli/columns.h"
#include "control/cli/filter.h"
#include "control/cli/top_screen.h"

namespace headgate::control {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kMoment = 1'000'000'600'000'000'000;

Json alarm(std::uint64_t id, const std::string& kind, const std::string& severity,
           const std::string& subject) {
  return {{"id", id},
          {"kind", kind},
          {"severity", severity},
          {"subject", subject},
          {"channel", subject},
          {"message", "it is so"},
          {"remedy", "mend it"},
          {"since_unix_ns", kMoment - 192'000'000'000},
          {"acknowledged", nullptr},
          {"maintenance", false},
          {"cause", nullptr},
          {"consequences", 0}};
}

Json dead_port() {
  Json alarms = Json::array({alarm(17, "link_down", "critical", "cap0")});
  alarms[0]["consequences"] = 8;
  for (std::uint64_t i = 0; i < 8; ++i) {
    alarms.push_back(alarm(18 + i, "channel_down", "critical", "news" + std::to_string(i)));
    alarms.back()["cause"] = 17;
  }
  return {{"now_unix_ns", kMoment}, {"alarms", alarms}, {"maintenance", Json::array()}};
}

Json channel(const std::string& id, const std::string& state) {
  return {{"id", id},       {"name", id + " HD"}, {"state", state},
          {"tags", {"hd"}}, {"cc_errors", 0},     {"bitrate_bps", 4'000'000},
          {"viewers", 3},   {"input", 1},         {"since_unix_ns", kMoment - 60'000'000'000},
          {"reason", ""}};
}

Json status(const Json& channels) {
  return {{"node", "hg1"}, {"ready", true}, {"now_unix_ns", kMoment}, {"channels", channels}};
}

std::size_t longest_line(const std::string& text) {
  std::istringstream lines(text);
  std::size_t longest = 0;
  for (std::string line; std::getline(lines, line);) longest = std::max(longest, width(line));
  return longest;
}

TEST(RenderAlarms, ShowsADeadPortOnceWithWhatFollowsFromIt) {
  const std::string text = render_alarms(dead_port(), false);
  EXPECT_NE(text.find("   17 critical   3m12s  link_down\n"), std::string::npos) << text;
  EXPECT_NE(text.find("explains 8 other alarms: news0 (channel_down)"), std::string::npos) << text;
  EXPECT_NE(text.find("and 2 more"), std::string::npos) << text;
  EXPECT_NE(text.find("      -> mend it\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("   18 critical"), std::string::npos) << text;
  EXPECT_LE(longest_line(text), kColumns) << text;
}

TEST(RenderAlarms, NamesWhoAcknowledgedAndWhatIsUnderMaintenance) {
  Json answer = dead_port();
  answer["alarms"][0]["acknowledged"] = {{"who", "alice (1000)"}, {"unix_ns", kMoment - 60'000'000'000}};
  answer["alarms"][0]["maintenance"] = true;
  answer["maintenance"].push_back({{"target", "hd"},
                                   {"who", "bob (1001)"},
                                   {"from_unix_ns", kMoment},
                                   {"until_unix_ns", kMoment + 3'600'000'000'000}});
  const std::string text = render_alarms(answer, false);
  EXPECT_NE(text.find("acknowledged by alice (1000) 1m00s ago"), std::string::npos) << text;
  EXPECT_NE(text.find("(maintenance)"), std::string::npos) << text;
  EXPECT_NE(text.find("maintenance: hd by bob (1001), 1h00m to go"), std::string::npos) << text;
}

TEST(RenderAlarms, SaysThatNothingIsWrong) {
  EXPECT_EQ(render_alarms({{"now_unix_ns", kMoment}, {"alarms", Json::array()}}, false),
            "no alarm is active\n");
}

TEST(Health, IsCriticalForAChannelThatIsDown) {
  const Health health = judge_health(status(Json::array({channel("news", "down"), channel("sport", "ok")})),
                                     {{"alarms", Json::array()}});
  EXPECT_EQ(health.status, 2);
  EXPECT_TRUE(health.line.starts_with("HEADGATE CRITICAL - 1 of 2 channels ok, 1 down: news |"))
      << health.line;
  EXPECT_NE(health.line.find(" down=1"), std::string::npos) << health.line;
  EXPECT_EQ(std::count(health.line.begin(), health.line.end(), '|'), 1);
}

TEST(Health, WarnsOfABackupAndIsWellWithoutTrouble) {
  const Json none = {{"alarms", Json::array()}};
  EXPECT_EQ(judge_health(status(Json::array({channel("news", "backup")})), none).status, 1);
  EXPECT_EQ(
      judge_health(status(Json::array({channel("news", "ok"), channel("old", "disabled")})), none).status, 0);
}

TEST(Health, LeavesOutWhatIsAcknowledgedOrBeingWorkedOn) {
  Json answer = dead_port();
  answer["alarms"][0]["acknowledged"] = {{"who", "alice"}, {"unix_ns", kMoment}};
  EXPECT_EQ(judge_health(status(Json::array({channel("sport", "ok")})), answer).status, 0);
  answer["maintenance"].push_back({{"target", "hd"}});
  EXPECT_EQ(judge_health(status(Json::array({channel("news", "down")})), answer).status, 0);
}

TEST(Health, IsCriticalWhileTheGatewayIsNotReady) {
  Json not_ready = status(Json::array({channel("news", "ok")}));
  not_ready["ready"] = false;
  EXPECT_EQ(judge_health(not_ready, {{"alarms", Json::array()}}).status, 2);
}

TEST(ChannelFilter, TakesStatesTagsAndPatterns) {
  const Json news = channel("news", "down");
  EXPECT_TRUE(matches({{"down", "degraded"}, {}, ""}, news));
  EXPECT_FALSE(matches({{"ok"}, {}, ""}, news));
  EXPECT_TRUE(matches({{}, {"hd"}, "ne*"}, news));
  EXPECT_TRUE(matches({{}, {}, "NEWS h?"}, news));
  EXPECT_FALSE(matches({{}, {"premium"}, ""}, news));
  EXPECT_FALSE(matches({{}, {}, "sport*"}, news));
}

TEST(ChannelFilter, RefusesAStateThatNoChannelHas) {
  const auto result = check({{"degraed"}, {}, ""});
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().find("did you mean degraded?"), std::string::npos) << result.error();
}

std::vector<std::string> ids(TopScreen& screen, std::size_t rows) {
  std::vector<std::string> out;
  const auto lines = screen.lines(rows, 80);
  for (std::size_t i = 2; i + 1 < lines.size(); ++i) {
    if (!lines[i].text.empty()) out.push_back(lines[i].text.substr(0, lines[i].text.find(' ')));
  }
  return out;
}

TEST(TopScreen, ShowsTheWorstFirstAndSortsAsAsked) {
  Json channels = {channel("a", "ok"), channel("b", "down"), channel("c", "degraded")};
  channels[2]["viewers"] = 900;
  TopScreen screen({});
  screen.take(status(channels), {{"alarms", Json::array()}});
  EXPECT_EQ(ids(screen, 24), (std::vector<std::string>{"b", "c", "a"}));
  screen.sort_by("viewers");
  EXPECT_EQ(ids(screen, 24), (std::vector<std::string>{"c", "b", "a"}));
  screen.sort_by("id");
  EXPECT_EQ(ids(screen, 24), (std::vector<std::string>{"a", "b", "c"}));
}

TEST(TopScreen, PutsErrorsOfThisMomentBeforeOldOnes) {
  Json channels = {channel("old", "ok"), channel("fresh", "ok")};
  channels[0]["cc_errors"] = 5000;
  TopScreen screen({}, "errors");
  screen.take(status(channels), {{"alarms", Json::array()}});
  EXPECT_EQ(ids(screen, 24).front(), "old");
  channels[1]["cc_errors"] = 2;
  screen.take(status(channels), {{"alarms", Json::array()}});
  EXPECT_EQ(ids(screen, 24).front(), "fresh");
  EXPECT_NE(screen.lines(24, 80)[2].text.find("+2 2"), std::string::npos);
}

TEST(TopScreen, NeverLeavesTheTerminal) {
  Json channels = Json::array();
  for (int i = 0; i < 1000; ++i) channels.push_back(channel("channel-" + std::to_string(i), "ok"));
  channels[500]["id"] = std::string(64, 'x');
  channels[500]["reason"] = std::string(300, 'y');
  TopScreen screen({});
  Json alarms = dead_port();
  screen.take(status(channels), alarms);
  for (const auto& [rows, columns] : {std::pair{24, 80}, {3, 20}, {50, 200}, {10, 40}}) {
    const auto lines =
        screen.lines(static_cast<std::size_t>(rows), static_cast<std::size_t>(columns), "! a note");
    EXPECT_LE(lines.size(), static_cast<std::size_t>(rows));
    for (const ScreenLine& line : lines) EXPECT_LE(width(line.text), static_cast<std::size_t>(columns));
  }
}

TEST(TopScreen, KeepsTheSelectedChannelInSightWhereverItMoves) {
  Json channels = Json::array();
  for (int i = 0; i < 100; ++i) channels.push_back(channel("c" + std::to_string(i), "ok"));
  TopScreen screen({});
  screen.take(status(channels), {{"alarms", Json::array()}});
  for (const int by : {1, 30, 50, 1'000'000, -10, -1'000'000}) {
    screen.move(by);
    const auto lines = screen.lines(24, 80);
    const auto marked = std::count_if(lines.begin(), lines.end(), [&](const ScreenLine& line) {
      return line.selected && line.text.starts_with(screen.selected() + " ");
    });
    EXPECT_EQ(marked, 1) << by;
  }
}

}  // namespace
}  // namespace headgate::control
