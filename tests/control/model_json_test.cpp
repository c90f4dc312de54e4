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

TEST(ModelJson, KeepsInputsAndPushesOfAllKindsWithoutTheirSecrets) {
  auto model = sample_model();
  model.node.rtmps = {{"[::]:1936", "/tls/cert", "/tls/key", "secret", "secret"}};
  config::Channel& news = model.channels[0];
  config::Input input;
  input.number = 2;
  input.kind = config::InputKind::srt_caller;
  input.url = "srt://far:9000";
  input.address = "far:9000";
  input.stream_id = "#!::r=x";
  input.latency = std::chrono::milliseconds(300);
  input.passphrase_file = "/keys/srt";
  input.passphrase = "secret passphrase";
  news.inputs.push_back(input);
  config::Input encoder;
  encoder.number = 3;
  encoder.kind = config::InputKind::publish;
  encoder.url = "publish";
  encoder.key_file = "/keys/news";
  encoder.key = "secret";
  encoder.grace = std::chrono::milliseconds(1000);
  news.inputs.push_back(encoder);
  config::Push push;
  push.kind = config::PushKind::rtmp;
  push.url = push.address = "rtmp://far/app";
  push.key_file = "/keys/far";
  push.stream = "secret";
  config::Push open = push;
  open.key_file.clear();
  open.stream = "in the map";
  news.push = {push, open};
  news.failover = {
      std::chrono::milliseconds(100), false, std::chrono::milliseconds(0), {config::Trouble::pid}};
  news.remux = {6'000'000,
                std::chrono::milliseconds(500),
                101,
                "Example",
                config::CaHandling::keep,
                {{"video", 0, std::uint16_t{256}}, {"", 0x1FF0, std::nullopt}}};
  const std::string text = model_to_json(model);
  EXPECT_EQ(text.find("secret"), std::string::npos);
  const auto again = parse_model(text);
  ASSERT_TRUE(again.has_value()) << again.error();
  model.node.admin->tokens.clear();
  model.node.rtmps[0].certificate.clear();
  model.node.rtmps[0].key.clear();
  news.inputs[1].passphrase.clear();
  news.inputs[2].key.clear();
  news.push[0].stream.clear();
  EXPECT_EQ(**again, model);
}

TEST(ModelJson, KeepsSoundWatchingAlarmsAndRenditions) {
  auto model = sample_model();
  config::Channel& news = model.channels[0];
  news.audio.transcode = config::AudioTranscode::always;
  news.watch = {std::chrono::milliseconds(1000), config::Watching::never, config::Watching::always};
  const std::chrono::milliseconds ms{1000};
  news.alarms = {ms, 2 * ms, 3 * ms, 4 * ms, 0 * ms, 6 * ms, std::nullopt, 7 * ms, {}, {}};
  news.alarms.cc_errors = config::ErrorRate{3, std::chrono::hours(1)};
  news.alarms.bitrate = config::RateRange{3'000'000, 7'000'000};
  model.node.webhook =
      config::Webhook{"https://noc.example.net/hook", "/etc/headgate/hook", "secret-of-the-hook"};
  model.channels[1].alarms.loudness = config::LoudnessRange{-310, -155};
  model.renditions = {{"abr", {{"news", false, 0, 0, 0}, {"news", true, 640, 360, 800'000}}}};
  EXPECT_EQ(model_to_json(model).find("secret-of-the-hook"), std::string::npos);
  const auto again = parse_model(model_to_json(model));
  ASSERT_TRUE(again.has_value()) << again.error();
  model.node.admin->tokens.clear();
  model.node.webhook->secret.clear();
  EXPECT_EQ(**again, model);
}

TEST(ModelJson, ReadsAMapKeptBeforeThereWasWatching) {
  auto old = nlohmann::json::parse(model_to_json(sample_model()));
  EXPECT_EQ(old["model"]["node"].erase("webhook"), 1U);
  old["model"].erase("renditions");
  for (auto& channel : old["model"]["channels"]) {
    for (const char* name : {"audio", "watch", "alarms"}) EXPECT_EQ(channel.erase(name), 1U);
  }
  const auto again = parse_model(old.dump());
  ASSERT_TRUE(again.has_value()) << again.error();
  EXPECT_EQ((*again)->channels, sample_model().channels);
}

TEST(ModelJson, ReadsAMapKeptBeforeThereWereOtherOutputsThanHls) {
  auto model = sample_model();
  auto json = nlohmann::json::parse(model_to_json(model));
  for (const char* name : {"rtmp", "rtmps", "srt"}) ASSERT_EQ(json["model"]["node"].erase(name), 1U);
  for (auto& channel : json["model"]["channels"]) {
    for (const char* name : {"http_ts", "rtmp", "srt", "failover", "remux"})
      ASSERT_EQ(channel.erase(name), 1U);
    for (auto& input : channel["inputs"]) ASSERT_EQ(input.erase("kind"), 1U);
    for (auto& push : channel["push"]) ASSERT_EQ(push.erase("kind"), 1U);
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
