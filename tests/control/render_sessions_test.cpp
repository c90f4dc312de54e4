#include "control/cli/render_sessions.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "control/cli/columns.h"

namespace headgate::control {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kMomentOfSessions = 1'000'000'600'000'000'000;

Json session(const std::string& id, const std::string& channel, const std::string& protocol,
             const std::string& role) {
  return {{"id", id},
          {"channel", channel},
          {"protocol", protocol},
          {"role", role},
          {"address", "203.0.113.107:40112"},
          {"url", nullptr},
          {"since_unix_ns", kMomentOfSessions - 125'000'000'000},
          {"bytes", 1'000'000},
          {"bitrate_bps", 4'020'000},
          {"skipped", 0},
          {"rtt_ns", nullptr},
          {"user_agent", nullptr},
          {"state", "playing"},
          {"error", nullptr}};
}

Json answer(Json sessions, std::uint64_t left_out = 0) {
  const std::size_t total = sessions.size() + left_out;
  return {{"now_unix_ns", kMomentOfSessions},
          {"total", total},
          {"left_out", left_out},
          {"sessions", std::move(sessions)}};
}

std::size_t widest(const std::string& text) {
  std::istringstream lines(text);
  std::size_t out = 0;
  for (std::string line; std::getline(lines, line);) out = std::max(out, width(line));
  return out;
}

TEST(RenderSessions, ShowsALineEachAndBelowItWhatTheOtherEndCallsItself) {
  Json player = session("rtmp-17", "news", "rtmp", "player");
  player["user_agent"] = "LNX 9,0,124,2";
  player["skipped"] = 120;
  player["rtt_ns"] = 23'400'000;
  Json push = session("push-1", "sport", "rtmps", "push");
  push["address"] = "";
  push["url"] = "rtmps://live.example.com/app";
  push["state"] = "waiting";
  push["error"] = "the server closed the connection soon after it let us publish: is the stream name right?";
  push["bitrate_bps"] = 0;
  EXPECT_EQ(render_sessions(answer({push, player}), false),
            "ID      CHANNEL PROTOCOL, ROLE ADDRESS             SINCE BIT/S LOST RTT\n"
            "push-1  sport   rtmps push     -                   2m05s     -    -   -\n"
            "    rtmps://live.example.com/app, waiting\n"
            "    ! the server closed the connection soon after it let us publish: is the\n"
            "      stream name right?\n"
            "rtmp-17 news    rtmp player    203.0.113.107:40112 2m05s 4.02M  120  23\n"
            "    LNX 9,0,124,2\n");
  EXPECT_EQ(render_sessions(answer(Json::array()), false), "nobody is connected\n");
}

TEST(RenderSessions, KeepsToEightyColumnsAndTellsWhatIsLeftOut) {
  Json wide = session("rtmp-123456", std::string(64, 'c'), "http-ts", "publisher");
  wide["address"] = "[2001:db8:1234:5678:9abc:def0:1234:5678]:40112";
  wide["user_agent"] = std::string(120, 'u');
  wide["skipped"] = 123'456'789;
  wide["bitrate_bps"] = 999'000'000;
  wide["since_unix_ns"] = kMomentOfSessions - std::int64_t{400} * 86'400'000'000'000;
  const std::string text = render_sessions(answer({wide}, 4), false);
  EXPECT_LE(widest(text), kColumns) << text;
  EXPECT_NE(text.find("1 of 5 sessions shown"), std::string::npos) << text;
}

TEST(RenderSessions, SaysWhatBecomesOfWhatWasEnded) {
  const auto told = [](const char* protocol, const char* role) {
    std::string text = render_kicked({{"kicked", session("x-1", "news", protocol, role)}});
    std::replace(text.begin(), text.end(), '\n', ' ');  // wherever it was wrapped
    return text;
  };
  EXPECT_EQ(told("rtmp", "player"), "x-1 ended: player of news by rtmp, 203.0.113.107:40112 ");
  EXPECT_NE(told("srt", "push").find("connects anew at once"), std::string::npos);
  EXPECT_NE(told("hls", "player").find("refused for a minute"), std::string::npos);
  EXPECT_NE(told("rtmp", "publisher").find("as long as its key is in force"), std::string::npos);
}

}  // namespace
}  // namespace headgate::control
