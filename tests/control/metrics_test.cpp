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

GatewayView view_with_outputs() {
  GatewayView view = sample_view();
  auto model = std::make_shared<config::Model>(*view.model);
  model->node.rtmp = {{"[::]:1935"}};
  model->channels[0].rtmp = model->channels[0].http_ts = true;
  view.model = model;
  view.bridge_status["channels"]["news"]["outputs"] = nlohmann::json::parse(R"([
    {"protocol": "rtmp", "sessions": 2, "bytes": 1000,
     "left_out": [{"pid": 260, "kind": "ac3", "reason": "RTMP has no AC-3"}]},
    {"protocol": "http-ts", "sessions": 4, "bytes": 500, "left_out": []}])");
  view.output_bitrates[{"news", "rtmp"}] = 4'000'000;
  return view;
}

TEST(Metrics, CountSessionsAndBytesByOutput) {
  const std::string text = metrics_text(view_with_outputs());
  for (const char* line : {"headgate_sessions{channel=\"news\",output=\"hls\",protocol=\"hls\"} 3\n",
                           "headgate_sessions{channel=\"news\",output=\"http-ts\",protocol=\"http-ts\"} 4\n",
                           "headgate_sessions{channel=\"news\",output=\"rtmp\",protocol=\"rtmp\"} 2\n",
                           "headgate_output_bytes_total{channel=\"news\",output=\"rtmp\"} 1000\n",
                           "headgate_output_bytes_total{channel=\"news\",output=\"http-ts\"} 500\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line;
  }
}

TEST(Status, SumsViewersOverTheOutputsAndTellsOfEachOfThem) {
  const GatewayView view = view_with_outputs();
  EXPECT_EQ(sessions_of(view, "news"), 9U);
  const auto channel = channel_status(view, "news");
  EXPECT_EQ(channel["viewers"], 9);
  EXPECT_EQ(channel["serves"], (nlohmann::json{"hls", "http-ts", "rtmp"}));
  ASSERT_EQ(channel["serve"].size(), 3U);
  const auto& rtmp = channel["serve"][2];
  EXPECT_EQ(rtmp["protocol"], "rtmp");
  EXPECT_EQ(rtmp["addresses"], (nlohmann::json{"rtmp://HOST:1935/live/news"}));
  EXPECT_EQ(rtmp["sessions"], 2);
  EXPECT_EQ(rtmp["bytes"], 1000);
  EXPECT_EQ(rtmp["bitrate_bps"], 4'000'000);
  EXPECT_EQ(rtmp["left_out"][0]["reason"], "RTMP has no AC-3");
  EXPECT_TRUE(channel["serve"][1]["bitrate_bps"].is_null());
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
