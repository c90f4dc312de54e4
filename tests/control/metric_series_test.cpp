// What series there are: as many as the map allows, whatever other processes say, with labels that promtool
// and Prometheus take.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <map>
#include <regex>
#include <set>

#include "control/catalogue/catalogue.h"
#include "control/catalogue/metric_table.h"
#include "control/protocol/drop_reason.h"
#include "full_view.h"
#include "metric_lines.h"
#include "operations_page.h"

namespace headgate::catalogue {
namespace {

using control::full_view;
using control::GatewayView;
using control::metrics_text;

// How many series there can be at most, for each thing that a map can have more of.
struct Bound {
  const char* per;
  std::size_t series;
};

std::vector<Bound> bounds() {
  constexpr std::size_t kTracks = 16, kPids = 16, kStates = 6, kKinds = 3, kDeaths = 6;
  const std::size_t drops = protocol::kDropReasonCount;
  const std::size_t refusals =
      protocol::kHttpRefusals.size() + protocol::kRtmpRefusals.size() + protocol::kSrtRefusals.size();
  const std::size_t jobs = kKinds + kKinds * kDeaths;
  return {
      // Single ones, alarms by severity and state and by kind, webhook, four processes, drops of nobody, the
      // server's, jobs by state and of no channel.
      {"gateway", 4 + 8 + alarm_kinds().size() + 4 + 4 * 4 + 2 + 8 + refusals + 3 + jobs},
      {"channel: all that it can have beside what follows", kStates + 4 + 12 + 1 +
                                                                protocol::kBridgeDrops.size() + 1 + 6 + jobs +
                                                                5 + 3 * kTracks + alarm_kinds().size()},
      {"protocol that a channel serves", 2},
      {"input", 1 + 13 + kIndicatorTable.size() + 6 + 2 + kPids + 1 + 3 + 1 + 5 + drops +
                    protocol::kIngestDrops.size()},
      {"push", 5 + kIndicatorTable.size() + 1 + drops + protocol::kPushDrops.size()},
      {"interface", 5 + drops},
      {"interface and VLAN", 3 + 2},
      {"worker", 3},
  };
}

std::string bound_table() {
  std::string out = "| per | series at most |\n| --- | --- |\n";
  for (const Bound& bound : bounds())
    out += std::string("| ") + bound.per + " | " + std::to_string(bound.series) + " |\n";
  return out;
}

TEST(Series, AreAtMostThoseOfThePageOfOperations) { expect_on_page("series", bound_table()); }

std::size_t bound_of(const config::Model& model) {
  std::map<std::string, std::size_t> per;
  for (const Bound& bound : bounds()) per[bound.per] = bound.series;
  std::size_t sum = per["gateway"] + 8 * per["worker"];
  for (const config::Interface& port : model.node.interfaces)
    sum += per["interface"] + (1 + port.vlans.size()) * per["interface and VLAN"];
  for (const config::Channel& channel : model.channels)
    sum += per["channel: all that it can have beside what follows"] +
           config::served(channel).size() * per["protocol that a channel serves"] +
           channel.inputs.size() * per["input"] + channel.push.size() * per["push"];
  return sum;
}

// What other processes might say in the worst case: names that the map has not, and words that we have not.
GatewayView hostile_view() {
  GatewayView view = full_view();
  const std::string odd = "x\"}\nheadgate_ready 7\n#";
  for (std::uint16_t pid = 0; pid < 0x1FFF; ++pid)
    view.snapshot.inputs[0].pids.push_back({pid, false, false, pid, 1, 0, 0});
  for (const std::string& name : {odd, std::string("gone")}) {
    view.snapshot.inputs.push_back(control::sample_input(name, "udp://239.10.1.1:5000"));
    view.snapshot.inputs.push_back(control::sample_input("news", "udp://" + name));
    view.snapshot.outputs.push_back({name, "udp://239.20.1.1:5000", 1, 2, 3, 4, 5, {}, {}});
    view.snapshot.outputs.push_back({"news", "udp://" + name, 1, 2, 3, 4, 5, {}, {}});
    control::ChannelSnapshot air;
    air.channel = name;
    view.snapshot.channels.push_back(air);
    control::InterfaceSnapshot port;
    port.name = name;
    view.snapshot.interfaces.push_back(port);
    control::NetworkSnapshot network;
    network.interface = name;
    view.snapshot.networks.push_back(network);
    network.interface = "cap0";
    network.vlan = 77;
    view.snapshot.networks.push_back(network);
    control::Alarm alarm;
    alarm.kind = name;
    view.alarms.push_back(alarm);
    alarm.kind = "cc_errors";
    alarm.channel = name;
    view.alarms.push_back(alarm);
    view.bridge_status["channels"][name] = control::full_bridge_channel();
    auto& news = view.bridge_status["channels"]["news"];
    news["drops"][name] = 1U;
    news["hls"][name] = 1U;
    news["outputs"].push_back({{"protocol", name}, {"sessions", 1U}, {"bytes", 1U}});
    news["sources"].push_back({{"number", 9U}, {"state", name}});
    news["sources"][0]["drops"][name] = 1U;
    news["pushes"].push_back({{"url", name}, {"bytes", 1U}, {"skipped", 1U}});
    view.bridge_status["http"]["responses"][name] = 1U;
    view.bridge_status["http"]["refused"][name] = 1U;
    view.transcode_status["jobs"].push_back(
        {{"name", name}, {"kind", "sound"}, {"channel", name}, {"state", "running"}, {"cpu_seconds", 1}});
  }
  auto& tracks = view.bridge_status["channels"]["news"]["watch"]["tracks"];
  for (unsigned pid = 0; pid < 20'000; ++pid)
    tracks.push_back({{"pid", pid}, {"levels", {{"short_term_lufs", -23}}}});
  return view;
}

TEST(Series, AreBoundedByTheMapWhateverTheProcessesSay) {
  const GatewayView view = hostile_view();
  const std::vector<std::string> samples = samples_of(metrics_text(view));
  EXPECT_LE(samples.size(), bound_of(*view.model));
  EXPECT_GT(samples.size(), 300U) << "hardly anything is measured";
  std::set<std::string> unique;
  for (const std::string& line : samples) {
    EXPECT_TRUE(unique.insert(line.substr(0, line.rfind(' '))).second) << "twice: " << line;
    EXPECT_TRUE(line.starts_with("headgate_")) << line;
  }
  const std::string text = metrics_text(view);
  for (const char* foreign : {"gone", "x\\\"", "vlan=\"77\"", "input=\"9\"", "headgate_ready 7"})
    EXPECT_FALSE(has(text, foreign)) << foreign;
}

// Each kind of label has its words; names are the map's.
TEST(Series, HaveLabelsOfTheMapAndOfTheTablesOnly) {
  const std::string pid = "0x[01][0-9a-f]{3}";
  const std::map<std::string, std::string> words{
      {"channel", "news|sport|old"},
      {"input", "[12]"},
      {"output", "hls|rtmp|http-ts|publish|udp://239\\.20\\.1\\.1:5000|rtmps://far/app"},
      {"protocol", "hls|rtmp|http-ts|publish"},
      {"interface", "cap0"},
      {"vlan", "0|120"},
      {"pid", pid},
      {"track", pid},
      {"worker", "[0-7]"},
      {"le", "[0-9.e-]+|\\+Inf"},
      {"version", "0\\.1\\.0"},
      {"node", "hg1"},
      {"where", "nic|ring|parser|output|client"},
  };
  const std::regex label("([a-z0-9_]+)=\"((?:[^\"\\\\]|\\\\.)*)\"");
  for (const std::string& line : samples_of(metrics_text(hostile_view()))) {
    for (std::sregex_iterator at(line.begin(), line.end(), label); at != std::sregex_iterator(); ++at) {
      const auto found = words.find((*at)[1]);
      // The others are words of our tables.
      const std::string wanted = found == words.end() ? "[a-z0-9_]+" : found->second;
      EXPECT_TRUE(std::regex_match((*at)[2].str(), std::regex(wanted))) << line;
    }
  }
}

// The page of docs/operations.md names the number.
TEST(Series, OfAQuietChannelAreFew) {
  GatewayView view = control::sample_view();
  auto model = std::make_shared<config::Model>(*view.model);
  model->channels.resize(1);
  model->channels[0].hls.reset();
  view.model = model;
  view.bridge_status = view.transcode_status = nlohmann::json::object();
  const std::vector<std::string> samples = samples_of(metrics_text(view));
  EXPECT_EQ(std::count_if(samples.begin(), samples.end(),
                          [](const std::string& line) { return has(line, "channel=\"news\""); }),
            50);
}

TEST(Series, OfAChannelThatIsRemovedVanishAtOnce) {
  GatewayView view = full_view();
  ASSERT_TRUE(has(metrics_text(view), "channel=\"news\""));
  auto model = std::make_shared<config::Model>(*view.model);
  model->channels.erase(model->channels.begin());
  view.model = model;
  EXPECT_FALSE(has(metrics_text(view), "news")) << "the processes still tell of it";
}

TEST(Series, EscapeWhatTheFormatDemandsAndKeepUtf8) {
  GatewayView view = full_view();
  auto model = std::make_shared<config::Model>(*view.model);
  model->node.node = "Köln \"süd\" \\ 2\nZeile";
  // Longer than the counter page has room for, which would cut the letter.
  const std::string url = "rtp://239.20.1.1:5000/" + std::string(160, 'a') + "ü";
  model->channels[0].push[0].url = url;
  view.model = model;
  view.snapshot.outputs[0].url = url.substr(0, 183);
  const std::string text = metrics_text(view);
  EXPECT_TRUE(has(text, "node=\"Köln \\\"süd\\\" \\\\ 2\\nZeile\"} 1\n")) << text.substr(0, 300);
  EXPECT_TRUE(has(text, "headgate_output_bytes_total{channel=\"news\",output=\"" + url + "\"} 999\n"));
}

// ---- promtool ----

std::string promtool() {
  for (const std::string path : {PROMTOOL, "/usr/bin/promtool"}) {
    if (std::filesystem::exists(path)) return path;
  }
  return "";
}

TEST(Promtool, FindsNothingWrong) {
  const std::string tool = promtool();
  if (tool.empty()) GTEST_SKIP() << "promtool is not there: scripts/setup test fetches it";
  const auto check = [&](const std::string& text, std::string& said) {
    const std::string file = testing::TempDir() + "metrics." + std::to_string(::getpid());
    std::ofstream(file, std::ios::binary) << text;
    std::FILE* pipe = ::popen((tool + " check metrics <" + file + " 2>&1").c_str(), "r");
    std::array<char, 4096> part{};
    while (pipe != nullptr && std::fgets(part.data(), part.size(), pipe) != nullptr) said += part.data();
    std::filesystem::remove(file);
    return pipe == nullptr ? -1 : ::pclose(pipe);
  };
  std::string said;
  for (const GatewayView& view : {full_view(), hostile_view()}) {
    EXPECT_EQ(check(metrics_text(view), said), 0) << said;
    EXPECT_EQ(said, "");
  }
  EXPECT_NE(check("# TYPE headgate_x counter\nheadgate_x{a=\"1\"} 1\n", said), 0) << "it sees what is wrong";
}

}  // namespace
}  // namespace headgate::catalogue
