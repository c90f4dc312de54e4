#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "golden.h"
#include "sample_view.h"

namespace headgate::control {
namespace {

TEST(Metrics, AreThoseOfTheGoldenFile) { expect_golden("metrics.txt", metrics_text(sample_view())); }

GatewayView view_of_the_way_back();

TEST(Metrics, HoldTogetherAsTheTextFormatDemands) {
  std::istringstream lines(metrics_text(view_of_the_way_back()));
  std::set<std::string> families, samples;
  std::string family;
  bool histogram = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# HELP ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(families.insert(family).second) << "twice: " << family;
      EXPECT_TRUE(family.starts_with("headgate_"));
    } else if (line.starts_with("# TYPE ")) {
      EXPECT_EQ(line.substr(7, family.size()), family);
      EXPECT_EQ(line.ends_with(" counter"), family.ends_with("_total")) << line;
      histogram = line.ends_with(" histogram");
    } else {
      std::string name = line.substr(0, line.find_first_of("{ "));
      for (const std::string part : {"_bucket", "_sum", "_count"}) {
        if (histogram && name == family + part) name = family;
      }
      EXPECT_EQ(name, family) << line;
      EXPECT_TRUE(samples.insert(line.substr(0, line.rfind(' '))).second) << "twice: " << line;
    }
  }
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
  view.bridge_status["srt"]["refused"]["wrong_key"] = 5U;
  return view;
}

TEST(Metrics, CountSessionsAndBytesByOutput) {
  const std::string text = metrics_text(view_with_outputs());
  for (const char* line : {"headgate_sessions{channel=\"news\",output=\"hls\",protocol=\"hls\"} 3\n",
                           "headgate_sessions{channel=\"news\",output=\"http-ts\",protocol=\"http-ts\"} 4\n",
                           "headgate_sessions{channel=\"news\",output=\"rtmp\",protocol=\"rtmp\"} 2\n",
                           "headgate_srt_refused_total{reason=\"wrong_key\"} 5\n",
                           "headgate_output_bytes_total{channel=\"news\",output=\"rtmp\"} 1000\n",
                           "headgate_output_bytes_total{channel=\"news\",output=\"http-ts\"} 500\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line;
  }
}

GatewayView view_of_the_way_back() {
  GatewayView view = sample_view();
  auto model = std::make_shared<config::Model>(*view.model);
  config::Channel& news = model->channels[0];
  config::Input encoder;
  encoder.number = 2;
  encoder.kind = config::InputKind::publish;
  encoder.url = "publish";
  news.inputs.push_back(encoder);
  config::Push push;
  push.kind = config::PushKind::rtmp;
  push.url = "rtmps://far/app";
  news.push.push_back(push);
  view.model = model;
  InputSnapshot input = sample_input("news", "publish");
  input.number = 2;
  input.buffer_level_ns = 900'000'000;
  input.buffer_packets = 1200;
  input.buffer_underflows = 2;
  input.clock_drift_ppb = -1500;
  input.troubles = 1;
  view.snapshot.inputs.push_back(input);
  ChannelSnapshot air;
  air.channel = "news";
  air.on_air = air.forced = 2;
  air.switches = 3;
  air.departures = {900, 50, 30, 10, 5, 2, 1, 1, 0, 1};
  air.departure_late_ns = 77'500'000;
  view.snapshot.channels = {air};
  view.bridge_status["channels"]["news"]["sources"] = nlohmann::json::parse(R"([
    {"number": 2, "url": "publish", "kind": "publish", "state": "receiving", "peer": "203.0.113.7:5000",
     "connections": 4, "bytes": 900, "drops": {"mux_full": 6, "made_up": 7}, "details": {"encoder": "OBS"}}])");
  view.bridge_status["channels"]["news"]["pushes"] = nlohmann::json::parse(R"([
    {"url": "rtmps://far/app", "state": "waiting", "error": "refused", "failures": 5, "bytes": 70, "skipped": 8}])");
  view.monitor.update(*view.model, view.snapshot, view.now_unix_ns - 59'500'000'000, {}, {},
                      all_sources(view.bridge_status));
  return view;
}

TEST(Metrics, TellOfInputsThroughTheBridgeTheirBuffersAndPushes) {
  const std::string text = metrics_text(view_of_the_way_back());
  for (const char* line :
       {"headgate_channel_state{channel=\"news\",state=\"backup\"} 1\n",
        "headgate_failovers_total{channel=\"news\"} 3\n",
        "headgate_input_active{channel=\"news\",input=\"2\"} 1\n",
        "headgate_input_forced{channel=\"news\"} 2\n",
        "headgate_departure_late_seconds_bucket{channel=\"news\",le=\"1e-05\"} 900\n",
        "headgate_departure_late_seconds_bucket{channel=\"news\",le=\"5e-05\"} 980\n",
        "headgate_departure_late_seconds_bucket{channel=\"news\",le=\"0.05\"} 999\n",
        "headgate_departure_late_seconds_bucket{channel=\"news\",le=\"+Inf\"} 1000\n",
        "headgate_departure_late_seconds_sum{channel=\"news\"} 0.0775\n",
        "headgate_departure_late_seconds_count{channel=\"news\"} 1000\n",
        "headgate_input_up{channel=\"news\",input=\"2\"} 0\n",
        "headgate_input_source_state{channel=\"news\",input=\"2\",state=\"receiving\"} 1\n",
        "headgate_input_source_state{channel=\"news\",input=\"2\",state=\"waiting\"} 0\n",
        "headgate_input_connections_total{channel=\"news\",input=\"2\"} 4\n",
        "headgate_input_buffer_seconds{channel=\"news\",input=\"2\"} 0.9\n",
        "headgate_input_buffer_underflows_total{channel=\"news\",input=\"2\"} 2\n",
        "headgate_input_clock_drift_ppb{channel=\"news\",input=\"2\"} -1500\n",
        "headgate_push_up{channel=\"news\",output=\"rtmps://far/app\"} 0\n",
        "headgate_push_failures_total{channel=\"news\",output=\"rtmps://far/app\"} 5\n",
        "headgate_output_bytes_total{channel=\"news\",output=\"rtmps://far/app\"} 70\n",
        "headgate_drops_total{channel=\"news\",input=\"2\",where=\"parser\",reason=\"mux_full\"} 6\n",
        "headgate_drops_total{channel=\"news\",output=\"rtmps://far/"
        "app\",where=\"output\",reason=\"push_skipped\"} 8\n",
        "headgate_sessions{channel=\"news\",output=\"publish\",protocol=\"publish\"} 1\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line;
  }
  EXPECT_EQ(text.find("made_up"), std::string::npos);
}

TEST(Status, TellsOfInputsThroughTheBridgeAndOfPushes) {
  const auto channel = channel_status(view_of_the_way_back(), "news");
  EXPECT_EQ(channel["state"], "backup");
  EXPECT_EQ(channel["input"], 2);
  EXPECT_EQ(channel["forced"], 2);
  EXPECT_EQ(channel["viewers"], 3) << "who publishes is no viewer";
  EXPECT_EQ(channel["switch"]["switches"], 3);
  ASSERT_EQ(channel["inputs"].size(), 2U);
  EXPECT_EQ(channel["inputs"][0]["kind"], "udp");
  EXPECT_EQ(channel["inputs"][0]["active"], false);
  EXPECT_TRUE(channel["inputs"][0]["source"].is_null());
  EXPECT_TRUE(channel["inputs"][0]["buffer"].is_null());
  const auto& encoder = channel["inputs"][1];
  EXPECT_EQ(encoder["kind"], "publish");
  EXPECT_EQ(encoder["active"], true);
  EXPECT_EQ(encoder["troubles"], (nlohmann::json{"no_data"}));
  EXPECT_EQ(encoder["source"]["state"], "receiving");
  EXPECT_EQ(encoder["source"]["details"]["encoder"], "OBS");
  EXPECT_EQ(encoder["buffer"]["configured_ms"], 1000);
  EXPECT_EQ(encoder["buffer"]["underflows"], 2);
  const auto& push = channel["push"].back();
  EXPECT_EQ(push["url"], "rtmps://far/app");
  EXPECT_EQ(push["state"], "waiting");
  EXPECT_EQ(push["error"], "refused");
}

TEST(Status, NamesAnInputThatIsClosedAndOneThatTheFastPathHasNotYet) {
  GatewayView view = view_of_the_way_back();
  auto model = std::make_shared<config::Model>(*view.model);
  model->channels[0].inputs[1].key_file = "/keys/gone";
  view.model = model;
  view.snapshot.inputs.pop_back();
  const auto channel = channel_status(view, "news");
  ASSERT_EQ(channel["inputs"].size(), 2U);
  EXPECT_EQ(channel["inputs"][1]["source"]["state"], "closed");
  EXPECT_EQ(channel["inputs"][1]["ts_packets"], 0);
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

TEST(Status, PutsABackupAfterWhatIsWorse) {
  const auto status = gateway_status(view_of_the_way_back());
  EXPECT_EQ(status["channels"][0]["state"], "degraded");
  EXPECT_EQ(status["channels"][1]["state"], "backup");
  EXPECT_EQ(status["channels"][2]["state"], "disabled");
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
