// Every family of metrics is told everywhere and by its rules: the table of docs/operations.md and the page
// itself.
#include "control/catalogue/metric_table.h"

#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>

#include "control/protocol/drop_reason.h"
#include "full_view.h"
#include "metric_lines.h"
#include "operations_page.h"

namespace headgate::catalogue {
namespace {

using control::full_view;
using control::GatewayView;
using control::metrics_text;

std::string family_table() {
  std::string out = "| metric | type | labels | means |\n| --- | --- | --- | --- |\n";
  for (const MetricFamily& family : kMetricTable) {
    out += "| <a id=\"metric-" + text_of(family.name) + "\"></a>`" + text_of(family.name) + "` | " +
           text_of(to_string(family.type)) + " | ";
    for (std::size_t i = 0; i < family.label_count(); ++i)
      out += (i == 0 ? "`" : ", `") + text_of(family.labels[i]) + "`";
    out += " | " + text_of(family.sentence) + " |\n";
  }
  return out;
}

std::string indicator_table() {
  std::string out = "| indicator | TR 101 290 | counts |\n| --- | --- | --- |\n";
  for (const mpegts::IndicatorInfo& indicator : kIndicatorTable)
    out += "| `" + text_of(indicator.label) + "` | " + text_of(indicator.clause) + " | " +
           text_of(indicator.what) + " |\n";
  return out;
}

TEST(MetricTable, OperationsHasEachFamily) {
  expect_on_page("metrics", family_table());
  expect_on_page("indicators", indicator_table());
}

TEST(MetricTable, EveryLineIsWholeAndThereOnce) {
  std::set<std::string_view> names;
  for (const MetricFamily& family : kMetricTable) {
    SCOPED_TRACE(family.name);
    const std::string name(family.name);
    EXPECT_TRUE(names.insert(family.name).second) << "twice";
    EXPECT_TRUE(std::regex_match(name, std::regex("headgate_[a-z0-9_]+")));
    EXPECT_EQ(name.ends_with("_total"), family.type == MetricType::counter);
    const std::string stem = name.substr(0, name.size() - (name.ends_with("_total") ? 6 : 0));
    EXPECT_TRUE(family.unit.empty() || stem.ends_with("_" + text_of(family.unit)));
    for (const char* unit : {"seconds", "bytes", "ratio"})
      EXPECT_EQ(stem.ends_with(std::string("_") + unit), family.unit == unit);
    for (std::size_t i = 0; i < MetricFamily::kMaxLabels; ++i)
      EXPECT_EQ(std::regex_match(text_of(family.labels[i]), std::regex("[a-z][a-z0-9_]*")),
                i < family.label_count());
    EXPECT_TRUE(family.sentence.ends_with('.'));
    EXPECT_EQ(family.sentence.find_first_of("|\\\n"), std::string_view::npos) << "breaks a table or the page";
  }
}

// What dashboards of users are made of: names and labels may be added, not changed.
TEST(MetricTable, HasTheFamiliesThatUsersRelyOn) {
  const std::map<std::string, MetricLabels> wanted{
      {"headgate_build_info", {"version", "node"}},
      {"headgate_channel_state", {"channel", "state"}},
      {"headgate_input_active", kByInput},
      {"headgate_input_datagrams_total", kByInput},
      {"headgate_input_ts_packets_total", kByInput},
      {"headgate_input_bytes_total", kByInput},
      {"headgate_input_cc_errors_total", kByInput},
      {"headgate_input_last_packet_timestamp_seconds", kByInput},
      {"headgate_input_tr101290_errors_total", {"channel", "input", "indicator"}},
      {"headgate_drops_total", {"channel", "input", "output", "interface", "vlan", "where", "reason"}},
      {"headgate_output_bytes_total", kByOutput},
      {"headgate_output_pcr_accuracy_max_seconds", kByOutput},
      {"headgate_sessions", {"channel", "output", "protocol"}},
      {"headgate_failovers_total", kByChannel},
      {"headgate_map_differs", kNone},
      {"headgate_igmp_last_query_timestamp_seconds", kByNetwork},
      {"headgate_fastpath_cycles_per_packet", kByWorker},
      {"headgate_fastpath_busy_ratio", kByWorker},
  };
  std::size_t found = 0;
  for (const MetricFamily& family : kMetricTable) {
    const auto about = wanted.find(text_of(family.name));
    if (about == wanted.end()) continue;
    ++found;
    EXPECT_EQ(family.labels, about->second) << family.name;
  }
  EXPECT_EQ(found, wanted.size());
}

TEST(MetricTable, ThePageHasEveryFamilyInItsOrderWithItsSentence) {
  const std::vector<std::string> lines = lines_of(metrics_text(full_view()));
  std::vector<std::string> heads;
  std::set<std::string> sampled;
  for (const std::string& line : lines) {
    if (line.starts_with('#'))
      heads.push_back(line);
    else
      sampled.insert(line.substr(0, line.find_first_of("{ ")));
  }
  std::vector<std::string> wanted;
  for (const MetricFamily& family : kMetricTable) {
    wanted.push_back("# HELP " + text_of(family.name) + " " + text_of(family.sentence));
    wanted.push_back("# TYPE " + text_of(family.name) + " " + text_of(to_string(family.type)));
    const bool histogram = family.type == MetricType::histogram;
    EXPECT_TRUE(sampled.contains(text_of(family.name) + (histogram ? "_bucket" : ""))) << family.name;
  }
  EXPECT_EQ(heads, wanted);
}

TEST(MetricTable, EverySampleHasTheLabelsOfItsFamily) {
  std::map<std::string, std::set<std::string>> known;
  for (const MetricFamily& family : kMetricTable) {
    for (const auto& label : family.labels) known[text_of(family.name)].insert(text_of(label));
  }
  for (const char* part : {"_bucket", "_sum", "_count"})
    known[std::string("headgate_departure_late_seconds") + part] = {"channel", "le"};
  const std::regex label("([a-z0-9_]+)=\"[^\"]*\"");
  for (const std::string& line : samples_of(metrics_text(full_view()))) {
    const std::string name = line.substr(0, line.find_first_of("{ "));
    ASSERT_TRUE(known.contains(name)) << line;
    for (std::sregex_iterator at(line.begin(), line.end(), label); at != std::sregex_iterator(); ++at)
      EXPECT_TRUE(known[name].contains((*at)[1])) << line;
  }
}

template <typename Reasons>
void expect_drops(const std::string& text, const std::string& of, const Reasons& reasons, const char* value) {
  for (const auto& about : reasons)
    EXPECT_TRUE(has(text, "headgate_drops_total{" + of + "where=\"" + text_of(about.where) + "\",reason=\"" +
                              text_of(about.name) + "\"} " + value))
        << of << about.name;
}

// Those of interfaces stand there before the first drop.
TEST(MetricTable, EveryReasonThatWasCountedIsOnThePage) {
  const std::string text = metrics_text(full_view());
  expect_drops(text, "interface=\"cap0\",", protocol::kDropReasons, "0\n");
  expect_drops(text, "channel=\"news\",input=\"1\",", protocol::kDropReasons, "1\n");
  expect_drops(text, "channel=\"news\",output=\"udp://239.20.1.1:5000\",", protocol::kDropReasons, "1\n");
  expect_drops(text, "channel=\"news\",", protocol::kBridgeDrops, "1\n");
  expect_drops(text, "channel=\"news\",input=\"2\",", protocol::kIngestDrops, "1\n");
  expect_drops(text, "channel=\"news\",output=\"rtmps://far/app\",", protocol::kPushDrops, "8\n");
  const auto refused = [&](const char* server, const auto& reasons) {
    for (const auto& about : reasons)
      EXPECT_TRUE(has(text, std::string("headgate_") + server + "_refused_total{reason=\"" +
                                text_of(about.name) + "\"} 1\n"))
          << server << " " << about.name;
  };
  refused("http", protocol::kHttpRefusals);
  refused("rtmp", protocol::kRtmpRefusals);
  refused("srt", protocol::kSrtRefusals);
  for (const char* reason : {"host_ignored", "host_unsent", "unknown_input", "unknown_channel"})
    EXPECT_TRUE(has(text, std::string("reason=\"") + reason + "\"} ")) << reason;
}

TEST(MetricTable, IndicatorsAreCountedEachByItsName) {
  const std::string text = metrics_text(full_view());
  for (const char* line : {"ts_sync_loss\"} 3\n", "continuity_count_error\"} 2\n",
                           "pcr_repetition_error\"} 4\n", "pcr_discontinuity_indicator_error\"} 5\n"})
    EXPECT_TRUE(has(text, std::string("headgate_input_tr101290_errors_total{channel=\"news\",input=\"1\","
                                      "indicator=\"") +
                              line))
        << line;
}

TEST(MetricTable, WhatIsNotMeasuredIsNotToldAsZero) {
  GatewayView view = full_view();
  EXPECT_TRUE(has(metrics_text(view),
                  "headgate_output_pcr_accuracy_max_seconds{channel=\"news\",output=\"udp://"
                  "239.20.1.1:5000\"} 3.8e-08\n"));
  view.snapshot.channels[0].pcr_accuracy_max_ns.reset();
  EXPECT_FALSE(has(metrics_text(view), "headgate_output_pcr_accuracy_max_seconds{"));
}

}  // namespace
}  // namespace headgate::catalogue
