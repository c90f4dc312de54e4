#include "control/launcher/log.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <nlohmann/json.hpp>

namespace headgate::control {
namespace {

constexpr long long kAt = 1'000'000'000'007'000'000;

TEST(Log, LineOfJsonIsValidWhateverTheMessage) {
  const std::string message = "a \"quoted\" \\ line\nand \x01 control, \xff no UTF-8";
  const auto line = format_log_line(LogLevel::warning, "control", "headgate-control", true, message, kAt);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto json = nlohmann::json::parse(line, nullptr, false);
  ASSERT_TRUE(json.is_object()) << line;
  EXPECT_EQ(json["level"], "warning");
  EXPECT_EQ(json["process"], "control");
  EXPECT_TRUE(json["message"].get<std::string>().starts_with("a \"quoted\" \\ line\nand "));
}

TEST(Log, TimeOfJsonHasMillisecondsAndAnOffset) {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  const auto line = format_log_line(LogLevel::info, "launcher", "headgate", true, "x", kAt);
  EXPECT_EQ(nlohmann::json::parse(line)["time"], "2001-09-09T01:46:40.007+00:00");
}

TEST(Log, LineOfTextNamesWhatIsNotOrdinary) {
  const auto text = [](LogLevel level) {
    return format_log_line(level, "control", "headgate-control", false, "news: x", kAt);
  };
  EXPECT_EQ(text(LogLevel::info), "headgate-control: news: x");
  EXPECT_EQ(text(LogLevel::warning), "headgate-control: warning: news: x");
  EXPECT_EQ(text(LogLevel::error), "headgate-control: error: news: x");
}

TEST(Log, KeepsBackWhatIsBelowTheLevel) {
  set_up_log("control", "headgate-control", log_settings("warning", "text"));
  ::testing::internal::CaptureStderr();
  log(LogLevel::info, "below");
  log(LogLevel::error, "above");
  const std::string said = ::testing::internal::GetCapturedStderr();
  set_up_log(LogSettings{});
  EXPECT_EQ(said, "headgate-control: error: above\n");
}

TEST(Log, TakesTheDefaultsForWhatItDoesNotKnow) {
  EXPECT_EQ(log_settings("loud", "xml"), LogSettings{});
  EXPECT_EQ(log_settings("trace", "json"), (LogSettings{LogLevel::trace, true}));
}

}  // namespace
}  // namespace headgate::control
