#include "control/log/log.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <functional>
#include <nlohmann/json.hpp>

#include "control/log/limiter.h"

namespace headgate::log {
namespace {

constexpr long long kAt = 1'000'000'000'007'000'000;

class Log : public ::testing::Test {
 protected:
  Log() {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
  }
  ~Log() override { set_up("test", {}); }
};

TEST_F(Log, LineOfJsonIsValidWhateverTheMessage) {
  const std::string message = "a \"quoted\" \\ line\nand \x01 control, \xff no UTF-8";
  const auto line = format_line(Level::warning, "control", {"news", "no_data"}, message, true, false, kAt);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto json = nlohmann::json::parse(line, nullptr, false);
  ASSERT_TRUE(json.is_object()) << line;
  EXPECT_EQ(json["time"], "2001-09-09T01:46:40.007+00:00");
  EXPECT_EQ(json["level"], "warning");
  EXPECT_EQ(json["process"], "control");
  EXPECT_EQ(json["channel"], "news");
  EXPECT_EQ(json["reason"], "no_data");
  EXPECT_TRUE(json["message"].get<std::string>().starts_with("a \"quoted\" \\ line\nand "));
}

TEST_F(Log, WhatIsNotKnownIsNotThere) {
  const auto json = nlohmann::json::parse(format_line(Level::info, "launcher", {}, "x", true, false, kAt));
  EXPECT_FALSE(json.contains("channel"));
  EXPECT_FALSE(json.contains("reason"));
  EXPECT_EQ(format_line(Level::info, "launcher", {}, "x", false, false, kAt),
            "2001-09-09T01:46:40.007+00:00 info launcher: x");
}

TEST_F(Log, LineOfTextNamesChannelAndReasonAndStaysOneLine) {
  const About about{"news", "input_failed"};
  EXPECT_EQ(format_line(Level::warning, "bridge", about, "input 1: a\nb\x1b[2J", false, false, kAt),
            "2001-09-09T01:46:40.007+00:00 warning bridge channel=news reason=input_failed: input 1: "
            "a\\nb\\x1b[2J");
}

TEST_F(Log, TheJournalGetsAPriorityAndKeepsTheTime) {
  EXPECT_EQ(format_line(Level::error, "bridge", {}, "x", false, true, kAt), "<3>error bridge: x");
  EXPECT_EQ(format_line(Level::warning, "bridge", {}, "x", false, true, kAt), "<4>warning bridge: x");
  EXPECT_EQ(format_line(Level::info, "bridge", {}, "x", false, true, kAt), "<6>info bridge: x");
  EXPECT_TRUE(format_line(Level::debug, "bridge", {}, "x", true, true, kAt).starts_with("<7>{\"time\":"));
}

std::string said(const std::function<void()>& what) {
  ::testing::internal::CaptureStderr();
  what();
  return ::testing::internal::GetCapturedStderr();
}

TEST_F(Log, KnowsTheJournalByItsStream) {
  const std::string line = said([] {
    struct stat here {};
    ASSERT_EQ(::fstat(STDERR_FILENO, &here), 0);
    ::setenv("JOURNAL_STREAM", fmt::format("{}:{}", here.st_dev, here.st_ino).c_str(), 1);
    set_up("bridge", {});
    warning({"news", "gone"}, "it is {}", 3);
    ::setenv("JOURNAL_STREAM", fmt::format("{}:{}", here.st_dev, here.st_ino + 1).c_str(), 1);
    set_up("bridge", {});
    ::unsetenv("JOURNAL_STREAM");
    warning("elsewhere");
  });
  EXPECT_TRUE(line.starts_with("<4>warning bridge channel=news reason=gone: it is 3\n2")) << line;
}

TEST_F(Log, KeepsBackWhatIsBelowTheLevel) {
  set_up("control", settings_of("warning", "text"));
  const std::string lines = said([] {
    info("below");
    error("above");
  });
  EXPECT_EQ(lines.find("below"), std::string::npos);
  EXPECT_NE(lines.find(" error control: above\n"), std::string::npos) << lines;
}

TEST_F(Log, TakesTheDefaultsForWhatItDoesNotKnow) {
  EXPECT_EQ(settings_of("loud", "xml"), Settings{});
  EXPECT_EQ(settings_of("trace", "json"), (Settings{Level::trace, true}));
}

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t found = 0;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
  return found;
}

TEST_F(Log, RepeatsALineOfOneChannelAndReasonSoOften) {
  set_up("bridge", {});
  const std::string lines = said([] {
    for (int i = 0; i < 100; ++i) {
      warning({"log-a", "refused"}, "caller {}", i);
      warning({"log-b", "refused"}, "caller {}", i);
      warning({"log-a", "refused"}, "another kind {}", i);
      warning({"log-a", "alarm", false}, "raised {}", i);
    }
  });
  EXPECT_EQ(count(lines, "channel=log-a reason=refused: caller"), Limiter::kLines);
  EXPECT_EQ(count(lines, "channel=log-b reason=refused: caller"), Limiter::kLines);
  EXPECT_EQ(count(lines, "another kind"), Limiter::kLines);
  EXPECT_EQ(count(lines, "raised"), 100U);
}

constexpr std::int64_t kSecond = 1'000'000'000;

unsigned written(Limiter& limiter, int lines, std::int64_t at, const std::string& channel = "news") {
  unsigned may = 0;
  for (int i = 0; i < lines; ++i) may += limiter.may(channel, "refused", "site", at + i) ? 1 : 0;
  return may;
}

TEST(Limiter, TellsOnceHowManyItSuppressedWhenThePeriodIsOver) {
  Limiter limiter;
  EXPECT_EQ(written(limiter, 1'000, kSecond * 100), Limiter::kLines);
  EXPECT_TRUE(limiter.take_suppressed(kSecond * 109).empty());
  const auto told = limiter.take_suppressed(kSecond * 111);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].channel, "news");
  EXPECT_EQ(told[0].reason, "refused");
  EXPECT_EQ(told[0].lines, 1'000U - Limiter::kLines);
  EXPECT_TRUE(limiter.take_suppressed(kSecond * 130).empty());
  EXPECT_EQ(written(limiter, 20, kSecond * 131), Limiter::kLines);
}

TEST(Limiter, TellsAlsoWhereTheNextPeriodBeganAtOnce) {
  Limiter limiter;
  written(limiter, 15, kSecond * 100);
  written(limiter, 1, kSecond * 111);
  const auto told = limiter.take_suppressed(kSecond * 111);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].lines, 5U);
}

TEST(Limiter, GoesOnWhenTheClockIsSetBack) {
  Limiter limiter;
  written(limiter, 20, kSecond * 100);
  EXPECT_TRUE(limiter.may("news", "refused", "site", kSecond * 50));
}

TEST(Limiter, MemoryIsBoundedWhateverComes) {
  Limiter limiter;
  unsigned lines = 0;
  for (int i = 0; i < 100'000; ++i) lines += written(limiter, 1, kSecond * 100 + i, std::to_string(i));
  EXPECT_LE(limiter.kinds(), Limiter::kMostKinds + 1);
  EXPECT_LE(lines, Limiter::kMostKinds + Limiter::kLines);
  std::uint64_t suppressed = 0;
  for (const auto& told : limiter.take_suppressed(kSecond * 120)) suppressed += told.lines;
  EXPECT_EQ(suppressed + lines, 100'000U);
  EXPECT_EQ(limiter.kinds(), 0U);
  EXPECT_TRUE(limiter.may(std::string(10'000, 'x'), "refused", "site", kSecond * 121));
}

}  // namespace
}  // namespace headgate::log
