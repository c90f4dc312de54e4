#include "control/cli/render.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "control/cli/render_multiplex.h"
#include "golden.h"

namespace headgate::control {
namespace {

constexpr std::int64_t kNow = 1'000'000'060'000'000'000;

nlohmann::json line(const std::string& id, const std::string& state, const std::string& reason) {
  return {{"id", id},
          {"state", state},
          {"reason", reason},
          {"since_unix_ns", kNow - 754'000'000'000},
          {"input", 1},
          {"viewers", 12},
          {"bitrate_bps", 4'020'000},
          {"cc_errors", 1'234'567},
          {"drops", 99'999},
          {"outputs", 2}};
}

nlohmann::json with_indicators(nlohmann::json line, int first, int second) {
  line["tr101290_minute"] = {{"first", first}, {"second", second}, {"third", 3}};
  return line;
}

nlohmann::json status() {
  nlohmann::json processes = nlohmann::json::array();
  for (const char* name : {"control", "fastpath", "bridge"})
    processes.push_back(
        {{"name", name}, {"state", "running"}, {"pid", 4242}, {"deaths", 0}, {"crash_loop", false}});
  processes[2]["deaths"] = 5;
  processes[2]["crash_loop"] = true;
  return {{"node", "hg1"},
          {"now_unix_ns", kNow},
          {"ready", true},
          {"map",
           {{"number", 5},
            {"applied_unix_ns", 1'000'000'000'000'000'000},
            {"applied_by", "root (0)"},
            {"differs", true},
            {"files_valid", true}}},
          {"alarms",
           {{{"kind", "crash_loop"},
             {"subject", "bridge"},
             {"message", "dies again and again"},
             {"severity", "critical"}}}},
          {"interfaces",
           {{{"name", "cap0"},
             {"link_up", true},
             {"drops",
              {{{"count", 3645}, {"reason", "wrong_source"}},
               {{"count", 1'234'567}, {"reason", "no_flow"}},
               {{"count", 17}, {"reason", "packet_size_204"}},
               {{"count", 2}, {"reason", "malformed_ip"}}}}},
            {{"name", "cap1"}, {"link_up", false}, {"drops", nlohmann::json::array()}}}},
          {"channels",
           {with_indicators(line("sport", "degraded", "3 CC errors in the last 10 s"), 3, 14),
            line("film", "backup", "input 1: no_data"), line("stadium", "waiting", "for a publisher"),
            with_indicators(line("news", "ok", ""), 0, 1), with_indicators(line("docu", "ok", ""), 0, 0)}},
          {"processes", processes}};
}

class Render : public ::testing::Test {
 protected:
  Render() {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
  }
};

TEST_F(Render, StatusIsThatOfTheGoldenFileAndFitsEightyColumns) {
  const std::string text = render_status(status(), false);
  expect_golden("status.txt", text);
  std::istringstream lines(text);
  for (std::string row; std::getline(lines, row);) EXPECT_LE(row.size(), 80U) << row;
}

TEST_F(Render, AMultiplexIsAPageOfItsChannels) {
  const auto member = [](const char* id, const char* state, const char* reason) {
    return nlohmann::json{{"channel", id},
                          {"state", state},
                          {"reason", reason},
                          {"program_number", 101},
                          {"number", nullptr},
                          {"dropped", 17},
                          {"since_unix_ns", kNow - 754'000'000'000}};
  };
  const nlohmann::json page = {
      {"now_unix_ns", kNow},
      {"id", "mux1"},
      {"state", "degraded"},
      {"reason", "1 of 2 channels missing: sport"},
      {"bitrate_bps", 12'000'000},
      {"channels", {"news", "sport"}},
      {"members_bps", 8'000'000},
      {"members_in", 1},
      {"dropped", 17},
      {"transport_stream_id", 5},
      {"network_id", 12289},
      {"original_network_id", 8442},
      {"switch", {{"null_packets", 42}, {"departure_late_max_ns", 250'000}}},
      {"members", {member("news", "ok", ""), member("sport", "down", "no datagram for 12s")}},
      {"push", nlohmann::json::array()}};
  EXPECT_EQ(render_multiplex(page, false),
            "multiplex mux1\n"
            "degraded: 1 of 2 channels missing: sport\n"
            "12.00M, 8.00M used (67 %), 1 of 2 channels in, 17 dropped\n"
            "transport_stream_id 5, network_id 12289, original_network_id 8442\n"
            "42 null packets, leaving at most 0.25 ms late\n"
            "\n"
            "CHANNEL  STATE     SERVICE   LCN  DROPPED  SINCE\n"
            "news     ok            101     -       17  12m34s\n"
            "sport    down          101     -       17  12m34s\n"
            "  no datagram for 12s\n"
            "\n");
  EXPECT_EQ(multiplex_text(page, false),
            "multiplex mux1: 12.00M, 8.00M used (67 %), 1 of 2 channels in, 17 dropped\n"
            "  degraded: 1 of 2 channels missing: sport\n");
}

TEST_F(Render, ColoursOnlyWhereAsked) {
  EXPECT_EQ(render_status(status(), false).find('\033'), std::string::npos);
  EXPECT_NE(render_status(status(), true).find("\033[33mdegraded"), std::string::npos);
}

TEST_F(Render, PlanNamesWhoIsSentAwayByServersAndRemovedChannels) {
  const nlohmann::json none = nlohmann::json::array();
  const nlohmann::json answer = {
      {"plan",
       {{"added", none},
        {"removed", {"news", "sport"}},
        {"untouched", none},
        {"changed", none},
        {"node_keys", {"servers.rtmp", "servers.srt"}},
        {"listeners",
         {{{"key", "servers.rtmp"}, {"address", "[::]:1935"}, {"closes", true}, {"protocols", {"rtmp"}}},
          {{"key", "servers.srt"}, {"address", "[::]:9000"}, {"closes", false}, {"protocols", {"srt"}}}}},
        {"restarts", none},
        {"refused", none}}},
      {"number", 5},
      {"sessions", {{"news", {{"rtmp", 2}, {"srt", 0}}}}}};
  EXPECT_EQ(render_plan(answer, false),
            "- news (2 rtmp players)\n"
            "- sport\n"
            "~ node file: servers.rtmp\n"
            "~ node file: servers.srt\n"
            "! servers.rtmp: [::]:1935 closes: interrupts rtmp players there\n"
            "! servers.srt: [::]:9000 has another passphrase: interrupts srt players there\n"
            "0 added, 0 changed, 2 removed, 0 untouched\n");
}

TEST_F(Render, PlanNamesWhomItInterrupts) {
  const nlohmann::json answer = {
      {"plan",
       {{"added", {"new"}},
        {"removed", nlohmann::json::array()},
        {"untouched", {"a", "b"}},
        {"changed",
         {{{"id", "news"},
           {"keys", {"inputs", "name"}},
           {"interrupts_media", true},
           {"interrupts_hls", true},
           {"interrupts_viewers", {"hls", "rtmp", "srt"}},
           {"values",
            {{{"key", "inputs"}, {"before", "udp://239.1.1.1:5000"}, {"after", "udp://239.1.1.2:5000"}}}}},
          {{"id", "sport"}, {"keys", {"name"}}, {"interrupts_media", false}, {"interrupts_hls", false}},
          {{"id", "film"},
           {"keys", {"push"}},
           {"interrupts_media", false},
           {"interrupts_hls", false},
           {"interrupts_pushes", {"udp://239.20.1.1:5000"}},
           {"values", {{{"key", "push"}, {"before", "udp://239.20.1.1:5000"}, {"after", ""}}}}}}},
        {"node_keys", {"interfaces.cap0.mtu"}},
        {"listeners",
         {{{"key", "servers.http"},
           {"address", "0.0.0.0:8080"},
           {"closes", true},
           {"protocols", {"hls"}},
           {"others", {"0.0.0.0:9090"}}}}},
        {"node_values", {{{"key", "interfaces.cap0.mtu"}, {"before", "1500"}, {"after", "9000"}}}},
        {"restarts", {"fastpath"}},
        {"refused", nlohmann::json::array()}}},
      {"number", 5},
      {"files",
       {{{"path", "/etc/headgate/headgate.yaml"}, {"state", "same"}, {"changed_unix_ns", kNow}},
        {{"path", "/etc/headgate/channels.yaml"}, {"state", "changed"}, {"changed_unix_ns", kNow}}}},
      {"warnings", {"interfaces.cap0.device: gone; apply refuses it"}},
      {"viewers", {{"news", 3}}},
      {"sessions", {{"news", {{"hls", 1}, {"rtmp", 2}}}}}};
  EXPECT_EQ(
      render_plan(answer, false),
      "read /etc/headgate/headgate.yaml: as in map 5\n"
      "read /etc/headgate/channels.yaml: differs from map 5, changed 2001-09-09 01:47:40\n"
      "+ new\n"
      "~ news: inputs, name (interrupts multicast out and 1 HLS viewer and 2 rtmp players and srt players)\n"
      "    inputs: udp://239.1.1.1:5000 -> udp://239.1.1.2:5000\n"
      "~ sport: name (nobody is interrupted)\n"
      "~ film: push (interrupts push udp://239.20.1.1:5000)\n"
      "    push: udp://239.20.1.1:5000 removed\n"
      "~ node file: interfaces.cap0.mtu\n"
      "    interfaces.cap0.mtu: 1500 -> 9000\n"
      "! servers.http: 0.0.0.0:8080 closes: interrupts HLS viewers there, who must come again under "
      "0.0.0.0:9090\n"
      "! restarts the fast path: every channel pauses for about a second\n"
      "! interfaces.cap0.device: gone; apply refuses it\n"
      "1 added, 3 changed, 0 removed, 2 untouched\n");
}

TEST_F(Render, PlanNamesRenditionsAndTheirViewers) {
  const auto none = nlohmann::json::array();
  const nlohmann::json answer = {
      {"plan",
       {{"added", none},
        {"removed", none},
        {"untouched", {"sport"}},
        {"changed", none},
        {"node_keys", none},
        {"restarts", none},
        {"refused", none},
        {"renditions",
         {{{"id", "new"}, {"before", ""}, {"after", "a, b"}, {"interrupts_viewers", false}},
          {{"id", "wider"}, {"before", "a, b"}, {"after", "a, b, c"}, {"interrupts_viewers", false}},
          {{"id", "other"}, {"before", "a, b"}, {"after", "a, c"}, {"interrupts_viewers", true}},
          {{"id", "gone"}, {"before", "a, b"}, {"after", ""}, {"interrupts_viewers", true}}}}}},
      {"number", 5}};
  EXPECT_EQ(render_plan(answer, true),
            "+ rendition new: a, b\n"
            "~ rendition wider: a, b -> a, b, c (nobody is interrupted)\n"
            "~ rendition other: a, b -> a, c (interrupted its HLS viewers)\n"
            "- rendition gone: a, b (interrupted its HLS viewers)\n"
            "0 added, 0 changed, 0 removed, 1 untouched\n");
}

TEST_F(Render, HistoryOfAMapIsWhatItChanged) {
  const auto none = nlohmann::json::array();
  const nlohmann::json values{{{"key", "name"}, {"before", "News"}, {"after", "News HD"}}};
  const nlohmann::json answer = {
      {"number", 7},
      {"before", 6},
      {"who", "anna (1000)"},
      {"unix_ns", 0},
      {"summary", "1 added, 1 changed, 1 removed, 1 node key"},
      {"plan",
       {{"added", {"new"}},
        {"changed", {{{"id", "news"}, {"keys", {"name"}}, {"values", values}}}},
        {"removed", {"old"}},
        {"renditions", none},
        {"node_keys", {"log.level"}},
        {"node_values", {{{"key", "log.level"}, {"before", "info"}, {"after", "debug"}}}}}}};
  const std::string text = render_history_change(answer);
  EXPECT_TRUE(text.starts_with("map 7, applied ")) << text;
  EXPECT_NE(text.find(" by anna (1000), beside map 6\n"
                      "+ new\n"
                      "~ news: name\n"
                      "    name: News -> News HD\n"
                      "- old\n"
                      "~ node file: log.level\n"
                      "    log.level: info -> debug\n"
                      "1 added, 1 changed, 1 removed, 1 node key\n"),
            std::string::npos)
      << text;
}

TEST_F(Render, RollbackSaysThatTheFilesHoldAnotherMap) {
  nlohmann::json answer = {{"number", 7}, {"changed", true}, {"restores", 3}, {"files_differ", true}};
  const std::string text = render_applied(answer);
  EXPECT_TRUE(text.starts_with("rolled back to map 3, applied as map 7\n")) << text;
  EXPECT_NE(text.find("the next apply (or reload) would bring it"), std::string::npos) << text;
  answer["restores"] = nullptr;
  EXPECT_EQ(render_applied(answer), "applied as map 7\n");
  answer["changed"] = false;
  EXPECT_EQ(render_applied(answer), "nothing to change: map 7 stays\n");
}

nlohmann::json silent_channel() {
  const auto none = nlohmann::json::array();
  return {{"id", "news"},
          {"name", "News HD"},
          {"number", 101},
          {"tags", none},
          {"state", "down"},
          {"reason", "nothing came"},
          {"since_unix_ns", kNow - 60'000'000'000},
          {"now_unix_ns", kNow},
          {"inputs",
           {{{"number", 1},
             {"url", "udp://239.10.1.1:5000"},
             {"last_packet_unix_ns", 0},
             {"joined_unix_ns", kNow - 5'000'000'000},
             {"drops", none},
             {"pids", none}}}},
          {"networks",
           {{{"interface", "cap0"},
             {"vlan", 0},
             {"igmp_version", 3},
             {"last_query_unix_ns", 0},
             {"last_report_unix_ns", kNow - 5'000'000'000},
             {"groups", 1}}}},
          {"push", {{{"url", "udp://239.20.1.1:5000"}, {"last_packet_unix_ns", 0}, {"drops", none}}}},
          {"bridge", nullptr},
          {"processes", none}};
}

TEST_F(Render, ChannelWithoutPacketsTellsWhatIsMissing) {
  auto channel = silent_channel();
  std::string text = render_channel(channel, false);
  EXPECT_NE(text.find("! no datagram since the start; membership reported\n"), std::string::npos) << text;
  EXPECT_NE(text.find("! membership on cap0: IGMPv3, no query seen, last report 5s ago, 1 group\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("- ago"), std::string::npos) << text;
  channel["inputs"][0]["last_packet_unix_ns"] = kNow - 60'000'000'000;
  channel["inputs"][0]["joined_unix_ns"] = 0;
  text = render_channel(channel, false);
  EXPECT_NE(text.find("! no datagram since 2001-09-09 01:46:40; no membership reported\n"), std::string::npos)
      << text;
  channel["inputs"][0]["url"] = "udp://:5000";
  EXPECT_NE(render_channel(channel, false).find("! no datagram since 2001-09-09 01:46:40\n"),
            std::string::npos);
  channel["inputs"][0]["last_packet_unix_ns"] = kNow - 500'000'000;
  EXPECT_EQ(render_channel(channel, false).find("no datagram since"), std::string::npos);
}

TEST_F(Render, ChannelFitsEightyColumnsAndHasNoColourUnasked) {
  auto channel = silent_channel();
  const std::string text = render_channel(channel, false);
  EXPECT_EQ(text.find('\033'), std::string::npos);
  std::istringstream lines(text);
  for (std::string row; std::getline(lines, row);) EXPECT_LE(row.size(), 80U) << row;
}

TEST_F(Render, ChannelTellsHowTheAacMadeOfItsSoundIsDoing) {
  auto channel = silent_channel();
  const auto track = [](int pid, const char* kind, const char* language, const nlohmann::json& twin,
                        const char* state) -> nlohmann::json {
    return {{"pid", pid},     {"kind", kind},    {"language", language},
            {"twin", twin},   {"state", state},  {"since_unix", static_cast<double>(kNow) / 1e9 - 130},
            {"lag_ms", 1240}, {"frames", 51234}, {"filled", 188},
            {"gaps", 2},      {"late", 190},     {"trouble", ""}};
  };
  channel["bridge"] = {{"sound", {{"tracks", {track(0x101, "mpeg_audio", "deu", 0x901, "late")}}}}};
  channel["bridge"]["sound"]["tracks"].push_back(track(0x102, "aac_adts", "eng", nullptr, "starting"));
  channel["sound_worker"] = {{"state", "running"}, {"restarts", 3}, {"last_error", "killed by SIGKILL"}};
  std::string text = render_channel(channel, false);
  EXPECT_NE(text.find("aac made of the sound\n"
                      "    0x0101 mpeg_audio deu -> 0x0901 aac  late for 2m10s, 1.2 s behind\n"
                      "           51234 frames, 188 of them silence, 2 gaps, 190 too late\n"
                      "    worker running, 3 restarts\n"
                      "      the last one: killed by SIGKILL\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("0x0102"), std::string::npos) << text;
  channel["bridge"]["sound"]["tracks"][0]["state"] = "idle";
  channel["sound_worker"]["state"] = "quarantined";
  text = render_channel(channel, false);
  EXPECT_NE(text.find("  idle for 2m10s\n"), std::string::npos) << text;
  EXPECT_NE(text.find("  ! worker quarantined, 3 restarts\n"), std::string::npos) << text;
  channel["bridge"]["sound"]["tracks"].erase(0);
  EXPECT_EQ(render_channel(channel, false).find("aac made"), std::string::npos);
}

TEST_F(Render, ChannelListsItsOutputsWithWhatTheyLeaveOut) {
  auto channel = silent_channel();
  channel["serve"] = nlohmann::json::parse(R"([
    {"protocol": "rtmp", "addresses": ["rtmp://HOST:1935/live/news"], "passphrase": null, "closed": null,
     "sessions": 2, "bytes": 1000, "bitrate_bps": 4020000,
     "left_out": [{"pid": 260, "kind": "ac3", "reason": "RTMP has no AC-3"}]},
    {"protocol": "srt", "addresses": ["srt://HOST:9000?streamid=news", "srt://10.0.0.5:9001?streamid=news"],
     "passphrase": "channel", "closed": "its passphrase file can't be read", "sessions": null, "bytes": null,
     "bitrate_bps": null, "left_out": []}])");
  const std::string text = render_channel(channel, false);
  EXPECT_NE(text.find("rtmp    rtmp://HOST:1935/live/news\n"
                      "    2 players, 4.02M bit/s, 1000 bytes\n"
                      "    0x0104  ac3          not carried: RTMP has no AC-3\n"
                      "srt     srt://HOST:9000?streamid=news\n"
                      "        srt://10.0.0.5:9001?streamid=news\n"
                      "    players unknown, asks for the passphrase of the channel\n"
                      "  ! closed: its passphrase file can't be read\n"),
            std::string::npos)
      << text;
}

nlohmann::json way_channel() {
  auto channel = silent_channel();
  channel["state"] = "backup";
  channel["reason"] = "input 1: no_data (connection refused)";
  channel["inputs_count"] = 2;
  channel["networks"] = nlohmann::json::array();
  channel["inputs"] = nlohmann::json::parse(R"([
    {"number": 1, "url": "rtmp://far/app/stream", "kind": "rtmp", "active": false, "troubles": ["no_data", "pcr"],
     "last_packet_unix_ns": 0, "drops": [], "pids": [],
     "buffer": {"configured_ms": 1000, "level_ns": 0, "packets": 0, "underflows": 2, "overflows": 0, "clock_drift_ppb": 0},
     "source": {"state": "connecting", "peer": "203.0.113.7:1935", "error": "connection refused", "connections": 1,
                "bytes": 1000, "drops": {}, "details": {}, "left_out": []}},
    {"number": 2, "url": "srt://:9100", "kind": "srt_listener", "active": true, "troubles": [], "bitrate_bps": 4020000,
     "ts_packets": 7000, "drops": [], "pids": [], "buffer": {"configured_ms": 200, "level_ns": 187000000,
     "packets": 412, "underflows": 0, "overflows": 1, "clock_drift_ppb": -12300},
     "source": {"state": "receiving", "peer": "[2001:db8::7]:40112", "error": "", "connections": 1, "bytes": 123456789,
                "drops": {"out_of_sync": 188, "ring_full": 0}, "details": {"rtt_ms": "12.5"},
                "left_out": [{"pid": 0, "kind": "text", "reason": "no place for it"}]}}])");
  channel["switch"] = nlohmann::json::parse(R"({"on_air": 2, "forced": 0, "switches": 1, "hard_switches": 0,
    "left_out": 3, "null_packets": 5, "rate_dropped": 0, "crowded": 7, "departure_late_max_ns": 40000,
    "departures": [{"late_ns": 20000, "within": 880}, {"late_ns": 50000, "within": 990}, {"late_ns": 100000, "within": 999},
                   {"late_ns": null, "within": 1000}]})");
  channel["switch"]["switched_unix_ns"] = kNow - 5'000'000'000;
  channel["push"] =
      nlohmann::json::parse(R"([{"url": "rtmps://live.example.com/app", "kind": "rtmp", "state": "waiting",
    "error": "the server refused the stream name", "since_unix_ns": 0, "connections": 3, "failures": 4, "bytes": 5000,
    "bitrate_bps": null, "skipped": 2, "left_out": []}])");
  return channel;
}

TEST_F(Render, ChannelTellsOfInputsThatEnterThroughTheBridgeAndOfPushes) {
  const std::string text = render_channel(way_channel(), false);
  EXPECT_NE(text.find("input 1  rtmp://far/app/stream  ! no_data, pcr\n"
                      "    connecting to 203.0.113.7:1935\n"
                      "    1 connection, 1000 bytes\n"
                      "    ! connection refused\n"
                      "    - bit/s, 0 packets\n"
                      "    last packet never\n"
                      "    buffer 0 of 1000 ms, 0 packets,\n"
                      "    underflows 2, overflows 0\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("input 2  srt://:9100  on air\n"
                      "    receiving from [2001:db8::7]:40112\n"
                      "    1 connection, 123456789 bytes\n"
                      "    rtt_ms 12.5\n"
                      "    left out 188 out_of_sync\n"
                      "    0x0000  text         not carried: no place for it\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("underflows 0, overflows 1, clock -12.3 ppm\n"), std::string::npos) << text;
  EXPECT_NE(text.find("switch  input 2 on air\n"
                      "    1 change, 0 of them without random access point, last 5s ago\n"
                      "    left out 3 packets of tracks without a place in the output\n"
                      "rate    5 null packets put in, 0 beyond the rate,\n"
                      "    latest departure 0.040 ms late, 99 % within 0.050 ms\n"
                      "    7 packets left where a decoder's transport buffer may be full\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("output  rtmps://live.example.com/app\n"
                      "    waiting\n"
                      "    5000 bytes, 3 connections, 4 failures, 2 skipped\n"
                      "    ! the server refused the stream name\n"),
            std::string::npos)
      << text;
  std::istringstream lines(text);
  for (std::string row; std::getline(lines, row);) EXPECT_LE(row.size(), 80U) << row;
}

TEST_F(Render, SwitchSaysWhatItDidAndHowItEnds) {
  nlohmann::json answer = {{"channel", "news"}, {"input", 2}, {"changed", true}};
  EXPECT_EQ(render_switch(answer),
            "news: input 2 forced; it goes on air at its next random access point.\n"
            "headgate switch news auto ends that; headgate status news shows it\n");
  answer["changed"] = false;
  EXPECT_EQ(render_switch(answer), "news: input 2 is forced already\n");
  answer["input"] = "auto";
  EXPECT_EQ(render_switch(answer), "news: automatic already\n");
  answer["changed"] = true;
  EXPECT_EQ(render_switch(answer), "news: automatic; failover in the map decides\n");
}

TEST_F(Render, PidsTellWhatTheyCarryWithinEightyColumns) {
  const nlohmann::json input = {{"number", 1},
                                {"url", "udp://239.10.1.1:5000"},
                                {"last_packet_unix_ns", kNow},
                                {"drops", nlohmann::json::array()},
                                {"pids",
                                 {{{"pid", 0}, {"what", "PAT"}, {"bitrate_bps", 15'000}, {"packets", 123}},
                                  {{"pid", 0x100},
                                   {"what", "h264"},
                                   {"bitrate_bps", 3'500'000},
                                   {"packets", 123'456'789},
                                   {"has_pcr", true}},
                                  {{"pid", 0x101},
                                   {"what", "aac eng"},
                                   {"bitrate_bps", 128'000},
                                   {"packets", 9},
                                   {"cc_errors", 999'999'999}},
                                  {{"pid", 0x102},
                                   {"what", "ac-3 deu"},
                                   {"bitrate_bps", 0},
                                   {"packets", 9},
                                   {"gone_since_unix_ns", kNow - 754'000'000'000}}}}};
  auto channel = silent_channel();
  channel["inputs"] = nlohmann::json::array({input});
  const std::string text = render_channel(channel, false);
  EXPECT_NE(text.find("0x0000  PAT "), std::string::npos) << text;
  EXPECT_NE(text.find("0x0100  h264 + PCR "), std::string::npos) << text;
  EXPECT_NE(text.find("0x0101  aac eng "), std::string::npos) << text;
  EXPECT_NE(text.find("0x0102  ac-3 deu         gone 12m34s          9"), std::string::npos) << text;
  std::istringstream lines(text);
  for (std::string row; std::getline(lines, row);) EXPECT_LE(row.size(), 80U) << row;
}

TEST_F(Render, WritesRatesAndAgesForPeople) {
  EXPECT_EQ(human_bitrate(0), "-");
  EXPECT_EQ(human_bitrate(128'000), "128k");
  EXPECT_EQ(human_bitrate(4'020'000), "4.02M");
  EXPECT_EQ(human_bitrate(1.5e9), "1.50G");
  EXPECT_EQ(human_age(0, kNow), "-");
  EXPECT_EQ(human_age(kNow - 59'000'000'000, kNow), "59s");
  EXPECT_EQ(human_age(kNow - 3'660'000'000'000, kNow), "1h01m");
  EXPECT_EQ(human_age(kNow + 5'000'000'000, kNow), "0s");
}

TEST_F(Render, EventIsOneLine) {
  EXPECT_EQ(render_event({{"unix_ns", kNow},
                          {"severity", "warning"},
                          {"kind", "channel_state"},
                          {"subject", "news"},
                          {"message", "ok -> degraded"}},
                         false),
            "2001-09-09 01:47:40  warning   channel_state      news: ok -> degraded\n");
}

TEST_F(Render, EventIsBrokenWhereTheTerminalEnds) {
  const nlohmann::json event = {{"unix_ns", kNow},
                                {"severity", "critical"},
                                {"kind", "channel_down"},
                                {"subject", "news"},
                                {"message", "nothing came for two hours and more, although others do"}};
  EXPECT_EQ(render_event(event, false, 80),
            "2001-09-09 01:47:40  critical  channel_down       news: nothing came for two\n"
            "    hours and more, although others do\n");
  EXPECT_EQ(render_event(event, true, 80),
            "2001-09-09 01:47:40  \033[1;31mcritical\033[0m  channel_down       news: nothing came for two\n"
            "    hours and more, although others do\n");
}

TEST_F(Render, AnIdThatIsLongerThanItsColumnIsShownWhole) {
  auto now = status();
  const std::string id = "a-channel-with-a-name-of-forty-characters";
  now["channels"][0]["id"] = id;
  const std::string text = render_status(now, false);
  EXPECT_NE(text.find("\n" + id + "\n" + std::string(20, ' ') + "  degraded   1    4.02M"), std::string::npos)
      << text;
}

}  // namespace
}  // namespace headgate::control
