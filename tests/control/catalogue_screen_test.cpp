// What stands in the catalogue reaches whoever types: every alarm with its sentence and its remedy, every
// event by its name, within 80 columns.
#include <gtest/gtest.h>

#include <sstream>

#include "control/catalogue/catalogue.h"
#include "control/cli/columns.h"
#include "control/cli/render.h"
#include "control/cli/render_alarms.h"

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
          {"acknowledged", nullptr},
          {"maintenance", false},
          {"cause", nullptr},
          {"consequences", 0}};
}

TEST(CatalogueOnScreen, EveryAlarmSaysWhatItMeansAndWhatToDo) {
  for (const catalogue::AlarmKind& kind : catalogue::alarm_kinds()) {
    SCOPED_TRACE(kind.id);
    const Json alarms = Json::array({told(kind)});
    const std::string text = render_alarms({{"now_unix_ns", kCatalogueMoment}, {"alarms", alarms}}, false);
    EXPECT_NE(text.find("3m12s  " + std::string(kind.id) + "\n"), std::string::npos) << text;
    EXPECT_NE(joined(text).find(joined(std::string(kind.sentence))), std::string::npos) << text;
    EXPECT_NE(joined(text).find("-> " + joined(std::string(kind.remedy))), std::string::npos) << text;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(width(line), kColumns) << line;
    const std::string head = render_alarm_lines(alarms, false);
    EXPECT_EQ(head, "! " + std::string(kind.id) + ": news it is so\n") << "the head of status";
  }
}

TEST(CatalogueOnScreen, EveryEventIsNamedWithItsMessage) {
  const auto expect = [](std::string_view kind, const std::string& severity) {
    const std::string text = render_event({{"id", 1},
                                           {"unix_ns", kCatalogueMoment},
                                           {"severity", severity},
                                           {"kind", kind},
                                           {"subject", "news"},
                                           {"message", "it is so"},
                                           {"channel", "news"},
                                           {"alarm", 0}},
                                          false);
    EXPECT_NE(joined(text).find(std::string(kind) + " news"), std::string::npos) << text;
    EXPECT_NE(text.find("it is so"), std::string::npos) << text;
  };
  for (const catalogue::EventKind& kind : catalogue::event_kinds())
    expect(kind.id, std::string(kind.severities.substr(0, kind.severities.find(','))));
  // An alarm that is raised is an event of its name.
  for (const catalogue::AlarmKind& kind : catalogue::alarm_kinds())
    expect(kind.id, std::string(to_string(kind.severity)));
}

}  // namespace
}  // namespace headgate::control
