#include "control/reconcile/build_states.h"

#include <gtest/gtest.h>

#include "sample_model.h"

namespace headgate::control {
namespace {

TEST(BuildStates, GivesTheFastPathEnabledChannelsAndPushesOnly) {
  Handles handles;
  const auto states = build_states(sample_model(), handles, 7);
  ASSERT_EQ(states.fastpath.channels.size(), 2U);
  EXPECT_EQ(states.fastpath.generation, 7U);
  EXPECT_EQ(states.fastpath.channels[0].id, "news");
  EXPECT_TRUE(states.fastpath.channels[0].to_bridge);
  EXPECT_EQ(states.fastpath.channels[0].outputs.size(), 1U);
  EXPECT_EQ(states.fastpath.channels[0].inputs[0].program, protocol::Program(std::string("News HD")));
  EXPECT_FALSE(states.fastpath.channels[1].to_bridge);
  EXPECT_EQ(states.fastpath.channels[1].inputs[0].program, protocol::Program(std::uint16_t{1201}));
  ASSERT_EQ(states.fastpath.interfaces.size(), 1U);
  EXPECT_EQ(states.fastpath.interfaces[0].vlans[0].id, 120);
}

TEST(BuildStates, GivesTheBridgeWhatItServes) {
  Handles handles;
  const auto states = build_states(sample_model(), handles, 7);
  ASSERT_EQ(states.bridge.channels.size(), 1U);
  EXPECT_EQ(states.bridge.channels[0].id, "news");
  EXPECT_EQ(states.bridge.channels[0].handle, states.fastpath.channels[0].handle);
  EXPECT_EQ(states.bridge.channels[0].hls->segment_ms, 4000U);
  EXPECT_EQ(states.bridge.http_listen, std::vector<std::string>{"[::]:8080"});
}

TEST(BuildStates, GivesTheBridgeAChannelThatAnyProtocolServes) {
  const auto serve = [](void (*how)(config::Channel&)) {
    Handles handles;
    auto model = sample_model();
    how(model.channels[1]);
    return build_states(model, handles, 7);
  };
  const auto http_ts = serve([](config::Channel& channel) { channel.http_ts = true; });
  ASSERT_EQ(http_ts.bridge.channels.size(), 2U);
  EXPECT_TRUE(http_ts.fastpath.channels[1].to_bridge);
  EXPECT_TRUE(http_ts.bridge.channels[1].http_ts);
  EXPECT_FALSE(http_ts.bridge.channels[1].hls || http_ts.bridge.channels[1].rtmp ||
               http_ts.bridge.channels[1].srt);
  const auto rtmp = serve([](config::Channel& channel) { channel.rtmp = true; });
  EXPECT_TRUE(rtmp.fastpath.channels[1].to_bridge);
  EXPECT_TRUE(rtmp.bridge.channels.at(1).rtmp);
  const auto srt = serve([](config::Channel& channel) { channel.srt = {"/keys/srt", "0123456789"}; });
  EXPECT_TRUE(srt.fastpath.channels[1].to_bridge);
  EXPECT_EQ(srt.bridge.channels.at(1).srt, protocol::SrtServeState{"0123456789"});
}

TEST(BuildStates, GivesTheBridgeItsServers) {
  Handles handles;
  auto model = sample_model();
  model.node.rtmp = {{"[::]:1935"}};
  model.node.srt = {{"[::]:9000", std::chrono::milliseconds(200), "/keys/srt", "0123456789"}};
  const auto bridge = build_states(model, handles, 7).bridge;
  EXPECT_EQ(bridge.rtmp_listen, std::vector<std::string>{"[::]:1935"});
  ASSERT_EQ(bridge.srt_servers.size(), 1U);
  EXPECT_EQ(bridge.srt_servers[0], (protocol::SrtServerState{"[::]:9000", 200, "0123456789"}));
}

TEST(BuildStates, ServesNothingInClearThatHasAPassphraseFile) {
  Handles handles;
  auto model = sample_model();
  model.node.srt = {{"[::]:9000", std::chrono::milliseconds(120), "/keys/gone", ""},
                    {"[::]:9001", std::chrono::milliseconds(120), "", ""}};
  model.channels[0].srt = config::SrtOptions{"/keys/gone", ""};
  model.channels[1].srt = config::SrtOptions{};
  const auto bridge = build_states(model, handles, 7).bridge;
  ASSERT_EQ(bridge.srt_servers.size(), 1U);
  EXPECT_EQ(bridge.srt_servers[0].listen, "[::]:9001");
  EXPECT_FALSE(bridge.channels.at(0).srt);
  EXPECT_TRUE(bridge.channels.at(1).srt);
}

TEST(BuildStates, KeepsHandlesOverAppliesAndNeverGivesOneTwice) {
  Handles handles;
  auto model = sample_model();
  build_states(model, handles, 1);
  const Handles first = handles;
  model.channels.erase(model.channels.begin());  // news goes
  build_states(model, handles, 2);
  EXPECT_EQ(handles.by_id.at("sport"), first.by_id.at("sport"));
  EXPECT_FALSE(handles.by_id.contains("news"));
  build_states(sample_model(), handles, 3);  // and comes back
  EXPECT_EQ(handles.by_id.at("sport"), first.by_id.at("sport"));
  EXPECT_GE(handles.by_id.at("news"), first.next);
}

TEST(BuildStates, KeepsTheHandleOfADisabledChannel) {
  Handles handles;
  auto model = sample_model();
  build_states(model, handles, 1);
  const auto handle = handles.by_id.at("old");
  model.channels[2].enabled = true;
  EXPECT_EQ(build_states(model, handles, 2).fastpath.channels[2].handle, handle);
}

TEST(BuildStates, ComparesContentWithoutTheGeneration) {
  Handles handles;
  const auto a = build_states(sample_model(), handles, 1);
  auto b = build_states(sample_model(), handles, 2);
  EXPECT_TRUE(same_content(a, b));
  b.bridge.channels[0].hls->window = 9;
  EXPECT_FALSE(same_content(a, b));
}

TEST(Handles, SurviveTheirFile) {
  Handles handles{12, {{"news", 3}, {"sport", 11}}};
  EXPECT_EQ(parse_handles(to_json(handles)), handles);
  EXPECT_FALSE(parse_handles("{}").has_value());
  EXPECT_FALSE(parse_handles("not json").has_value());
}

}  // namespace
}  // namespace headgate::control
