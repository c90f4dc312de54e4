#include "control/reconcile/build_states.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

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

config::Input bridge_input(std::uint32_t number, config::InputKind kind, const char* url) {
  config::Input input;
  input.number = number;
  input.kind = kind;
  input.url = url;
  input.address = url;
  return input;
}

config::Model way_back() {
  auto model = sample_model();
  config::Channel& sport = model.channels[1];
  sport.inputs.push_back(bridge_input(2, config::InputKind::srt_caller, "srt://far:9000"));
  sport.inputs.push_back(bridge_input(3, config::InputKind::publish, "publish"));
  sport.inputs[2].key_file = "/keys/sport";
  sport.inputs[2].key = "of the encoder";
  sport.inputs[2].grace = std::chrono::milliseconds(7000);
  return model;
}

TEST(BuildStates, SendsInputsOfTheBridgeThroughItsRing) {
  Handles handles;
  const auto states = build_states(way_back(), handles, 7);
  const auto& fast = states.fastpath.channels.at(1);
  EXPECT_TRUE(fast.to_bridge) << "it is watched: an input enters there";
  ASSERT_EQ(fast.inputs.size(), 3U);
  EXPECT_EQ(fast.inputs[0].way, protocol::InputWay::datagrams);
  EXPECT_EQ(fast.inputs[0].buffer_ms, 0U);
  EXPECT_EQ(fast.inputs[2].way, protocol::InputWay::bridge);
  EXPECT_EQ(fast.inputs[2].buffer_ms, 1000U);
  EXPECT_EQ(fast.inputs[2].number, 3U);
  EXPECT_EQ(fast.failover, protocol::FailoverState{});
  const auto& bridge = states.bridge.channels.at(1);
  EXPECT_EQ(bridge.handle, fast.handle);
  ASSERT_EQ(bridge.inputs.size(), 2U);
  EXPECT_EQ(bridge.inputs[0].kind, protocol::SourceKind::srt_caller);
  EXPECT_EQ(bridge.inputs[0].address, "srt://far:9000");
  EXPECT_EQ(bridge.inputs[1].key, "of the encoder");
  EXPECT_EQ(bridge.inputs[1].grace_ms, 7000U);
  EXPECT_EQ(bridge.service_id, 1);
}

TEST(BuildStates, LetsNobodyPublishOrBePushedWhoseSecretIsGone) {
  Handles handles;
  auto model = way_back();
  model.channels[1].inputs[2].key.clear();
  config::Push push;
  push.kind = config::PushKind::rtmp;
  push.key_file = "/keys/far";
  model.channels[1].push = {push};
  model.node.rtmps = {{"[::]:1936", "/tls/cert", "/tls/key", "CERT", ""}};
  const auto states = build_states(model, handles, 7);
  EXPECT_EQ(states.bridge.channels.at(1).inputs.size(), 1U);
  EXPECT_TRUE(states.bridge.channels[1].pushes.empty());
  EXPECT_TRUE(states.bridge.rtmps_servers.empty());
  EXPECT_EQ(states.fastpath.channels[1].inputs.size(), 3U) << "its number stays";
}

TEST(BuildStates, FeedsTheBridgeForAPushByRtmp) {
  Handles handles;
  auto model = sample_model();
  config::Push push;
  push.kind = config::PushKind::rtmp;
  push.url = "rtmp://far/app";
  push.address = "rtmp://far/app";
  push.stream = "key";
  model.channels[1].push = {push};
  const auto states = build_states(model, handles, 7);
  EXPECT_TRUE(states.fastpath.channels[1].to_bridge);
  EXPECT_TRUE(states.fastpath.channels[1].outputs.empty());
  ASSERT_EQ(states.bridge.channels.at(1).pushes.size(), 1U);
  EXPECT_EQ(states.bridge.channels[1].pushes[0].stream, "key");
  model.channels[1].push[0].enabled = false;
  const auto off = build_states(model, handles, 8);
  EXPECT_FALSE(off.fastpath.channels[1].to_bridge);
  EXPECT_EQ(off.bridge.channels.size(), 1U);
}

TEST(BuildStates, PutsFailoverAndRemuxIntoTheStates) {
  Handles handles;
  auto model = way_back();
  model.channels[1].failover = {std::chrono::milliseconds(500),
                                false,
                                std::chrono::milliseconds(3000),
                                {config::Trouble::pid, config::Trouble::scrambled}};
  model.channels[1].remux.bitrate = 6'000'000;
  model.channels[1].remux.service_id = 101;
  model.channels[1].remux.provider = "Example";
  model.channels[0].inputs.resize(1);
  model.channels[0].inputs[0].kind = config::InputKind::rtmp;
  model.channels[0].remux = model.channels[1].remux;
  const auto states = build_states(model, handles, 7);
  const auto& fast = states.fastpath.channels[1];
  EXPECT_EQ(fast.failover, (protocol::FailoverState{
                               500, 3000, false, {protocol::Trouble::pid, protocol::Trouble::scrambled}}));
  EXPECT_EQ(fast.bitrate_bps, 6'000'000U);
  EXPECT_EQ(fast.inputs[0].buffer_ms, 200U);
  EXPECT_EQ(fast.inputs[2].buffer_ms, 1000U);
  EXPECT_EQ(states.bridge.channels[1].service_id, 101);
  EXPECT_EQ(states.bridge.channels[1].provider, "Example");
  ASSERT_TRUE(fast.remux) << "an input of its may have a service of its own";
  EXPECT_EQ(fast.remux->service_id, 101);
  EXPECT_EQ(fast.remux->provider, "Example");
  EXPECT_FALSE(states.fastpath.channels[0].remux) << "what RTMP brings is made so";
}

TEST(BuildStates, PutsTheMapOfPidsIntoTheFastPathsState) {
  Handles handles;
  auto model = way_back();
  config::Channel& channel = model.channels[1];
  EXPECT_FALSE(build_states(model, handles, 7).fastpath.channels[1].remux);
  channel.name = channel.id;
  channel.remux.ca = config::CaHandling::drop;
  channel.remux.pids = {{"video", 0, std::uint16_t{256}}, {"", 0x1FF0, std::nullopt}};
  const auto state = build_states(model, handles, 7).fastpath.channels[1].remux;
  EXPECT_EQ(state, (protocol::RemuxState{
                       0, protocol::CaHandling::drop, {{"video", 0, 256}, {"", 0x1FF0, 0}}, "", ""}));
  channel.name = "Stadium";
  EXPECT_EQ(build_states(model, handles, 7).fastpath.channels[1].remux->name, "Stadium");
}

TEST(BuildStates, PutsSoundAndWatchingIntoTheBridgesState) {
  Handles handles;
  auto model = sample_model();
  config::Channel& news = model.channels[0];
  news.audio.transcode = config::AudioTranscode::never;
  news.watch.every = std::chrono::milliseconds(1000);
  news.watch.sound = config::Watching::never;
  news.alarms.black = std::chrono::milliseconds(0);
  news.alarms.still = std::chrono::milliseconds(7000);
  news.alarms.loudness = config::LoudnessRange{-310, -150};
  auto bridge = build_states(model, handles, 7).bridge.channels.at(0);
  EXPECT_EQ(bridge.transcode, protocol::AudioTranscode::never);
  protocol::WatchState wanted;
  wanted.sound = false;
  wanted.every_ms = 1000;
  wanted.black_ms = 0;
  wanted.still_ms = 7000;
  wanted.loudness_min = -310;
  wanted.loudness_max = -150;
  EXPECT_EQ(bridge.watch, wanted);
  news.alarms.loudness.reset();
  EXPECT_EQ(build_states(model, handles, 7).bridge.channels.at(0).watch.loudness_ms, 0U);
}

TEST(BuildStates, WatchesWithTheDefaultsOfTheState) {
  Handles handles;
  EXPECT_EQ(build_states(sample_model(), handles, 7).bridge.channels.at(0).watch, protocol::WatchState{});
}

TEST(BuildStates, WatchesARelayOnlyWhereTheMapAsksForIt) {
  Handles handles;
  auto model = sample_model();
  config::Channel& sport = model.channels[1];  // neither served nor pushed
  const auto watched = [&] {
    const auto states = build_states(model, handles, 7);
    const bool there = states.bridge.channels.size() == 2;
    EXPECT_EQ(states.fastpath.channels.at(1).to_bridge, there);
    return there;
  };
  EXPECT_FALSE(watched());
  sport.watch.pictures = config::Watching::always;
  EXPECT_TRUE(watched());
  auto state = build_states(model, handles, 7).bridge.channels.at(1).watch;
  EXPECT_TRUE(state.pictures);
  EXPECT_FALSE(state.sound) << "nobody asked for it";
  sport.watch = {};
  sport.failover.when = {config::Trouble::black};
  EXPECT_FALSE(watched()) << "there is nothing to go to";
  EXPECT_FALSE(build_states(model, handles, 7).fastpath.channels[1].watch_standby);
  sport.inputs.push_back(sport.inputs[0]);
  EXPECT_TRUE(watched());
  EXPECT_TRUE(build_states(model, handles, 7).fastpath.channels[1].watch_standby);
  sport.failover.when = {config::Trouble::silence};
  state = build_states(model, handles, 7).bridge.channels.at(1).watch;
  EXPECT_TRUE(state.sound);
  EXPECT_FALSE(state.pictures);
  sport.failover.when = {config::Trouble::no_data};
  EXPECT_FALSE(watched());
}

TEST(BuildStates, LeavesAServedChannelUnwatchedWhereTheMapSaysNever) {
  Handles handles;
  auto model = sample_model();
  model.channels[0].watch.pictures = model.channels[0].watch.sound = config::Watching::never;
  const auto states = build_states(model, handles, 7);
  EXPECT_TRUE(states.fastpath.channels[0].to_bridge) << "it is served";
  EXPECT_FALSE(states.bridge.channels.at(0).watch.pictures);
  EXPECT_FALSE(states.bridge.channels.at(0).watch.sound);
}

config::Rendition ladder() {
  return {"abr",
          {{"news", false, 0, 0, 0}, {"news", true, 0, 360, 800'000}, {"news", true, 0, 240, 300'000}}};
}

TEST(BuildStates, GivesDerivedMembersHandlesThatStayAndAreNeverGivenTwice) {
  Handles handles;
  auto model = sample_model();
  model.renditions = {ladder()};
  const auto first = build_states(model, handles, 1).bridge.renditions;
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].id, "abr");
  const auto& members = first[0].members;
  EXPECT_EQ(members.at(0), (protocol::RenditionMember{"news", false, 0, 0, 0, 0}));
  EXPECT_EQ(members.at(1), (protocol::RenditionMember{"news", true, members[1].handle, 0, 360, 800'000}));
  std::set<std::uint32_t> seen;
  for (const auto& [name, handle] : handles.by_id) EXPECT_TRUE(seen.insert(handle).second) << name;
  EXPECT_TRUE(seen.contains(members[1].handle) && seen.contains(members[2].handle));
  EXPECT_EQ(build_states(model, handles, 2).bridge.renditions, first);
  model.renditions[0].members[1].bitrate = 900'000;
  const auto changed = build_states(model, handles, 3).bridge.renditions[0].members;
  EXPECT_FALSE(seen.contains(changed[1].handle)) << "another stream";
  EXPECT_EQ(changed[2], members[2]);
}

TEST(Handles, AreThoseOfWhatRunsWhereTheirFileIsLost) {
  Handles handles, lost;
  auto model = sample_model();
  model.renditions = {ladder()};
  model.channels.erase(model.channels.begin() + 2);  // one that does not run has no handle to lose
  const auto running = build_states(model, handles, 1);
  recover(running, lost);
  EXPECT_EQ(lost, handles);
}

TEST(KeepForced, FollowsTheInputWhateverItsNumberAndEndsWithIt) {
  Handles handles;
  auto model = way_back();
  auto before = build_states(model, handles, 7).fastpath;
  before.channels[1].forced_input = 2;
  auto now = build_states(model, handles, 8).fastpath;
  EXPECT_TRUE(keep_forced(before, now).empty());
  EXPECT_EQ(now.channels[1].forced_input, 2U);
  std::swap(model.channels[1].inputs[1], model.channels[1].inputs[2]);
  model.channels[1].inputs[1].number = 2;
  model.channels[1].inputs[2].number = 3;
  now = build_states(model, handles, 9).fastpath;
  EXPECT_TRUE(keep_forced(before, now).empty());
  EXPECT_EQ(now.channels[1].forced_input, 3U);
  model.channels[1].inputs.pop_back();
  now = build_states(model, handles, 10).fastpath;
  EXPECT_EQ(keep_forced(before, now), std::vector<std::string>{"sport"});
  EXPECT_EQ(now.channels[1].forced_input, 0U);
  model.channels.erase(model.channels.begin() + 1);
  now = build_states(model, handles, 11).fastpath;
  EXPECT_EQ(keep_forced(before, now), std::vector<std::string>{"sport"});
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

config::Model with_multiplex(const std::vector<std::string>& members) {
  config::Model model = sample_model();
  for (std::size_t i = 0; i < members.size(); ++i) {
    const bool known = std::any_of(model.channels.begin(), model.channels.end(),
                                   [&](const auto& channel) { return channel.id == members[i]; });
    if (known) continue;
    config::Channel channel = model.channels[0];
    channel.id = channel.name = members[i];
    channel.number.reset();
    model.channels.push_back(channel);
  }
  config::Multiplex multiplex;
  multiplex.id = "mux1";
  multiplex.transport_stream_id = 1;
  multiplex.bitrate = 12'000'000;
  multiplex.channels = members;
  model.multiplexes = {multiplex};
  return model;
}

std::map<std::string, Handles::Place> places_of(const protocol::FastpathState& state) {
  std::map<std::string, Handles::Place> places;
  for (const auto& member : state.multiplexes.at(0).members)
    places[member.channel] = {member.service_id, member.pid_block};
  return places;
}

TEST(BuildStates, GivesMembersOfAMultiplexNumbersThatStay) {
  Handles handles;
  auto model = with_multiplex({"a", "b"});
  model.channels.end()[-1].number = 102;
  const auto first = places_of(build_states(model, handles, 1).fastpath);
  EXPECT_EQ(first.at("a"), (Handles::Place{1, 0}));
  EXPECT_EQ(first.at("b"), (Handles::Place{102, 1}));  // its own number
  // One that comes first, and one that goes and comes back.
  const auto more = places_of(build_states(with_multiplex({"c", "b", "a"}), handles, 2).fastpath);
  EXPECT_EQ(more.at("a"), first.at("a"));
  EXPECT_EQ(more.at("b"), first.at("b"));
  EXPECT_EQ(more.at("c"), (Handles::Place{2, 2}));
  build_states(with_multiplex({"c"}), handles, 3);
  const auto back = places_of(build_states(with_multiplex({"d", "c", "b", "a"}), handles, 4).fastpath);
  EXPECT_EQ(back.at("a"), first.at("a"));
  EXPECT_EQ(back.at("c"), more.at("c"));
  EXPECT_EQ(back.at("d").pid_block, 3U);
}

TEST(BuildStates, TakesTheServiceIdOfTheMapAndGivesItToNobodyElse) {
  Handles handles;
  auto model = with_multiplex({"a", "b"});
  build_states(model, handles, 1);  // a has 1
  model.channels.back().remux.service_id = 1;
  const auto places = places_of(build_states(model, handles, 2).fastpath);
  EXPECT_EQ(places.at("b").service_id, 1);
  EXPECT_NE(places.at("a").service_id, 1);
}

TEST(BuildStates, GivesARowOfOneThatIsAwayOnlyWhereNoOtherIsFree) {
  Handles handles;
  std::vector<std::string> many;
  for (int i = 0; i < 61; ++i) many.push_back("m" + std::to_string(i));
  build_states(with_multiplex(many), handles, 1);
  many[7] = "other";
  const auto places = places_of(build_states(with_multiplex(many), handles, 2).fastpath);
  std::set<std::uint32_t> blocks;
  for (const auto& [channel, place] : places) blocks.insert(place.pid_block);
  EXPECT_EQ(blocks.size(), 61U);
  EXPECT_EQ(places.at("other").pid_block, 7U);
  EXPECT_FALSE(handles.places.contains("mux1:m7"));
}

TEST(BuildStates, KeepsPlacesOverAFile) {
  Handles handles;
  build_states(with_multiplex({"a", "b"}), handles, 1);
  Handles read;
  take_places(places_json(handles), read);
  EXPECT_EQ(read.places, handles.places);
  take_places("not json", read);
  take_places(R"({"mux1:a": {"service_id": "x"}, "mux1:c": 4})", read);
  EXPECT_EQ(read.places, handles.places);
}

}  // namespace
}  // namespace headgate::control
