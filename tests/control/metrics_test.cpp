#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "golden.h"
#include "sample_view.h"

namespace headgate::control {
namespace {

TEST(Metrics, AreThoseOfTheGoldenFile) { expect_golden("metrics.txt", metrics_text(sample_view())); }

TEST(Metrics, HoldTogetherAsTheTextFormatDemands) {
  std::istringstream lines(metrics_text(sample_view()));
  std::set<std::string> families, samples;
  std::string family;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# HELP ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(families.insert(family).second) << "twice: " << family;
      EXPECT_TRUE(family.starts_with("headgate_"));
    } else if (line.starts_with("# TYPE ")) {
      EXPECT_EQ(line.substr(7, family.size()), family);
      EXPECT_EQ(line.ends_with(" counter"), family.ends_with("_total")) << line;
    } else {
      EXPECT_EQ(line.substr(0, line.find_first_of("{ ")), family) << line;
      EXPECT_TRUE(samples.insert(line.substr(0, line.rfind(' '))).second) << "twice: " << line;
    }
  }
}

TEST(Metrics, EscapeLabels) {
  GatewayView view = sample_view();
  view.snapshot.outputs[0].url = "a\"b\\c\nd";
  EXPECT_NE(metrics_text(view).find("output=\"a\\\"b\\\\c\\nd\""), std::string::npos);
}

TEST(Status, PutsTheWorstFirst) {
  const auto status = gateway_status(sample_view());
  ASSERT_EQ(status["channels"].size(), 3U);
  EXPECT_EQ(status["channels"][0]["id"], "sport");
  EXPECT_EQ(status["channels"][0]["state"], "degraded");
  EXPECT_EQ(status["channels"][1]["id"], "news");
  EXPECT_EQ(status["channels"][1]["viewers"], 3);
  EXPECT_EQ(status["channels"][2]["state"], "disabled");
}

TEST(Status, TellsDropsWithTheirReason) {
  const auto channel = channel_status(sample_view(), "sport");
  ASSERT_EQ(channel["inputs"].size(), 1U);
  EXPECT_EQ(channel["inputs"][0]["drops"][0]["reason"], "wrong_source");
  EXPECT_EQ(channel["inputs"][0]["drops"][0]["count"], 5);
  EXPECT_TRUE(channel_status(sample_view(), "none").is_null());
}

}  // namespace
}  // namespace headgate::control
