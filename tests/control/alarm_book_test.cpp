#include "control/daemon/alarm_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::control {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using What = AlarmBook::Change::What;

constexpr std::int64_t kStart = 1'700'000'000'000'000'000;
constexpr std::int64_t at(double second) { return kStart + static_cast<std::int64_t>(second * 1e9); }

// "raised 1 link_down cap0"
std::string words(const AlarmBook::Change& change) {
  constexpr const char* kWhat[] = {"raised", "over", "acknowledged", "cause_changed"};
  return std::string(kWhat[static_cast<int>(change.what)]) + " " + std::to_string(change.alarm.id) + " " +
         change.alarm.kind + " " + change.alarm.subject;
}

struct Fixture : testing::Test {
  std::vector<std::string> settle(double second) {
    std::vector<std::string> told;
    for (const auto& change : book.settle(at(second), tags, cause)) told.push_back(words(change));
    return told;
  }
  void set(bool active, const char* kind, const char* subject, double second, const char* message = "x") {
    book.set(active, kind, subject, message, at(second));
  }

  AlarmBook book;
  AlarmBook::TagsOf tags = [](const std::string& channel) {
    return channel == "news" ? std::vector<std::string>{"hd", "east"} : std::vector<std::string>{"hd"};
  };
  AlarmBook::CauseOf cause;
};

using AlarmBookTest = Fixture;

TEST_F(AlarmBookTest, RaisesAtOnceAndEndsWhenItStayedAway) {
  set(true, "channel_down", "news", 0, "no datagram for 2s");
  EXPECT_THAT(settle(0), ElementsAre("raised 1 channel_down news"));
  const auto active = book.active();
  ASSERT_EQ(active.size(), 1U);
  EXPECT_EQ(active[0].severity, catalogue::Severity::critical);
  EXPECT_EQ(active[0].channel, "news");
  EXPECT_EQ(active[0].since_unix_ns, at(0));
  set(false, "channel_down", "news", 10);
  EXPECT_THAT(settle(14.5), IsEmpty());
  const auto changes = book.settle(at(15), tags, cause);
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(words(changes[0]), "over 1 channel_down news");
  EXPECT_EQ(changes[0].at_unix_ns, at(10)) << "the end is that of the condition";
  EXPECT_THAT(book.active(), IsEmpty());
}

TEST_F(AlarmBookTest, WhatComesAndGoesIsOneAlarm) {
  std::vector<std::string> told;
  for (int i = 0; i < 20; ++i) {
    set(i % 2 == 0, "channel_down", "news", 2.0 * i);
    for (auto& line : settle(2.0 * i)) told.push_back(line);
  }
  EXPECT_THAT(told, ElementsAre("raised 1 channel_down news"));
  EXPECT_THAT(settle(60), ElementsAre("over 1 channel_down news"));
}

TEST_F(AlarmBookTest, WhatDoesNotStandLongEnoughIsNone) {
  set(true, "map_differs", "", 0);
  EXPECT_THAT(settle(599), IsEmpty());
  set(false, "map_differs", "", 599.5);
  set(true, "map_differs", "", 599.6);
  EXPECT_THAT(settle(700), IsEmpty()) << "it begins anew";
  EXPECT_THAT(settle(1199.6), ElementsAre("raised 1 map_differs "));
  EXPECT_EQ(book.active()[0].since_unix_ns, at(599.6));
}

TEST_F(AlarmBookTest, SetAllEndsTheOthersOfItsKind) {
  book.set_all("transcode_failing", {{"sound.a", "x"}, {"sound.b", "y"}}, at(0));
  set(true, "crash_loop", "bridge", 0);
  EXPECT_EQ(settle(0).size(), 3U);
  EXPECT_EQ(book.active().back().channel.empty(), false) << "a job names its channel";
  book.set_all("transcode_failing", {{"sound.b", "z"}}, at(1));
  EXPECT_THAT(settle(1), ElementsAre("over 2 transcode_failing sound.a"));
  EXPECT_EQ(book.active().back().message, "z");
}

TEST_F(AlarmBookTest, TakesTheBeginningThatTheObserverKnows) {
  book.set(true, "picture_black", "news", "", at(10), at(6));
  EXPECT_EQ(settle(10).size(), 1U);
  EXPECT_EQ(book.active()[0].since_unix_ns, at(6));
  book.set(true, "picture_black", "news", "", at(11), at(7));
  EXPECT_EQ(book.active()[0].since_unix_ns, at(7));
  book.set(true, "sound_silent", "news", "", at(20));
  book.set(true, "sound_silent", "news", "", at(20), at(15));
  settle(20);
  EXPECT_EQ(book.active()[0].since_unix_ns, at(15));
}

TEST_F(AlarmBookTest, UnknownKindsAreIgnored) {
  set(true, "made_up", "news", 0);
  book.set_all("made_up", {{"a", "b"}}, at(0));
  EXPECT_THAT(settle(1), IsEmpty());
}

TEST_F(AlarmBookTest, WorstFirstAndRootsBeforeWhatTheyExplain) {
  cause = [](const Alarm& alarm, const std::vector<Alarm>&) {
    return alarm.kind == "channel_down"
               ? std::optional(std::pair<std::string, std::string>("link_down", "cap0"))
               : std::nullopt;
  };
  set(true, "input_down", "sport input 2", 0);
  set(true, "link_down", "cap0", 1);
  set(true, "channel_down", "news", 2);
  set(true, "channel_down", "sport", 3);
  set(true, "sound_silent", "late", 4);
  settle(5);
  std::vector<std::string> order;
  for (const Alarm& alarm : book.active()) order.push_back(alarm.kind + " " + alarm.subject);
  EXPECT_THAT(order, ElementsAre("sound_silent late", "link_down cap0", "channel_down sport",
                                 "channel_down news", "input_down sport input 2"));
  EXPECT_EQ(book.active()[1].consequences, 2U);
  EXPECT_EQ(book.active()[2].cause, book.active()[1].id);
}

TEST_F(AlarmBookTest, ConsequencesFollowTheirRootToTheEnd) {
  bool blamed = true;
  cause = [&](const Alarm& alarm, const std::vector<Alarm>&) {
    return blamed && alarm.kind == "channel_down"
               ? std::optional(std::pair<std::string, std::string>("link_down", "cap0"))
               : std::nullopt;
  };
  set(true, "channel_down", "news", 0);
  EXPECT_THAT(settle(0), ElementsAre("raised 1 channel_down news")) << "before its root is known";
  EXPECT_EQ(book.active()[0].cause, 0U);
  set(true, "link_down", "cap0", 1);
  EXPECT_THAT(settle(2), ElementsAre("raised 2 link_down cap0", "cause_changed 1 channel_down news"));
  blamed = false;
  set(false, "link_down", "cap0", 3);
  EXPECT_THAT(settle(6), IsEmpty());
  EXPECT_EQ(book.active()[1].cause, 2U) << "the link is not over yet";
  EXPECT_THAT(settle(9), ElementsAre("over 2 link_down cap0"));
  EXPECT_EQ(book.active()[0].cause, 2U) << "it has time to recover";
  EXPECT_THAT(settle(38), IsEmpty());
  EXPECT_THAT(settle(40), ElementsAre("cause_changed 1 channel_down news"));
  EXPECT_EQ(book.active()[0].cause, 0U) << "there is more to it";
}

TEST_F(AlarmBookTest, WhatIsAsGoodAsOverKeepsItsCause) {
  bool blamed = true;
  cause = [&](const Alarm& alarm, const std::vector<Alarm>&) {
    return blamed && alarm.kind == "channel_down"
               ? std::optional(std::pair<std::string, std::string>("no_querier", "cap0"))
               : std::nullopt;
  };
  set(true, "no_querier", "cap0", 0);
  set(true, "channel_down", "news", 0);
  settle(0);
  EXPECT_EQ(book.active()[1].kind, "channel_down");
  EXPECT_NE(book.active()[1].cause, 0U);
  blamed = false;
  set(false, "channel_down", "news", 3);
  EXPECT_THAT(settle(4), IsEmpty()) << "it would be delivered as an alarm of its own";
  EXPECT_NE(book.active()[1].cause, 0U);
  EXPECT_EQ(book.active()[0].over_since_unix_ns, 0) << "it stands";
  EXPECT_NE(book.active()[1].over_since_unix_ns, 0) << "its condition is gone";
}

TEST_F(AlarmBookTest, WhatIsAsGoodAsOverIsNotExplainedByWhatCameAfter) {
  set(true, "channel_down", "news", 0);
  settle(0);
  set(false, "channel_down", "news", 20);
  set(true, "host_overload", "", 10);
  cause = [](const Alarm& alarm, const std::vector<Alarm>&) {
    return alarm.kind == "channel_down"
               ? std::optional(std::pair<std::string, std::string>("host_overload", ""))
               : std::nullopt;
  };
  settle(22);
  const auto active = book.active();
  ASSERT_EQ(active.size(), 2U);
  for (const Alarm& alarm : active) EXPECT_EQ(alarm.cause, 0U) << alarm.kind;
}

// A querier that was always missing harms nobody, until channels go down for it.
TEST_F(AlarmBookTest, WhatExplainsAGraverAlarmIsAsGraveAndRaisedAgain) {
  cause = [](const Alarm& alarm, const std::vector<Alarm>&) {
    return alarm.kind == "channel_down"
               ? std::optional(std::pair<std::string, std::string>("no_querier", "cap0"))
               : std::nullopt;
  };
  set(true, "no_querier", "cap0", 0);
  settle(0);
  EXPECT_EQ(book.active()[0].severity, catalogue::Severity::warning);
  EXPECT_EQ(book.acknowledge_all("me", at(5)), 1U);
  settle(6);
  set(true, "channel_down", "news", 10);
  EXPECT_THAT(settle(10), ElementsAre("raised 2 channel_down news", "raised 1 no_querier cap0"));
  const Alarm root = book.active()[0];
  EXPECT_EQ(root.kind, "no_querier");
  EXPECT_EQ(root.severity, catalogue::Severity::critical);
  EXPECT_FALSE(root.acknowledged) << "nobody knew of the channel then";
  EXPECT_EQ(book.acknowledge_all("me", at(11)), 2U);
  EXPECT_THAT(settle(12), testing::SizeIs(2)) << "told of as acknowledged, and not raised again";
  AlarmBook anew;
  anew.restore(book.to_json());
  static_cast<void>(anew.settle(at(13), {}, cause));
  EXPECT_TRUE(anew.active()[0].acknowledged) << "a restart makes nothing worse";
  set(false, "channel_down", "news", 20);
  settle(30);
  EXPECT_EQ(book.active()[0].severity, catalogue::Severity::warning);
}

TEST_F(AlarmBookTest, ChainsEndAtTheirRootAndCirclesStandForThemselves) {
  std::map<std::string, std::pair<std::string, std::string>> why{{"push_failing", {"channel_down", "news"}},
                                                                 {"channel_down", {"link_down", "cap0"}}};
  cause = [&](const Alarm& alarm, const std::vector<Alarm>&) {
    const auto found = why.find(alarm.kind);
    return found == why.end() ? std::nullopt : std::optional(found->second);
  };
  set(true, "link_down", "cap0", 0);
  set(true, "channel_down", "news", 0);
  set(true, "push_failing", "news rtmp://a/b", 0);
  settle(1);
  const auto active = book.active();
  EXPECT_EQ(active.back().kind, "push_failing");
  EXPECT_EQ(active.back().cause, active.front().id);
  EXPECT_EQ(active.front().consequences, 2U);
  why["link_down"] = {"channel_down", "news"};
  settle(4);
  for (const Alarm& alarm : book.active()) EXPECT_EQ(alarm.cause, 0U) << alarm.kind;
}

TEST_F(AlarmBookTest, AcknowledgedOnceAndToldOnce) {
  set(true, "link_down", "cap0", 0);
  set(true, "no_querier", "cap1", 0);
  settle(1);
  EXPECT_FALSE(book.acknowledge(7, "ann", at(2)));
  EXPECT_FALSE(book.acknowledge(0, "ann", at(2)));
  EXPECT_TRUE(book.acknowledge(1, "ann", at(2)));
  EXPECT_TRUE(book.acknowledge(1, "bob", at(3)));
  EXPECT_THAT(settle(3), ElementsAre("acknowledged 1 link_down cap0"));
  EXPECT_EQ(book.active()[0].acknowledged->who, "ann");
  EXPECT_EQ(book.acknowledge_all("bob", at(4)), 1U);
  EXPECT_THAT(settle(4), ElementsAre("acknowledged 2 no_querier cap1"));
  // A new one of the same kind and subject is another alarm.
  set(false, "link_down", "cap0", 5);
  settle(11);
  set(true, "link_down", "cap0", 12);
  EXPECT_THAT(settle(13), ElementsAre("raised 3 link_down cap0"));
  EXPECT_FALSE(book.active()[0].acknowledged.has_value());
}

TEST_F(AlarmBookTest, MaintenanceHoldsForAChannelOrATagUntilItsEnd) {
  set(true, "channel_down", "news", 0);
  set(true, "channel_down", "sport", 0);
  set(true, "link_down", "cap0", 0);
  EXPECT_EQ(book.maintain("east", seconds(60), "ann", at(0)).until_unix_ns, at(60));
  settle(1);
  const auto working = [&] {
    std::vector<std::string> subjects;
    for (const Alarm& alarm : book.active()) {
      if (alarm.maintenance) subjects.push_back(alarm.subject);
    }
    return subjects;
  };
  EXPECT_THAT(working(), ElementsAre("news"));
  book.maintain("sport", seconds(10), "ann", at(1));
  book.maintain("sport", seconds(20), "bob", at(2));
  ASSERT_EQ(book.maintenance().size(), 2U) << "one window a target";
  EXPECT_EQ(book.maintenance()[1].who, "bob");
  settle(3);
  EXPECT_THAT(working(), testing::UnorderedElementsAre("news", "sport"));
  settle(22);
  EXPECT_THAT(working(), ElementsAre("news"));
  // A channel that leaves the map takes its tags along.
  tags = {};
  set(false, "channel_down", "news", 23);
  settle(24);
  EXPECT_THAT(working(), ElementsAre("news"));
  set(true, "channel_down", "news", 25);
  tags = [](const std::string&) { return std::vector<std::string>{"east"}; };
  settle(25);
  EXPECT_TRUE(book.end_maintenance("east"));
  EXPECT_FALSE(book.end_maintenance("east"));
  settle(26);
  EXPECT_THAT(working(), IsEmpty());
}

TEST_F(AlarmBookTest, ARestartKeepsIdsAcknowledgementsAndMaintenance) {
  set(true, "link_down", "cap0", 0, "no link");
  set(true, "channel_down", "news", 0);
  settle(1);
  book.acknowledge(1, "ann", at(2));
  book.maintain("hd", seconds(100), "ann", at(2));
  const auto first = book.active();

  AlarmBook next;
  next.restore(nlohmann::json::parse(book.to_json().dump()));
  EXPECT_THAT(next.settle(at(5), tags, cause), IsEmpty()) << "nothing is told anew";
  next.set(true, "channel_down", "news", "x", at(5));
  next.settle(at(6), tags, cause);
  ASSERT_EQ(next.active().size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(next.active()[i].id, first[i].id);
    EXPECT_EQ(next.active()[i].since_unix_ns, first[i].since_unix_ns);
    EXPECT_EQ(next.active()[i].acknowledged.has_value(), first[i].acknowledged.has_value());
  }
  ASSERT_EQ(next.maintenance().size(), 1U);
  // Nobody sees the link down any more.
  EXPECT_THAT(next.settle(at(19), tags, cause), IsEmpty());
  const auto at_20 = next.settle(at(20), tags, cause), at_25 = next.settle(at(25), tags, cause);
  EXPECT_THAT(at_20, IsEmpty());
  ASSERT_EQ(at_25.size(), 1U);
  EXPECT_EQ(
      words(at_25[0]),
      "over " + std::to_string(first[1].kind == "link_down" ? first[1].id : first[0].id) + " link_down cap0");
  next.set(true, "no_querier", "cap0", "x", at(30));
  EXPECT_EQ(words(next.settle(at(30), tags, cause)[0]), "raised 3 no_querier cap0");
}

TEST_F(AlarmBookTest, WhatIsDamagedIsLeftOut) {
  for (const char* text :
       {"", "[]", "7", R"({"alarms": 3, "maintenance": {}, "next_id": "x"})", "{\"alarms\": [{}]}"}) {
    AlarmBook other;
    other.restore(nlohmann::json::parse(text, nullptr, false));
    EXPECT_THAT(other.active(), IsEmpty()) << text;
  }
  AlarmBook other;
  other.restore(nlohmann::json::parse(R"({"next_id": 2, "alarms": [
    {"id": 9, "kind": "link_down", "subject": "cap0", "message": "x", "since_unix_ns": 5, "acknowledged": null},
    {"id": 0, "kind": "link_down", "subject": "cap1", "message": "x", "since_unix_ns": 5, "acknowledged": null},
    {"id": 4, "kind": "gone", "subject": "", "message": "x", "since_unix_ns": 5, "acknowledged": null},
    {"id": 5, "kind": "crash_loop", "subject": 5, "message": "x", "since_unix_ns": 5, "acknowledged": null}],
    "maintenance": [{"id": 1, "target": "", "who": "a", "from_unix_ns": 1, "until_unix_ns": 2}, 8]})"));
  ASSERT_EQ(other.active().size(), 1U);
  EXPECT_THAT(other.maintenance(), IsEmpty());
  other.set(true, "crash_loop", "bridge", "x", at(0));
  EXPECT_EQ(words(other.settle(at(1), tags, cause)[0]), "raised 10 crash_loop bridge")
      << "no id is given twice";
  other.ids_after(40);
  other.set(true, "crash_loop", "fastpath", "x", at(2));
  EXPECT_EQ(other.settle(at(2), tags, cause)[0].alarm.id, 41U);
}

TEST_F(AlarmBookTest, AClockThatIsSetBackHoldsNothingUp) {
  set(true, "channel_down", "news", 1000);
  set(true, "map_differs", "", 1000);
  settle(1000);
  book.maintain("news", seconds(50), "ann", at(1000));
  set(true, "channel_down", "news", 10);
  settle(10);
  EXPECT_LE(book.active()[0].since_unix_ns, at(10));
  EXPECT_LE(book.maintenance()[0].until_unix_ns, at(60));
  set(false, "channel_down", "news", 12);
  EXPECT_THAT(settle(17), ElementsAre("over 1 channel_down news"));
  EXPECT_THAT(settle(610), ElementsAre("raised 2 map_differs ")) << "ten minutes by the new time";
  EXPECT_THAT(book.maintenance(), IsEmpty());
}

TEST_F(AlarmBookTest, ChangesTellWhatIsWorthWriting) {
  const auto before = book.changes();
  set(true, "link_down", "cap0", 0);
  settle(1);
  const auto raised = book.changes();
  EXPECT_NE(raised, before);
  set(true, "link_down", "cap0", 2, "other words");
  settle(3);
  EXPECT_EQ(book.changes(), raised);
  book.acknowledge(1, "ann", at(4));
  EXPECT_NE(book.changes(), raised);
}

}  // namespace
}  // namespace headgate::control
