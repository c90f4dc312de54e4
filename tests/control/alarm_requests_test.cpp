#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/daemon/daemon.h"

namespace headgate::control {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

std::vector<std::string> members(const nlohmann::json& object) {
  std::vector<std::string> names;
  for (const auto& [name, value] : object.items()) names.push_back(name);
  return names;
}

TEST(AlarmRequests, AlarmsHaveTheMembersThatAreDocumented) {
  Alarm alarm;
  alarm.id = 3;
  alarm.kind = "push_failing";
  alarm.subject = "news rtmp://a/b";
  alarm.channel = "news";
  alarm.message = "refused";
  alarm.since_unix_ns = 17;
  alarm.cause = 2;
  const auto answer = alarms_answer({alarm}, {{1, "hd", "ann", 5, 9}}, 20);
  EXPECT_THAT(members(answer), UnorderedElementsAre("now_unix_ns", "alarms", "maintenance"));
  const auto& told = answer["alarms"][0];
  EXPECT_THAT(members(told), UnorderedElementsAre("id", "kind", "severity", "subject", "channel", "message",
                                                  "sentence", "remedy", "since_unix_ns", "over_since_unix_ns",
                                                  "acknowledged", "maintenance", "cause", "consequences"));
  EXPECT_EQ(told["severity"], "warning");
  EXPECT_EQ(told["cause"], 2);
  EXPECT_EQ(told["acknowledged"], nullptr);
  EXPECT_EQ(told["over_since_unix_ns"], nullptr);
  EXPECT_EQ(told["remedy"], catalogue::remedy_for(*catalogue::find_alarm_kind("push_failing"), "news"));
  EXPECT_EQ(answer["maintenance"][0],
            (nlohmann::json{
                {"id", 1}, {"target", "hd"}, {"who", "ann"}, {"from_unix_ns", 5}, {"until_unix_ns", 9}}));
  alarm.acknowledged = {"bob", 18};
  alarm.over_since_unix_ns = 19;
  EXPECT_EQ(alarm_json(alarm)["over_since_unix_ns"], 19);
  alarm.cause = 0;
  EXPECT_EQ(alarm_json(alarm)["acknowledged"], (nlohmann::json{{"who", "bob"}, {"unix_ns", 18}}));
  EXPECT_EQ(alarm_json(alarm)["cause"], nullptr);
}

struct EventFilters : testing::Test {
  EventFilters() {
    const auto add = [&](const char* severity, const char* kind, const char* channel) {
      events.push_back({events.size() + 1, 5, severity, kind, channel, "", channel});
    };
    add("info", "start", "");
    add("critical", "channel_down", "news");
    add("warning", "input_switched", "sport");
    add("info", "alarm_over", "news");
  }
  std::vector<int> ids(const char* params) {
    const auto answer = events_answer(events, nlohmann::json::parse(params));
    std::vector<int> found;
    if (!answer) return {-1};
    for (const auto& event : (*answer)["events"]) found.push_back(event["id"].get<int>());
    return found;
  }
  std::deque<Event> events;
};

TEST_F(EventFilters, ByChannelSeverityKindAndPlace) {
  EXPECT_THAT(ids("{}"), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(ids(R"({"channel": "news"})"), ElementsAre(2, 4));
  EXPECT_THAT(ids(R"({"severity": "warning"})"), ElementsAre(2, 3)) << "and what is worse";
  EXPECT_THAT(ids(R"({"kind": "start"})"), ElementsAre(1));
  EXPECT_THAT(ids(R"({"limit": 2})"), ElementsAre(3, 4)) << "the latest";
  EXPECT_THAT(ids(R"({"after": 1, "limit": 2})"), ElementsAre(2, 3)) << "to go on from there";
  EXPECT_THAT(ids(R"({"after": 4})"), ElementsAre());
}

TEST_F(EventFilters, RefuseWhatTheyCannotRead) {
  for (const char* params : {R"({"severity": "bad"})", R"({"after": -1})", R"({"limit": "many"})"})
    EXPECT_THAT(ids(params), ElementsAre(-1)) << params;
}

}  // namespace
}  // namespace headgate::control
