#include "control/daemon/event_log.h"

#include <gtest/gtest.h>

#include <fstream>

#include "temp_dir.h"

namespace headgate::control {
namespace {

Event event(const std::string& message) { return {0, 5, "info", "apply", "", message}; }

TEST(EventLog, GoesOnCountingAfterARestart) {
  TempDir dir;
  {
    EventLog log(dir.path);
    log.add(event("one"));
    log.add(event("two"));
  }
  EventLog log(dir.path);
  log.add(event("three"));
  ASSERT_EQ(log.recent().size(), 3U);
  EXPECT_EQ(log.recent().back().id, 3U);
  EXPECT_EQ(log.recent().front().message, "one");
}

TEST(EventLog, KeepsAThousandInMemory) {
  EventLog log("");
  for (std::size_t i = 0; i < EventLog::kKeep + 5; ++i) log.add(event("x"));
  EXPECT_EQ(log.recent().size(), EventLog::kKeep);
  EXPECT_EQ(log.recent().front().id, 6U);
}

TEST(EventLog, TurnsItsFileOverAtTheBound) {
  TempDir dir;
  EventLog log(dir.path);
  const std::string long_message(1'000'000, 'x');
  for (int i = 0; i < 20; ++i) log.add(event(long_message));
  EXPECT_LE(std::filesystem::file_size(dir.path + "/events.jsonl"), EventLog::kMaxFile);
  EXPECT_LE(std::filesystem::file_size(dir.path + "/events.jsonl.1"), EventLog::kMaxFile);
}

TEST(EventLog, PassesOverALineCutOffByACrash) {
  TempDir dir;
  std::ofstream(dir.path + "/events.jsonl")
      << event_to_json({9, 5, "info", "apply", "", "whole"}) << "\n{\"id\":10,\"uni\n";
  EventLog log(dir.path);
  ASSERT_EQ(log.recent().size(), 1U);
  log.add(event("next"));
  EXPECT_EQ(log.recent().back().id, 10U);
}

TEST(EventLog, TellsItsListener) {
  EventLog log("");
  std::vector<std::string> heard;
  log.on_event([&](const Event& told) { heard.push_back(told.message); });
  log.add(event("hello"));
  EXPECT_EQ(heard, std::vector<std::string>{"hello"});
}

}  // namespace
}  // namespace headgate::control
