#include "dataplane/bridge/rtmp/server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>

#include "control/protocol/bridge_drops.h"
#include "tests/bridge/loopback.h"
#include "tests/bridge/rtmp_support.h"

namespace headgate::bridge::rtmp {
namespace {

using std::chrono::milliseconds;

class RtmpServer : public testing::Test {
 protected:
  void begin(const ServerLimits& limits = {}) {
    server = std::make_unique<Server>(context, limits);
    const auto listening = server->listen({"127.0.0.1:0"});
    ASSERT_TRUE(listening) << listening.error();
    sink = &server->open("news");
    sink->on_format(make_format());
  }
  ~RtmpServer() override {
    for (const int fd : clients) ::close(fd);
    server.reset();
    context.run_for(milliseconds(1));
  }
  int dial(int receive_buffer = 0) {
    return clients.emplace_back(test::dial(server->ports().at(0), receive_buffer));
  }
  static void say(int fd, const std::string& text) {
    EXPECT_EQ(::send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  static std::string command(const Bytes& body, std::uint32_t stream = 0) {
    std::string out;
    append_message(out, {3, MessageType::command_amf0, stream, 0, 0}, body, kDefaultChunkSize);
    return out;
  }
  static std::string to_play(const std::string& channel) {
    std::string out(1 + 2 * kHandshakeSize, '\0');
    out[0] = 3;
    out += command(Amf0Writer().string("connect").number(1).object().key("app").string("live").end().take());
    out += command(Amf0Writer().string("createStream").number(2).null().take());
    return out + command(Amf0Writer().string("play").number(0).null().string(channel).take(), 1);
  }
  template <typename Done>
  bool run_until(Done done) {
    return test::run_until(context, done);
  }
  static bool ended(int fd) {
    char byte[65536];
    ssize_t n = 0;
    while ((n = ::recv(fd, byte, sizeof(byte), MSG_DONTWAIT)) > 0) {
    }
    return n == 0 || errno != EAGAIN;
  }
  static std::size_t hear(int fd, std::string& heard) {
    char bytes[65536];
    ssize_t n = 0;
    while ((n = ::recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
      heard.append(bytes, static_cast<std::size_t>(n));
    return heard.size();
  }
  std::uint64_t refused(Refusal reason) const {
    return server->counters().refused[static_cast<std::size_t>(reason)];
  }

  boost::asio::io_context context{1};
  std::unique_ptr<Server> server;
  hub::FrameSink* sink = nullptr;
  std::vector<int> clients;
};

TEST_F(RtmpServer, PlaysOverASocket) {
  begin();
  sink->on_frame(make_frame(0, 0, true, 300'000, 0x5A));
  const int fd = dial();
  say(fd, to_play("news"));
  std::string heard;
  EXPECT_TRUE(run_until([&] { return hear(fd, heard) > 300'000; }));
  EXPECT_EQ(server->players("news"), 1U);
  sink->on_frame(make_frame(0, 40, false, 1000, 0x5B));
  EXPECT_TRUE(run_until([&] {
    hear(fd, heard);
    return heard.ends_with(std::string(1000, 0x5B));
  }));
  EXPECT_EQ(server->counters().bytes, heard.size());
  ::shutdown(fd, SHUT_RDWR);
  EXPECT_TRUE(run_until([&] { return server->connections() == 0; }));
  EXPECT_EQ(server->players("news"), 0U);
}

TEST_F(RtmpServer, ASlowPlayerLeavesTheOthersUnharmedAndGoes) {
  ServerLimits limits;
  limits.session.progress_time = milliseconds(2'000);
  begin(limits);
  const int slow = dial(4096);
  const int good = dial();
  say(slow, to_play("news"));
  say(good, to_play("news"));
  EXPECT_TRUE(run_until([&] { return server->players("news") == 2; }));
  std::string heard;
  std::size_t fed = 0;
  for (int i = 0; i < 100; ++i) {
    sink->on_frame(make_frame(0, 40 * i, i % 10 == 0, 100'000));
    fed += 100'000;
    EXPECT_TRUE(run_until([&] { return hear(good, heard) >= fed; }));
    EXPECT_LT(server->channel("news")->bytes(), 16U * 1024 * 1024);
  }
  EXPECT_TRUE(run_until([&] { return server->players("news") == 1; }));
  EXPECT_EQ(refused(Refusal::slow_client), 1U);
  EXPECT_EQ(server->channel("news")->counters().slow_clients, 1U);
  EXPECT_TRUE(ended(slow));
}

TEST_F(RtmpServer, LimitsConnections) {
  ServerLimits limits;
  limits.connections = 3;
  limits.connections_per_address = 2;
  begin(limits);
  dial();
  dial();
  const int third = dial();
  EXPECT_TRUE(run_until([&] { return refused(Refusal::per_address) == 1 && ended(third); }));
  EXPECT_EQ(server->connections(), 2U);
  ::shutdown(clients[0], SHUT_RDWR);
  EXPECT_TRUE(run_until([&] { return server->connections() == 1; }));
  dial();
  EXPECT_TRUE(run_until([&] { return server->connections() == 2; }));
}

TEST_F(RtmpServer, ASlowLorisIsCutOff) {
  ServerLimits limits;
  limits.session.handshake_time = milliseconds(200);
  begin(limits);
  const int fd = dial();
  say(fd, "\3abc");
  EXPECT_TRUE(run_until([&] { return ended(fd); }));
  EXPECT_EQ(refused(Refusal::handshake_timeout), 1U);
}

TEST_F(RtmpServer, GuessesAreLimited) {
  ServerLimits limits;
  limits.guesses_per_minute = 3;
  limits.session.goodbye_time = milliseconds(100);
  begin(limits);
  for (int i = 0; i < 5; ++i) say(dial(), to_play("nothing" + std::to_string(i)));
  EXPECT_TRUE(run_until([&] {
    return refused(Refusal::unknown_channel) == 3 && refused(Refusal::too_many_guesses) == 2 &&
           server->connections() == 0;
  }));
  say(dial(), to_play("news"));
  EXPECT_TRUE(run_until([&] { return server->players("news") == 1; }));
}

TEST_F(RtmpServer, AChannelThatGoesEndsItsPlayers) {
  ServerLimits limits;
  limits.session.goodbye_time = milliseconds(100);
  begin(limits);
  sink->on_frame(make_frame(0, 0, true));
  const int fd = dial();
  say(fd, to_play("news"));
  EXPECT_TRUE(run_until([&] { return server->players("news") == 1; }));
  server->close("news");
  EXPECT_EQ(server->channel("news"), nullptr);
  std::string heard;
  EXPECT_TRUE(run_until([&] {
    hear(fd, heard);
    return heard.find("UnpublishNotify") != std::string::npos && ended(fd);
  }));
  EXPECT_TRUE(run_until([&] { return server->connections() == 0; }));
}

TEST_F(RtmpServer, ListensAnewWithoutTouchingPlayers) {
  begin();
  const int fd = dial();
  say(fd, to_play("news"));
  EXPECT_TRUE(run_until([&] { return server->players("news") == 1; }));
  const auto port = server->ports().at(0);
  ASSERT_TRUE(server->listen({"127.0.0.1:0", "[::1]:0"}));
  EXPECT_EQ(server->ports().at(0), port);
  EXPECT_FALSE(server->listen({"127.0.0.1:0", "nonsense"}));
  EXPECT_FALSE(server->listen({"127.0.0.1:0", "192.0.2.1:0"}));
  EXPECT_EQ(server->ports().size(), 2U);
  ASSERT_TRUE(server->listen({}));
  EXPECT_EQ(server->players("news"), 1U);
}

class RtmpServerInputs : public RtmpServer {
 protected:
  void begin_inputs(const ServerLimits& limits = {}) {
    begin(limits);
    server->set_inputs(
        [this](std::string_view id) -> ingest::Entry* { return id == "stage" ? &entry : nullptr; });
  }
  static std::string to_publish(const std::string& name) {
    std::string out(1 + 2 * kHandshakeSize, '\0');
    out[0] = 3;
    out += command(Amf0Writer().string("connect").number(1).object().key("app").string("live").end().take());
    out += command(Amf0Writer().string("createStream").number(2).null().take());
    return out +
           command(Amf0Writer().string("publish").number(3).null().string(name).string("live").take(), 1);
  }
  ~RtmpServerInputs() override { server.reset(); }
  test::FakeEntry entry{"stage", "secret"};
};

TEST_F(RtmpServerInputs, TakesOnePublisherAndTheNextWhenItFellSilent) {
  begin_inputs();
  const int first = dial();
  say(first, to_publish("stage?key=secret"));
  EXPECT_TRUE(run_until([&] { return server->publishers() == 1; }));
  EXPECT_THAT(entry.status().peer, testing::StartsWith("127.0.0.1:"));
  say(dial(), to_publish("stage?key=secret"));
  EXPECT_TRUE(run_until([&] { return refused(Refusal::place_taken) == 1; }));
  entry.silent = true;
  const int third = dial();
  say(third, to_publish("stage?key=secret"));
  EXPECT_TRUE(run_until([&] { return refused(Refusal::replaced) == 1 && ended(first); }));
  EXPECT_EQ(server->publishers(), 1U);
  EXPECT_TRUE(entry.attached);
  EXPECT_TRUE(entry.ended.empty());
  EXPECT_FALSE(ended(third));
  server->drop(entry);
  EXPECT_TRUE(run_until([&] { return ended(third); }));
  EXPECT_EQ(server->publishers(), 0U);
  EXPECT_TRUE(entry.ended.empty());
}

TEST_F(RtmpServer, OneWhomTheOperatorEndsIsToldAndTheOthersPlayOn) {
  begin();
  sink->on_frame(make_frame(0, 0, true, 1000, 0x5A));
  const int first = dial();
  const int second = dial();
  say(first, to_play("news"));
  EXPECT_TRUE(run_until([&] { return server->players("news") == 1; }));
  say(second, to_play("news"));
  EXPECT_TRUE(run_until([&] { return server->players("news") == 2; }));
  std::vector<hub::SessionInfo> listed;
  EXPECT_EQ(server->list(0, 1, listed), 1U);
  EXPECT_EQ(server->list(1, 10, listed), 0U);
  ASSERT_EQ(listed.size(), 2U);
  EXPECT_EQ(listed[0].id, "rtmp-1");
  EXPECT_EQ(listed[0].role, "player");
  EXPECT_EQ(listed[0].protocol, "rtmp");
  EXPECT_GT(listed[0].since_unix_ns, 0);
  std::string heard;
  EXPECT_TRUE(run_until([&] { return hear(first, heard) > 1000; }));
  const auto kicked = server->kick(1);
  ASSERT_TRUE(kicked);
  EXPECT_GT(kicked->bytes, 1000U);
  EXPECT_EQ(server->players("news"), 1U);
  EXPECT_TRUE(run_until([&] {
    hear(first, heard);
    return heard.find("NetStream.Play.UnpublishNotify") != std::string::npos;
  }));
  EXPECT_NE(heard.find("ended by the operator"), std::string::npos);
  EXPECT_TRUE(run_until([&] { return ended(first) && server->connections() == 1; }));
  EXPECT_EQ(refused(Refusal::kicked), 1U);
  EXPECT_FALSE(server->kick(1));
  sink->on_frame(make_frame(0, 40, false, 1000, 0x5B));
  heard.clear();
  EXPECT_TRUE(run_until([&] {
    hear(second, heard);
    return heard.ends_with(std::string(1000, 0x5B));
  }));
}

TEST_F(RtmpServerInputs, APublisherWhomTheOperatorEndsLeavesItsPlaceToTheNext) {
  begin_inputs();
  const int first = dial();
  say(first, to_publish("stage?key=secret"));
  EXPECT_TRUE(run_until([&] { return server->publishers() == 1; }));
  const auto kicked = server->kick(1);
  ASSERT_TRUE(kicked);
  EXPECT_EQ(kicked->role, "publisher");
  EXPECT_EQ(kicked->channel, "stage");
  EXPECT_FALSE(entry.attached);
  EXPECT_EQ(entry.ended, std::vector<std::string>{"ended by the operator"});
  EXPECT_TRUE(run_until([&] { return ended(first); }));
  EXPECT_EQ(server->publishers(), 0U);
  say(dial(), to_publish("stage?key=secret"));
  EXPECT_TRUE(run_until([&] { return server->publishers() == 1; }));
}

TEST_F(RtmpServerInputs, LimitsTheGuessingOfKeys) {
  ServerLimits limits;
  limits.guesses_per_minute = 3;
  limits.session.goodbye_time = milliseconds(100);
  begin_inputs(limits);
  for (int i = 0; i < 5; ++i) say(dial(), to_publish("stage?key=" + std::to_string(i)));
  EXPECT_TRUE(
      run_until([&] { return refused(Refusal::wrong_key) == 3 && refused(Refusal::too_many_guesses) == 2; }));
  // The right one comes too late, or guessing would pay.
  say(dial(), to_publish("stage?key=secret"));
  EXPECT_TRUE(run_until([&] { return refused(Refusal::too_many_guesses) == 3; }));
  EXPECT_FALSE(entry.attached);
}

TEST_F(RtmpServerInputs, TellsChannelsThatTakeNoPublisherFromUnknownOnes) {
  begin_inputs();
  say(dial(), to_publish("news"));
  say(dial(), to_publish("nothing"));
  EXPECT_TRUE(run_until(
      [&] { return refused(Refusal::not_publishable) == 1 && refused(Refusal::unknown_channel) == 1; }));
}

TEST_F(RtmpServer, EachRefusalHasAName) {
  ASSERT_EQ(protocol::kRtmpRefusals.size(), kRefusals);
  EXPECT_EQ(protocol::kRtmpRefusals[static_cast<std::size_t>(Refusal::slow_client)].name, "slow_client");
  EXPECT_EQ(protocol::kRtmpRefusals[static_cast<std::size_t>(Refusal::malformed)].name, "malformed");
  EXPECT_EQ(protocol::kRtmpRefusals[static_cast<std::size_t>(Refusal::unknown_channel)].name,
            "unknown_channel");
  EXPECT_EQ(protocol::kRtmpRefusals[static_cast<std::size_t>(Refusal::tls)].name, "tls");
  EXPECT_EQ(protocol::kRtmpRefusals[static_cast<std::size_t>(Refusal::silent_publisher)].name,
            "silent_publisher");
}

}  // namespace
}  // namespace headgate::bridge::rtmp
