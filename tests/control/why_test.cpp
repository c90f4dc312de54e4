#include "control/cli/why.h"

#include <gtest/gtest.h>

#include <sstream>

#include "golden.h"

namespace headgate::control {
namespace {

constexpr std::int64_t kWhyNow = 1'000'000'060'000'000'000;

nlohmann::json sample_why() {
  return {
      {"channel", "news"},
      {"state", "down"},
      {"culprit", "source"},
      {"verdict", "The source 10.1.1.7 stopped sending 12 s ago; 4 other inputs on cap0 still come."},
      {"remedy",
       "Ask whoever runs the source of 239.10.1.1. If it sends: headgate probe "
       "udp://10.1.1.7@239.10.1.1:5000 "
       "--time 5s at the last switch before us."},
      {"since_unix_ns", kWhyNow - 12'000'000'000},
      {"alarm", {{"kind", "channel_down"}, {"subject", "news"}}},
      {"stages",
       {{{"name", "map"}, {"verdict", "ok"}, {"evidence", {"map 12, applied 71 min ago by alice (1000)"}}},
        {{"name", "membership"},
         {"verdict", "ok"},
         {"evidence", {"IGMPv3 on cap0 VLAN 120: last query 20 s ago, last report 19 s ago, 5 groups"}}},
        {{"name", "arrival"},
         {"verdict", "bad"},
         {"evidence",
          {"udp://10.1.1.7@239.10.1.1:5000: last packet 12 s ago", "on cap0 4 of 5 inputs come"}}},
        {{"name", "stream"}, {"verdict", "off"}, {"evidence", {"nothing comes that could be looked at"}}},
        {{"name", "players"}, {"verdict", "unknown"}, {"evidence", nlohmann::json::array()}}}}};
}

TEST(RenderWhy, IsOneScreenOf80Columns) {
  const std::string text = render_why(sample_why(), kWhyNow, false);
  expect_golden("why.txt", text);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80U) << line;
}

TEST(RenderWhy, IsColouredWhereAsked) {
  const std::string text = render_why(sample_why(), kWhyNow, true);
  EXPECT_NE(text.find("\033[32mok\033[0m  map"), std::string::npos);
  EXPECT_NE(text.find("\033[1;31m!!\033[0m  arrival"), std::string::npos);
  EXPECT_EQ(render_why(sample_why(), kWhyNow, false).find('\033'), std::string::npos);
}

TEST(RenderWhy, WrapsLongWordsNowhere) {
  auto why = sample_why();
  const std::string address = "udp://" + std::string(120, 'a');
  why["verdict"] = "Nothing of " + address + " has come.";
  EXPECT_NE(render_why(why, kWhyNow, false).find(" " + address + "\n"), std::string::npos);
}

TEST(RenderWhy, NamesNobodyWhereNothingIsWrong) {
  auto why = sample_why();
  why["culprit"] = "none";
  why["verdict"] = "Nothing has been wrong with it for 3 min.";
  why["remedy"] = "";
  const std::string text = render_why(why, kWhyNow, false);
  EXPECT_NE(text.find("culprit  none\n         Nothing has been wrong with it for 3 min.\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("\ndo "), std::string::npos);
  why["culprit"] = "unknown";
  EXPECT_NE(render_why(why, kWhyNow, false).find("culprit  not known\n"), std::string::npos);
}

}  // namespace
}  // namespace headgate::control
