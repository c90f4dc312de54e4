// What stands in the catalogue reaches whoever types: every alarm and every event with its sentence, in each
// form in which the command line tells of it, within 80 columns.
#include <gtest/gtest.h>

#include <sstream>

#include "control/catalogue/catalogue.h"
#include "control/cli/columns.h"
#include "control/cli/render.h"
#include "control/cli/render_alarms.h"
#include "control/cli/why.h"

namespace headgate::control {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kCatalogueMoment = 1'000'000'600'000'000'000;

// Lines joined, with single spaces, to be searched for a sentence that is wrapped.
std::string joined(const std::string& text) {
  std::istringstream words(text);
  std::string out;
  for (std::string word; words >> word;) out += (out.empty() ? "" : " ") + word;
  return out;
}

// As the gateway answers: alarm_requests_test.cpp holds the members to this.
Json told(const catalogue::AlarmKind& kind) {
  return {{"id", 17},
          {"kind", kind.id},
          {"severity", to_string(kind.severity)},
          {"subject", "news"},
          {"channel", "news"},
          {"message", "it is so"},
          {"sentence", kind.sentence},
          {"remedy", kind.remedy},
          {"since_unix_ns", kCatalogueMoment - 192'000'000'000},
          {"over_since_unix_ns", nullptr},
          {"acknowledged", nullptr},
          {"maintenance", false},
          {"cause", nullptr},
          {"consequences", 0}};
}

void expect_sentence(const std::string& text, std::string_view sentence) {
  EXPECT_NE(joined(text).find(joined(std::string(sentence))), std::string::npos) << text;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(width(line), kColumns) << line;
}

Json status_with(const Json& alarms) {
  const Json map = {{"number", 1}, {"applied_unix_ns", nullptr}};
  return {{"node", "hg1"},
          {"ready", true},
          {"now_unix_ns", kCatalogueMoment},
          {"map", map},
          {"alarms", alarms},
          {"channels", Json::array()},
          {"processes", Json::array()}};
}

TEST(CatalogueOnScreen, EveryAlarmSaysWhatItMeansAndWhatToDo) {
  for (const catalogue::AlarmKind& kind : catalogue::alarm_kinds()) {
    SCOPED_TRACE(kind.id);
    const Json alarms = Json::array({told(kind)});
    const std::string text = render_alarms({{"now_unix_ns", kCatalogueMoment}, {"alarms", alarms}}, false);
    EXPECT_NE(text.find("3m12s  " + std::string(kind.id) + "\n"), std::string::npos) << text;
    EXPECT_NE(joined(text).find("-> " + joined(std::string(kind.remedy))), std::string::npos) << text;
    expect_sentence(text, kind.sentence);
  }
}

TEST(CatalogueOnScreen, StatusSaysWhatEveryAlarmMeansWithItsParticulars) {
  for (const catalogue::AlarmKind& kind : catalogue::alarm_kinds()) {
    SCOPED_TRACE(kind.id);
    const std::string text = render_status(status_with(Json::array({told(kind)})), false);
    EXPECT_NE(text.find("! " + std::string(kind.id) + ": news: it is so\n"), std::string::npos) << text;
    expect_sentence(text, kind.sentence);
  }
}

TEST(CatalogueOnScreen, StatusExplainsAKindOnce) {
  const catalogue::AlarmKind& kind = catalogue::alarm_kinds().front();
  const std::string text = joined(render_status(status_with(Json::array({told(kind), told(kind)})), false));
  const std::string sentence = joined(std::string(kind.sentence));
  EXPECT_NE(text.find(sentence), std::string::npos);
  EXPECT_EQ(text.find(sentence), text.rfind(sentence)) << text;
}

TEST(CatalogueOnScreen, TopHasALineForEachAlarm) {
  for (const catalogue::AlarmKind& kind : catalogue::alarm_kinds())
    EXPECT_EQ(render_alarm_lines(Json::array({told(kind)}), kCatalogueMoment, false, 1000, false),
              "! " + std::string(kind.id) + ": news: it is so\n");
}

TEST(CatalogueOnScreen, WhySaysWhatTheAlarmItNamesMeans) {
  for (const catalogue::AlarmKind& kind : catalogue::alarm_kinds()) {
    SCOPED_TRACE(kind.id);
    const Json why = {{"channel", "news"},       {"state", "down"},
                      {"culprit", "source"},     {"verdict", "It is so."},
                      {"remedy", "Mend it."},    {"since_unix_ns", kCatalogueMoment},
                      {"stages", Json::array()}, {"alarm", {{"kind", kind.id}, {"subject", "news"}}}};
    const std::string text = render_why(why, kCatalogueMoment, false);
    EXPECT_NE(text.find("It is so."), std::string::npos) << text;
    EXPECT_NE(text.find("alarm    " + std::string(kind.id) + " news\n"), std::string::npos) << text;
    expect_sentence(text, kind.sentence);
  }
}

Json event_of(std::string_view kind, std::string_view severity, std::uint64_t alarm) {
  return {{"id", 1},           {"unix_ns", kCatalogueMoment}, {"severity", severity}, {"kind", kind},
          {"subject", "news"}, {"message", "it is so"},       {"channel", "news"},    {"alarm", alarm}};
}

void expect_told(const Json& event, std::string_view sentence) {
  SCOPED_TRACE(event.dump());
  const std::string on_terminal = render_event(event, false, kColumns, true);
  expect_sentence(on_terminal, sentence);
  EXPECT_NE(joined(on_terminal).find(event["kind"].get<std::string>() + " news: it is so"),
            std::string::npos);
  const std::string in_pipe = render_event(event, false, std::string::npos, true);
  EXPECT_EQ(in_pipe.find('\n'), in_pipe.size() - 1) << "a line an event";
  EXPECT_NE(in_pipe.find("news: it is so (" + std::string(sentence) + ")"), std::string::npos) << in_pipe;
  EXPECT_EQ(render_event(event, false).find(sentence), std::string::npos) << "only where it is asked for";
}

TEST(CatalogueOnScreen, EveryEventSaysWhatItMeansWithItsMessage) {
  for (const catalogue::EventKind& kind : catalogue::event_kinds())
    expect_told(event_of(kind.id, kind.severities.substr(0, kind.severities.find(',')), 0), kind.sentence);
  // An alarm that is raised is an event of its name.
  for (const catalogue::AlarmKind& kind : catalogue::alarm_kinds())
    expect_told(event_of(kind.id, to_string(kind.severity), 17), kind.sentence);
}

}  // namespace
}  // namespace headgate::control
