#include "control/daemon/watched.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::control {
namespace {

using testing::IsEmpty;

nlohmann::json seen(const char* watch) {
  return {{"channels", {{"tv", {{"watch", nlohmann::json::parse(watch)}}}}}};
}

TEST(Watched, AlarmsNameTheChannelOrItsTrackAndTheBeginning) {
  const auto status = seen(R"({"verdict": true, "findings": [
    {"kind": "black", "track": 0, "since_unix_ns": 17, "text": "mean luma 0 of 255"},
    {"kind": "clipping", "track": 257, "since_unix_ns": 18, "text": "peak 0.0 dBFS"}]})");
  const auto black = watch_alarms(all_findings(status), {"black"});
  ASSERT_EQ(black.size(), 1U);
  EXPECT_EQ(black.at("tv").message, "the picture is black: mean luma 0 of 255");
  EXPECT_EQ(black.at("tv").since_unix_ns, 17);
  EXPECT_EQ(watch_alarms(all_findings(status), {"clipping"}).at("tv pid 0x0101").message,
            "the sound clips: peak 0.0 dBFS");
  EXPECT_THAT(watch_alarms(all_findings(status), {"frozen"}), IsEmpty());
}

TEST(Watched, LevelsAndPicturesAreReadAndWhatIsNotAsItShouldBeIsAbsent) {
  const auto channel = seen(R"({"verdict": true, "picture": {"mean": 40}, "tracks": [
    {"pid": 257, "levels": {"short_term_lufs": -23.5, "peak_dbfs": "x"}}, {"pid": 258, "levels": null}, 7]})");
  const auto about = watched(channel["channels"]["tv"]);
  ASSERT_TRUE(about.has_value());
  EXPECT_TRUE(about->verdict);
  EXPECT_EQ(about->luma_mean, 40U);
  ASSERT_EQ(about->sound.size(), 1U);
  EXPECT_EQ(about->sound[0].short_term_lufs, -23.5);
  EXPECT_EQ(about->sound[0].peak_dbfs, -120);
  for (const char* text : {"null", "[]", "3"})
    EXPECT_FALSE(watched(seen(text)["channels"]["tv"]).has_value()) << text;
  EXPECT_THAT(watch_alarms(all_findings(seen(R"({"findings": [1, {}, {"kind": 3}]})")), {"black"}),
              IsEmpty());
}

}  // namespace
}  // namespace headgate::control
