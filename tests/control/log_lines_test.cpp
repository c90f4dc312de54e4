#include "control/protocol/log_lines.h"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>
#include <sstream>

namespace headgate::protocol {
namespace {

std::string logged(const std::string& format, const std::string& message) {
  std::ostringstream out;
  const auto before = spdlog::default_logger();
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_st>(out)));
  set_up_log("bridge", "info", format);
  spdlog::warn("{}", message);
  spdlog::default_logger()->flush();
  spdlog::set_default_logger(before);
  return out.str();
}

TEST(LogLines, JsonLinesStayJsonWhateverTheMessageHolds) {
  const std::string message = "can't open \"a\\b\"\nnext\x01\tend \xC3\xA9";
  const std::string line = logged("json", message);
  ASSERT_EQ(line.find('\n'), line.size() - 1);
  const auto parsed = nlohmann::json::parse(line);
  EXPECT_EQ(parsed.at("message"), message);
  EXPECT_EQ(parsed.at("level"), "warning");
  EXPECT_EQ(parsed.at("process"), "bridge");
}

TEST(LogLines, BytesThatAreNoUtf8AreReplaced) {
  const auto parsed = nlohmann::json::parse(logged("json", "x\xFF\xFEy"));
  EXPECT_EQ(parsed.at("message"), "x\xEF\xBF\xBD\xEF\xBF\xBDy");
}

TEST(LogLines, TextIsForPeople) {
  const std::string line = logged("text", "a \"quoted\" word");
  EXPECT_NE(line.find(" warning bridge: a \"quoted\" word\n"), std::string::npos) << line;
}

}  // namespace
}  // namespace headgate::protocol
