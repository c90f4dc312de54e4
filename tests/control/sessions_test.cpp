// What control makes of the sessions that the bridge tells of.
#include "control/daemon/sessions.h"

#include <gtest/gtest.h>

#include <limits>

namespace headgate::control {
namespace {

using Json = nlohmann::json;

TEST(Sessions, PassOnTheMembersOfTheContractAndNoOthers) {
  const Json made = {{"now_unix_ns", 5},
                     {"total", 7},
                     {"left_out", 6},
                     {"sessions",
                      {{{"id", "rtmp-17"},
                        {"channel", "news"},
                        {"protocol", "rtmp"},
                        {"role", "player"},
                        {"address", "10.0.0.5:5321"},
                        {"url", nullptr},
                        {"since_unix_ns", 3},
                        {"bytes", 1000},
                        {"bitrate_bps", 4'000'000},
                        {"skipped", 2},
                        {"rtt_ns", 1'500'000},
                        {"user_agent", "LNX 9,0,124,2"},
                        {"state", "playing"},
                        {"error", nullptr},
                        {"secret", "s3cret"}}}}};
  const Json told = Json::parse(made.dump());  // as it comes over a socket
  const Json answer = sessions_answer(told);
  Json wanted = told;
  wanted["sessions"][0].erase("secret");
  EXPECT_EQ(answer, wanted);
  EXPECT_EQ(in_words(answer["sessions"][0]), "rtmp-17 (player of news by rtmp, 10.0.0.5:5321)");
}

TEST(Sessions, SurviveWhatIsNoSession) {
  for (const char* text :
       {"null", "[]", "{}", R"({"sessions": 3, "total": -1})", R"({"sessions": [null, 1, "x", [], {}]})"}) {
    const Json answer = sessions_answer(Json::parse(text));
    EXPECT_TRUE(answer.at("sessions").is_array()) << text;
    EXPECT_EQ(answer.at("total"), answer.at("sessions").size()) << text;
  }
  const Json odd = session_of({{"id", 3},
                               {"user_agent", std::string("a\x1b[31m\nb") + std::string(5000, 'x')},
                               {"bytes", -1},
                               {"rtt_ns", "fast"}});
  EXPECT_EQ(odd["id"], "");
  EXPECT_EQ(odd["bytes"], 0);
  EXPECT_TRUE(odd["rtt_ns"].is_null());
  EXPECT_LE(odd["user_agent"].get<std::string>().size(), 400U);
  EXPECT_EQ(odd["user_agent"].get<std::string>().find_first_of("\x1b\n"), std::string::npos);
}

TEST(Sessions, AFailureNamesTheRemedy) {
  EXPECT_EQ(sessions_failure("no session has this id now", "rtmp-17"),
            "no session rtmp-17 now; headgate sessions lists those that are");
  const std::string down = sessions_failure("can't connect to /run/x: No such file or directory", "rtmp-17");
  EXPECT_NE(down.find("the bridge, which serves players and publishers, does not answer (can't connect"),
            std::string::npos);
  EXPECT_NE(down.find("try again; headgate status"), std::string::npos);
}

}  // namespace
}  // namespace headgate::control
