// Every alarm and event is told everywhere: docs/operations.md, whose tables are made of the catalogue
// (HEADGATE_GOLDEN_UPDATE=1 writes them), metrics and JSON.
#include "control/catalogue/catalogue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <set>

#include "control/catalogue/drop_words.h"
#include "control/protocol/bridge_drops.h"
#include "control/protocol/drop_reason.h"
#include "operations_page.h"
#include "sample_view.h"

namespace headgate::catalogue {
namespace {

std::string seconds_text(std::chrono::milliseconds time) {
  const auto ms = time.count();
  if (ms == 0) return "at once";
  if (ms % 60'000 == 0) return std::to_string(ms / 60'000) + " min";
  return ms % 1000 == 0 ? std::to_string(ms / 1000) + " s" : "0." + std::to_string(ms / 100) + " s";
}

std::string alarm_table() {
  std::string out =
      "| alarm | severity | of | means | what to do | raised, over after |\n| --- | --- | --- | --- | --- | "
      "--- |\n";
  for (const AlarmKind& kind : alarm_kinds())
    out += "| <a id=\"alarm-" + text_of(kind.id) + "\"></a>`" + text_of(kind.id) + "` | " +
           text_of(to_string(kind.severity)) + " | " + text_of(to_string(kind.scope)) + " | " +
           text_of(kind.sentence) + " | " + text_of(kind.remedy) + " | " + seconds_text(kind.raise_after) +
           ", " + seconds_text(kind.clear_after) + " |\n";
  return out;
}

std::string event_table() {
  std::string out = "| event | severity | means | what to do |\n| --- | --- | --- | --- |\n";
  for (const EventKind& kind : event_kinds())
    out += "| <a id=\"event-" + text_of(kind.id) + "\"></a>`" + text_of(kind.id) + "` | " +
           text_of(kind.severities) + " | " + text_of(kind.sentence) + " | " + text_of(kind.remedy) + " |\n";
  return out;
}

// `reasons` of control/protocol, which have `name` and `where`.
template <typename Reasons, typename Words>
std::string drop_table(const char* head, const Reasons& reasons, const Words& words, bool refusals) {
  std::string out = refusals ? std::string("| ") + head + " | means |\n| --- | --- |\n"
                             : std::string("| ") + head + " |\n| --- | --- | --- | --- |\n";
  EXPECT_EQ(reasons.size(), words.size()) << head;
  for (const auto& reason : reasons) {
    const auto found = std::find_if(words.begin(), words.end(),
                                    [&](const DropWords& about) { return about.reason == reason.name; });
    if (found == words.end()) {
      ADD_FAILURE() << "control/catalogue/drop_words.h says nothing of " << reason.name;
      continue;
    }
    const std::string name = "| `" + text_of(reason.name) + "` | ";
    out += refusals ? name + text_of(found->what) + " |\n"
                    : name + text_of(reason.where) + " | " + text_of(found->what) + " | " +
                          text_of(found->remedy) + " |\n";
  }
  return out;
}

TEST(Catalogue, OperationsHasTheTables) {
  expect_on_page("alarms", alarm_table());
  expect_on_page("events", event_table());
  const char* left_out = "reason | where | what was left out | what to do";
  expect_on_page("drops", drop_table("reason | where | what was dropped | what to do", protocol::kDropReasons,
                                     kDropWords, false));
  expect_on_page("hls_drops", drop_table(left_out, protocol::kBridgeDrops, kBridgeDropWords, false));
  expect_on_page("http_refusals", drop_table("refusal", protocol::kHttpRefusals, kHttpRefusalWords, true));
  expect_on_page("rtmp_refusals",
                 drop_table("RTMP refusal", protocol::kRtmpRefusals, kRtmpRefusalWords, true));
  expect_on_page("srt_refusals", drop_table("SRT refusal", protocol::kSrtRefusals, kSrtRefusalWords, true));
  expect_on_page("input_drops", drop_table(left_out, protocol::kIngestDrops, kIngestDropWords, false));
  expect_on_page("push_drops", drop_table(left_out, protocol::kPushDrops, kPushDropWords, false));
}

void expect_words(std::set<std::string_view>& ids, std::string_view id, std::string_view sentence,
                  std::string_view remedy) {
  SCOPED_TRACE(id);
  EXPECT_TRUE(ids.insert(id).second) << "twice";
  EXPECT_TRUE(std::regex_match(text_of(id), std::regex("[a-z][a-z0-9_]*")));
  EXPECT_TRUE(sentence.ends_with('.') || sentence.ends_with(".)")) << sentence;
  EXPECT_TRUE(remedy == "-" || remedy.ends_with('.') || remedy.ends_with('?')) << remedy;
  for (const std::string_view text : {sentence, remedy}) {
    EXPECT_EQ(text.find('|'), std::string_view::npos) << "breaks the table";
    EXPECT_EQ(text.find("]("), std::string_view::npos) << "a link, which the command line can't show";
  }
}

TEST(Catalogue, EveryLineIsWholeAndThereOnce) {
  std::set<std::string_view> alarms, events;
  for (const AlarmKind& kind : alarm_kinds()) {
    expect_words(alarms, kind.id, kind.sentence, kind.remedy);
    EXPECT_NE(kind.remedy, "-") << kind.id;
    EXPECT_NE(kind.severity, Severity::info) << kind.id;
    EXPECT_NE(kind.culprit, Culprit::none) << kind.id;
    EXPECT_EQ(find_alarm_kind(kind.id), &kind);
  }
  for (const EventKind& kind : event_kinds()) {
    expect_words(events, kind.id, kind.sentence, kind.remedy);
    EXPECT_EQ(find_event_kind(kind.id), &kind);
  }
  EXPECT_EQ(find_alarm_kind("made_up"), nullptr);
  EXPECT_EQ(find_event_kind("made_up"), nullptr);
}

TEST(Catalogue, EveryAlarmIsAMetricAndHasItsSentenceAndRemedyInJson) {
  auto view = control::sample_view();
  control::AlarmBook book;
  for (const AlarmKind& kind : alarm_kinds()) book.set(true, kind.id, "news", "x", 0);
  static_cast<void>(book.settle(3'600'000'000'000, {}, {}));
  view.alarms = book.active();
  ASSERT_EQ(view.alarms.size(), alarm_kinds().size());
  const std::string metrics = control::metrics_text(view);
  const auto told = control::gateway_status(view)["alarms"];
  for (const AlarmKind& kind : alarm_kinds()) {
    EXPECT_NE(metrics.find("headgate_alarm{kind=\"" + text_of(kind.id) + "\""), std::string::npos) << kind.id;
    const bool there = std::any_of(told.begin(), told.end(), [&](const nlohmann::json& alarm) {
      return alarm["kind"] == text_of(kind.id) && alarm["sentence"] == text_of(kind.sentence) &&
             alarm["remedy"] == remedy_for(kind, alarm["channel"].get<std::string>()) &&
             alarm["severity"] == text_of(to_string(kind.severity));
    });
    EXPECT_TRUE(there) << kind.id;
  }
  EXPECT_NE(metrics.find("headgate_alarms{severity=\"critical\",state=\"open\"}"), std::string::npos);
}

TEST(Catalogue, RemediesNameTheChannelWhereItIsKnown) {
  bool any = false;
  for (const AlarmKind& kind : alarm_kinds()) {
    const std::string named = remedy_for(kind, "news");
    EXPECT_EQ(named.find("CHANNEL"), std::string::npos) << kind.id;
    EXPECT_EQ(remedy_for(kind, ""), kind.remedy) << kind.id;
    any = any || named != kind.remedy;
  }
  EXPECT_TRUE(any);
  EXPECT_NE(remedy_for(*find_alarm_kind("channel_down"), "CHANNEL-2").find("`headgate why CHANNEL-2`"),
            std::string::npos);
}

TEST(Catalogue, EachAlarmIsCountedInOneState) {
  auto view = control::sample_view();
  const auto add = [&](std::uint64_t id) -> control::Alarm& {
    control::Alarm alarm;
    alarm.id = id;
    alarm.kind = "channel_down";
    alarm.severity = Severity::critical;
    view.alarms.push_back(alarm);
    return view.alarms.back();
  };
  add(1);
  add(2).acknowledged = {"ann", 1};
  add(3).cause = 1;
  add(4).maintenance = true;
  add(5).cause = 1;
  view.alarms.back().maintenance = true;
  const std::string metrics = control::metrics_text(view);
  for (const char* line : {"open\"} 1\n", "acknowledged\"} 1\n", "consequence\"} 1\n", "maintenance\"} 2\n"})
    EXPECT_NE(metrics.find(std::string("headgate_alarms{severity=\"critical\",state=\"") + line),
              std::string::npos)
        << line;
}

TEST(Catalogue, SubjectsNameTheirChannel) {
  EXPECT_EQ(channel_of(Scope::channel, "news"), "news");
  EXPECT_EQ(channel_of(Scope::input, "news input 2"), "news");
  EXPECT_EQ(channel_of(Scope::output, "news rtmp://a/b"), "news");
  EXPECT_EQ(channel_of(Scope::track, "news pid 0x0101"), "news");
  EXPECT_EQ(channel_of(Scope::job, "ladder.news.360"), "news");
  EXPECT_EQ(channel_of(Scope::job, "pictures"), "");
  EXPECT_EQ(channel_of(Scope::input, "[::]:1936"), "") << "a server";
  EXPECT_EQ(channel_of(Scope::interface, "cap0"), "");
}

}  // namespace
}  // namespace headgate::catalogue
