#include "dataplane/bridge/rtmp/session.h"

#include <gmock/gmock.h>

#include "tests/bridge/rtmp_support.h"

namespace headgate::bridge::rtmp {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;

TEST(RtmpSession, AnswersInTheOrderThatOldPlayersWant) {
  FakeHost host;
  host.stream.on_format(make_format());
  feed(host.stream, 1000, 2);
  TestPlayer player(host);
  player.connect();
  const auto connected = player.take();
  ASSERT_EQ(connected.size(), 4U);
  EXPECT_EQ(connected[0].type, 5);
  EXPECT_EQ(connected[1].type, 6);
  EXPECT_EQ(connected[2].type, 1);
  EXPECT_THAT(commands_of(connected), ElementsAre("_result NetConnection.Connect.Success"));
  player.play();
  const auto played = player.take();
  std::vector<int> types;
  for (const Message& m : played) types.push_back(m.type);
  // createStream's result, StreamBegin, Reset, Start, |RtmpSampleAccess, onMetaData, headers, media.
  EXPECT_THAT(types, ElementsAre(20, 4, 20, 20, 18, 18, 9, 8, 9, 8, 9, 8));
  EXPECT_EQ(played[1].body, (Bytes{0, 0, 0, 0, 0, 1}));
  EXPECT_THAT(commands_of(played),
              ElementsAre("_result", "onStatus NetStream.Play.Reset", "onStatus NetStream.Play.Start"));
  EXPECT_EQ(played[6].body, (Bytes{0x17, 0, 0, 0, 0, 1, 2}));
  EXPECT_EQ(played[7].body, (Bytes{0xAF, 0, 0x11, 0x90}));
  EXPECT_EQ(played[8].timestamp, 0U);
  EXPECT_EQ(played[9].timestamp, 20U);
  EXPECT_EQ(played[10].timestamp, 40U);
  EXPECT_EQ(played[8].stream, 1U);
}

TEST(RtmpSession, RefusesUnknownChannelsInWords) {
  FakeHost host;
  TestPlayer player(host);
  player.connect();
  player.play("nothing?key=1");
  EXPECT_THAT(commands_of(player.take()), ElementsAre("_result NetConnection.Connect.Success", "_result",
                                                      "onStatus NetStream.Play.StreamNotFound"));
  EXPECT_THAT(host.refused, ElementsAre(Refusal::unknown_channel));
  EXPECT_TRUE(player.session.ending());
  player.pass(seconds(3));
  EXPECT_TRUE(player.session.over());
}

TEST(RtmpSession, RefusesOtherApplications) {
  FakeHost host;
  TestPlayer player(host);
  player.connect("vod");
  EXPECT_THAT(commands_of(player.take()), ElementsAre("_error NetConnection.Connect.InvalidApp"));
  EXPECT_THAT(host.refused, ElementsAre(Refusal::unknown_application));
  for (const char* app : {"live", "live/", "/live", "live?token=1"}) {
    TestPlayer good(host);
    good.connect(app);
    EXPECT_FALSE(good.session.ending()) << app;
  }
}

TEST(RtmpSession, ToleratesWhatPlayersSendBesides) {
  FakeHost host;
  host.stream.on_format(make_format());
  TestPlayer player(host);
  player.connect();
  player.say(MessageType::window_acknowledgement_size, 0, {0, 0x26, 0x25, 0xA0});
  player.say(MessageType::set_peer_bandwidth, 0, {0, 0x26, 0x25, 0xA0, 2});
  player.say(MessageType::acknowledgement, 0, {0, 0, 0, 1});
  player.say(MessageType::data_amf0, 0, {2, 0, 1, 'x'});
  player.say(MessageType::user_control, 0, {0, 3, 0, 0, 0, 1, 0, 0, 0, 1});
  player.command(Amf0Writer().string("_checkbw").number(3).null().take());
  player.command(Amf0Writer().string("getStreamLength").number(4).null().string("news").take());
  player.command(Amf0Writer().string("FCSubscribe").number(0).null().string("news").take());
  player.command(Amf0Writer().string("nonsense").number(9).null().take());
  player.command(Amf0Writer().string("nonsense").number(0).null().take());
  Bytes amf3{0};
  const Bytes create = Amf0Writer().string("createStream").number(2).null().take();
  amf3.insert(amf3.end(), create.begin(), create.end());
  player.say(MessageType::command_amf3, 0, amf3);
  EXPECT_THAT(commands_of(player.take()), ElementsAre("_result NetConnection.Connect.Success", "_result",
                                                      "_result", "onFCSubscribe NetStream.Play.Start",
                                                      "_error NetConnection.Call.Failed", "_result"));
  player.command(Amf0Writer().string("play").number(0).null().string("mp4:news?x").number(-2000).take(), 1);
  EXPECT_EQ(host.opened, 1);
  player.say(MessageType::user_control, 0, {0, 6, 1, 2, 3, 4});
  const auto pong = of_type(player.take(), MessageType::user_control);
  ASSERT_EQ(pong.size(), 2U);
  EXPECT_EQ(pong[1].body, (Bytes{0, 7, 1, 2, 3, 4}));
}

TEST(RtmpSession, KeepsItsDeadlines) {
  FakeHost host;
  TestPlayer silent(host);
  silent.pass(std::chrono::milliseconds(9'999));
  EXPECT_FALSE(silent.session.over());
  silent.pass(std::chrono::milliseconds(1));
  EXPECT_TRUE(silent.session.over());
  TestPlayer shaken(host);
  shaken.handshake();
  shaken.pass(seconds(10));
  EXPECT_TRUE(shaken.session.over());
  TestPlayer idle(host);
  idle.connect();
  idle.pass(seconds(30));
  EXPECT_TRUE(idle.session.over());
  EXPECT_THAT(host.refused,
              ElementsAre(Refusal::handshake_timeout, Refusal::connect_timeout, Refusal::play_timeout));
}

TEST(RtmpSession, PingsAPlayerAndStaysOpenWhileNothingComes) {
  FakeHost host;
  TestPlayer player(host);
  player.connect();
  player.play();
  player.take();
  for (int i = 0; i < 100; ++i) {
    player.pass(seconds(30));
    EXPECT_EQ(of_type(player.take(), MessageType::user_control).size(), 1U);
  }
  EXPECT_FALSE(player.session.over());
}

TEST(RtmpSession, CutsOffAPlayerThatTakesNothing) {
  FakeHost host;
  host.stream.on_format(make_format());
  TestPlayer player(host);
  player.connect();
  player.play();
  player.session.on_blocked(player.now);
  player.pass(std::chrono::milliseconds(9'999));
  EXPECT_FALSE(player.session.over());
  player.pass(std::chrono::milliseconds(1));
  EXPECT_TRUE(player.session.over());
  EXPECT_THAT(host.refused, ElementsAre(Refusal::slow_client));
  EXPECT_EQ(host.stream.counters().slow_clients, 1U);
  EXPECT_EQ(host.left, 1);
}

TEST(RtmpSession, AcknowledgesEachWindow) {
  FakeHost host;
  TestPlayer player(host);
  player.connect();
  player.say(MessageType::window_acknowledgement_size, 0, {0, 0, 0, 100});
  player.take();
  player.say(MessageType::data_amf0, 0, Bytes(100, 5));
  const auto messages = player.take();
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_EQ(messages[0].type, 3);
}

TEST(RtmpSession, BoundsWhatAClientMakesItDo) {
  FakeHost host;
  SessionLimits limits;
  limits.commands = 1'000'000;
  TestPlayer greedy(host, limits);
  greedy.connect();
  for (int i = 0; i < 100'000 && !greedy.session.over(); ++i)
    greedy.say(MessageType::user_control, 0, {0, 6, 0, 0, 0, 1});
  EXPECT_TRUE(greedy.session.over());
  TestPlayer busy(host);
  busy.connect();
  for (int i = 0; i < 1'000; ++i) busy.say(MessageType::data_amf0, 0, {5});
  EXPECT_TRUE(busy.session.over());
  EXPECT_THAT(host.refused, ElementsAre(Refusal::slow_client, Refusal::too_many_commands));
}

TEST(RtmpSession, EndsOnMalformedInput) {
  FakeHost host;
  TestPlayer broken(host);
  broken.handshake();
  broken.say(MessageType::command_amf0, 0, {2, 0, 9, 'x'});
  EXPECT_TRUE(broken.session.over());
  TestPlayer early(host);
  early.handshake();
  early.command(Amf0Writer().string("createStream").number(2).null().take());
  EXPECT_TRUE(early.session.over());
  TestPlayer web(host);
  const std::string request = "GET / HTTP/1.1\r\n";
  web.session.on_bytes(web.now, {reinterpret_cast<const std::uint8_t*>(request.data()), request.size()});
  EXPECT_TRUE(web.session.over());
  EXPECT_THAT(host.refused, ElementsAre(Refusal::malformed, Refusal::malformed, Refusal::not_rtmp));
}

// Plays a channel of so many pictures, and has taken what there is.
class PlayedRtmpSession : public testing::Test {
 protected:
  void play(int pictures) {
    host.stream.on_format(make_format());
    feed(host.stream, 0, pictures);
    player.connect();
    player.play();
    player.take();
  }
  FakeHost host;
  TestPlayer player{host};
};

TEST_F(PlayedRtmpSession, HearsThatTheChannelIsGone) {
  play(1);
  player.session.on_channel_gone(player.now);
  const auto messages = player.take();
  ASSERT_EQ(messages.size(), 3U);
  EXPECT_EQ(messages[0].body, (Bytes{0x17, 2, 0, 0, 0}));
  EXPECT_THAT(commands_of(messages), ElementsAre("onStatus NetStream.Play.UnpublishNotify"));
  EXPECT_EQ(messages[2].body, (Bytes{0, 1, 0, 0, 0, 1}));
  EXPECT_TRUE(player.session.ending());
}

TEST_F(PlayedRtmpSession, StopsAndPlaysAgain) {
  play(1);
  player.command(Amf0Writer().string("deleteStream").number(0).null().number(1).take());
  EXPECT_EQ(host.left, 1);
  feed(host.stream, 40, 1);
  EXPECT_TRUE(player.take().empty());
  player.command(Amf0Writer().string("play").number(0).null().string("news").take(), 1);
  EXPECT_EQ(of_type(player.take(), MessageType::video).size(), 2U);  // header and key frame
  EXPECT_EQ(host.opened, 2);
}

TEST_F(PlayedRtmpSession, PauseHoldsTheMediaAndGoesOnLive) {
  play(2);
  player.command(Amf0Writer().string("pause").number(0).null().boolean(true).number(0).take(), 1);
  feed(host.stream, 80, 50);
  EXPECT_TRUE(of_type(player.take(), MessageType::video).empty());
  player.command(Amf0Writer().string("pause").number(0).null().boolean(false).number(0).take(), 1);
  EXPECT_FALSE(of_type(player.take(), MessageType::video).empty());
}

}  // namespace
}  // namespace headgate::bridge::rtmp
