#include "control/daemon/webhook_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::control {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t kHookStart = 1'700'000'000'000'000'000;
constexpr std::int64_t hook_at(double second) { return kHookStart + static_cast<std::int64_t>(second * 1e9); }

Alarm made_alarm(std::uint64_t id, const char* kind, const char* subject, std::uint64_t cause = 0) {
  Alarm made;
  made.id = id;
  made.kind = kind;
  made.subject = made.channel = subject;
  made.cause = cause;
  return made;
}

struct WebhookQueueTest : testing::Test {
  // What is delivered at once, where nothing fails: "raised 1 link_down".
  std::vector<std::string> told(double second, const std::vector<Alarm>& active) {
    queue.update(active, "hg1", hook_at(second));
    std::vector<std::string> lines;
    while (const auto* next = queue.next(hook_at(second))) {
      last = nlohmann::json::parse(next->body);
      lines.push_back(last["change"].get<std::string>() + " " + last["alarm"]["id"].dump() + " " +
                      last["alarm"]["kind"].get<std::string>());
      queue.done("", hook_at(second));
    }
    return lines;
  }
  WebhookQueue queue;
  nlohmann::json last;
};

TEST_F(WebhookQueueTest, TellsRaisedAcknowledgedAndOverInThisOrder) {
  auto one = made_alarm(1, "link_down", "cap0");
  EXPECT_THAT(told(0, {one}), IsEmpty()) << "what it explains may come yet";
  EXPECT_THAT(told(2, {one}), ElementsAre("raised 1 link_down"));
  EXPECT_EQ(last["node"], "hg1");
  EXPECT_EQ(last["version"], 1);
  one.acknowledged = {"ann", hook_at(3)};
  EXPECT_THAT(told(3, {one}), ElementsAre("acknowledged 1 link_down"));
  EXPECT_EQ(last["alarm"]["acknowledged"]["who"], "ann");
  EXPECT_THAT(told(4, {one}), IsEmpty());
  EXPECT_THAT(told(5, {}), ElementsAre("over 1 link_down"));
  EXPECT_EQ(queue.view().delivered, 3U);
}

TEST_F(WebhookQueueTest, TellsOnceMoreWhatGotGraver) {
  auto one = made_alarm(1, "no_querier", "cap0");
  one.severity = catalogue::Severity::warning;
  told(0, {one});
  EXPECT_THAT(told(2, {one}), ElementsAre("raised 1 no_querier"));
  one.severity = catalogue::Severity::critical;
  EXPECT_THAT(told(3, {one}), ElementsAre("raised 1 no_querier"));
  EXPECT_EQ(last["alarm"]["severity"], "critical");
  EXPECT_THAT(told(4, {one}), IsEmpty());
  one.severity = catalogue::Severity::warning;
  EXPECT_THAT(told(5, {one}), IsEmpty());
}

TEST_F(WebhookQueueTest, TellsTheRootWithWhatItExplains) {
  const std::vector<Alarm> all{made_alarm(1, "link_down", "cap0"), made_alarm(2, "channel_down", "news", 1),
                               made_alarm(3, "channel_down", "sport", 1)};
  told(0, all);
  EXPECT_THAT(told(2, all), ElementsAre("raised 1 link_down"));
  ASSERT_EQ(last["consequences"].size(), 2U);
  EXPECT_EQ(last["consequences"][1]["channel"], "sport");
  // One that is not explained any more stands for itself.
  const std::vector<Alarm> left{made_alarm(3, "channel_down", "sport")};
  EXPECT_THAT(told(10, left), ElementsAre("over 1 link_down"));
  EXPECT_THAT(told(12, left), ElementsAre("raised 3 channel_down"));
}

TEST_F(WebhookQueueTest, WhatIsShortOrInMaintenanceOrItsOwnFailureIsNotTold) {
  auto working = made_alarm(2, "channel_down", "news");
  working.maintenance = true;
  EXPECT_THAT(told(0, {made_alarm(1, "link_down", "cap0"), working, made_alarm(3, "webhook_failing", "")}),
              IsEmpty());
  EXPECT_THAT(told(1, {working}), IsEmpty());
  EXPECT_THAT(told(9, {working}), IsEmpty());
  working.maintenance = false;
  told(10, {working});
  EXPECT_THAT(told(12, {working}), ElementsAre("raised 2 channel_down"))
      << "the work is done and it still stands";
  working.maintenance = true;
  EXPECT_THAT(told(13, {}), ElementsAre("over 2 channel_down")) << "what was raised is ended";
}

TEST_F(WebhookQueueTest, TriesAgainAfterLongerAndLongerPausesWithoutLosingTheOrder) {
  queue.update({made_alarm(1, "link_down", "cap0"), made_alarm(2, "no_querier", "cap1")}, "hg1", hook_at(0));
  queue.update({made_alarm(1, "link_down", "cap0"), made_alarm(2, "no_querier", "cap1")}, "hg1", hook_at(2));
  double now = 2;
  std::vector<double> pauses;
  std::uint64_t first = 0;
  for (int i = 0; i < 9; ++i) {
    const double tried = now;
    const auto* next = queue.next(hook_at(now));
    ASSERT_NE(next, nullptr);
    if (i == 0) first = next->id;
    EXPECT_EQ(next->id, first);
    queue.done("it answered 500", hook_at(now));
    EXPECT_EQ(queue.view().error, "it answered 500");
    do now += 0.5;
    while (queue.next(hook_at(now)) == nullptr);
    pauses.push_back(now - tried);
  }
  EXPECT_THAT(pauses, ElementsAre(1, 2, 4, 8, 16, 32, 60, 60, 60));
  queue.done("", hook_at(now));
  EXPECT_EQ(queue.view().error, "");
  ASSERT_NE(queue.next(hook_at(now)), nullptr);
  EXPECT_EQ(queue.next(hook_at(now))->id, first + 1);
  EXPECT_EQ(queue.view().failed, 9U);
}

TEST_F(WebhookQueueTest, IsBoundedAndCountsWhatItDrops) {
  std::vector<Alarm> many;
  for (std::uint64_t id = 1; id <= WebhookQueue::kMost + 5; ++id)
    many.push_back(made_alarm(id, "push_failing", "a"));
  queue.update(many, "hg1", hook_at(0));
  queue.update(many, "hg1", hook_at(2));
  EXPECT_EQ(queue.view().waiting, WebhookQueue::kMost);
  EXPECT_EQ(queue.view().dropped, 5U);
  ASSERT_NE(queue.next(hook_at(2)), nullptr);
  EXPECT_EQ(queue.next(hook_at(2))->id, 6U) << "the oldest went";
  EXPECT_EQ(queue.next(hook_at(25 * 3600)), nullptr) << "nobody wants yesterday's alarms";
  EXPECT_EQ(queue.view().dropped, WebhookQueue::kMost + 5);
}

TEST_F(WebhookQueueTest, OneThatWasDroppedWhileItWasTriedTakesNoOtherWithIt) {
  std::vector<Alarm> many;
  for (std::uint64_t id = 1; id <= WebhookQueue::kMost; ++id)
    many.push_back(made_alarm(id, "push_failing", "a"));
  queue.update(many, "hg1", hook_at(0));
  queue.update(many, "hg1", hook_at(2));
  ASSERT_NE(queue.next(hook_at(2)), nullptr);
  many.push_back(made_alarm(5000, "link_down", "cap0"));
  queue.update(many, "hg1", hook_at(3));
  queue.update(many, "hg1", hook_at(5));
  queue.done("", hook_at(6));
  ASSERT_NE(queue.next(hook_at(6)), nullptr);
  EXPECT_EQ(queue.next(hook_at(6))->id, 2U);
}

TEST_F(WebhookQueueTest, ARestartLosesNothingAndTellsNothingTwice) {
  const std::vector<Alarm> all{made_alarm(1, "link_down", "cap0"), made_alarm(2, "no_querier", "cap1")};
  queue.update(all, "hg1", hook_at(0));
  queue.update(all, "hg1", hook_at(2));
  ASSERT_NE(queue.next(hook_at(2)), nullptr);
  queue.done("", hook_at(2));
  WebhookQueue after;
  after.restore(nlohmann::json::parse(queue.to_json().dump()));
  queue = after;
  EXPECT_THAT(told(3, all), ElementsAre("raised 2 no_querier"));
  EXPECT_THAT(told(20, {all[1]}), ElementsAre("over 1 link_down"));
  EXPECT_EQ(last["delivery"], 3);
}

TEST_F(WebhookQueueTest, DamageIsHarmless) {
  for (const char* text : {"", "[]", "{\"next_id\": 4, \"waiting\": [{}]}", "{\"next_id\": \"x\"}",
                           R"({"next_id": 1, "waiting": [], "told": [{"id": 1, "alarm": 7}]})"}) {
    WebhookQueue other;
    other.restore(nlohmann::json::parse(text, nullptr, false));
    other.update({}, "hg1", hook_at(0));
  }
}

TEST_F(WebhookQueueTest, AClockThatIsSetBackHoldsNothingUp) {
  const std::vector<Alarm> all{made_alarm(1, "link_down", "cap0")};
  queue.update(all, "hg1", hook_at(10'000));
  EXPECT_THAT(told(0, all), IsEmpty());
  queue.update(all, "hg1", hook_at(2));
  ASSERT_NE(queue.next(hook_at(2)), nullptr);
  queue.done("refused", hook_at(10'000));
  EXPECT_NE(queue.next(hook_at(3)), nullptr);
}

}  // namespace
}  // namespace headgate::control
