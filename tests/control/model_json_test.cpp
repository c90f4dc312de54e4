#include "control/reconcile/model_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "sample_model.h"

namespace headgate::control {
namespace {

TEST(ModelJson, GivesTheSameModelBackWithoutItsSecrets) {
  auto model = sample_model();
  const std::string text = model_to_json(model);
  EXPECT_EQ(text.find("secret"), std::string::npos);
  const auto again = parse_model(text);
  ASSERT_TRUE(again.has_value()) << again.error();
  model.node.admin->tokens.clear();
  EXPECT_EQ(**again, model);
}

TEST(ModelJson, KeepsOutputsAndServersAndNoPassphrase) {
  auto model = sample_model();
  model.node.rtmp = {{"[::]:1935"}};
  model.node.srt = {{"[::]:9000", std::chrono::milliseconds(200), "/keys/server", "of the server"}};
  model.channels[0].http_ts = true;
  model.channels[0].srt = config::SrtOptions{"/keys/news", "of the channel"};
  model.channels[1].rtmp = true;
  const std::string text = model_to_json(model);
  EXPECT_EQ(text.find("of the"), std::string::npos);
  const auto again = parse_model(text);
  ASSERT_TRUE(again.has_value()) << again.error();
  model.node.admin->tokens.clear();
  model.node.srt[0].passphrase.clear();
  model.channels[0].srt->passphrase.clear();
  EXPECT_EQ(**again, model);
}

TEST(ModelJson, ReadsAMapKeptBeforeThereWereOtherOutputsThanHls) {
  auto model = sample_model();
  auto json = nlohmann::json::parse(model_to_json(model));
  for (const char* name : {"rtmp", "srt"}) ASSERT_EQ(json["model"]["node"].erase(name), 1U);
  for (auto& channel : json["model"]["channels"]) {
    for (const char* name : {"http_ts", "rtmp", "srt"}) ASSERT_EQ(channel.erase(name), 1U);
  }
  const std::string text = json.dump();
  const auto again = parse_model(text);
  ASSERT_TRUE(again.has_value()) << again.error();
  model.node.admin->tokens.clear();
  EXPECT_EQ(**again, model);
}

TEST(ModelJson, NamesAMissingMember) {
  std::string text = model_to_json(sample_model());
  text.replace(text.find("\"run_dir\""), 9, "\"run_dri\"");
  const auto again = parse_model(text);
  ASSERT_FALSE(again.has_value());
  EXPECT_NE(again.error().find("run_dir"), std::string::npos) << again.error();
}

TEST(ModelJson, RefusesAnotherVersionAndRubbish) {
  EXPECT_FALSE(parse_model(R"({"version":2,"model":{}})").has_value());
  EXPECT_FALSE(parse_model("").has_value());
}

}  // namespace
}  // namespace headgate::control
