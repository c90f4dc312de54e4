// Who is connected, told by the parts of a bridge together, and what ending a session does.
#include "dataplane/bridge/app/sessions.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "dataplane/bridge/app/bridge.h"
#include "dataplane/bridge/app/pushes.h"
#include "dataplane/bridge/app/sources.h"
#include "dataplane/bridge/hls/viewers.h"
#include "dataplane/bridge/http/router.h"
#include "dataplane/bridge/http/server.h"
#include "dataplane/bridge/rtmp/server.h"
#include "dataplane/bridge/srt/server.h"
#include "tests/bridge/loopback.h"
#include "tests/bridge/rtmp_support.h"

namespace headgate::bridge::app {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;
using std::chrono::seconds;

constexpr std::int64_t kASecondNs = 1'000'000'000;

TEST(RateMeter, TellsTheRateOfTheLastWindowAndForgetsWhatIsOver) {
  hub::RateMeter meter;
  EXPECT_EQ(meter.bits_per_second(kASecondNs), 0U);
  for (int i = 0; i < 100; ++i) meter.add(kASecondNs + i * kASecondNs / 10, 12'500);  // 1 Mb/s
  EXPECT_NEAR(static_cast<double>(meter.bits_per_second(11 * kASecondNs)), 1e6, 2e4);
  EXPECT_LT(meter.bits_per_second(60 * kASecondNs), 50'000U);
  meter.add(61 * kASecondNs, 1);
  EXPECT_LT(meter.bits_per_second(62 * kASecondNs), 50'000U);
}

TEST(Viewers, OneThatWasEndedIsRefusedForAMinuteAndIsThenANewOne) {
  hls::Viewers viewers;
  std::uint64_t last = 0;
  const auto begin = hls::Viewers::Time{} + seconds(100);
  const std::chrono::milliseconds patience = seconds(12);
  EXPECT_TRUE(viewers.on_viewer("192.0.2.1", "VLC\n", begin, patience, last));
  EXPECT_TRUE(viewers.on_viewer("192.0.2.1", "VLC\n", begin, patience, last));
  EXPECT_TRUE(viewers.on_viewer("192.0.2.2", "VLC\n", begin, patience, last));
  EXPECT_TRUE(viewers.on_segment("192.0.2.1", "VLC\n", 1000, begin));
  const auto ended = viewers.kick(1, "news", begin);
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->address, "192.0.2.1");
  EXPECT_EQ(ended->user_agent, "VLC?");
  EXPECT_EQ(ended->bytes, 1000U);
  EXPECT_EQ(ended->bitrate_bps, 800U) << "over 10 s at least";
  EXPECT_FALSE(viewers.kick(1, "news", begin));
  EXPECT_FALSE(viewers.kick(7, "news", begin));
  EXPECT_FALSE(viewers.on_viewer("192.0.2.1", "VLC\n", begin + seconds(59), patience, last));
  EXPECT_FALSE(viewers.on_segment("192.0.2.1", "VLC\n", 1000, begin + seconds(59)));
  EXPECT_TRUE(viewers.on_viewer("192.0.2.2", "VLC\n", begin + seconds(59), patience, last));
  std::vector<hub::SessionInfo> listed;
  viewers.list("news", begin + seconds(59), patience, listed);
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(viewers.count(begin + seconds(59), patience), 1U);
  EXPECT_TRUE(viewers.on_viewer("192.0.2.1", "VLC\n", begin + seconds(61), patience, last));
  EXPECT_EQ(viewers.count(begin + seconds(61), patience), 2U);
  EXPECT_TRUE(viewers.kick(3, "news", begin + seconds(61)));
}

TEST(Sessions, ThoseInTroubleComeFirstThenTheNewest) {
  hub::SessionInfo waits, loses, young, old;
  waits.role = "push";
  waits.state = "waiting";
  loses.skipped = 3;
  young.since_unix_ns = 2;
  old.since_unix_ns = 1;
  EXPECT_TRUE(worse(waits, loses));
  EXPECT_TRUE(worse(loses, young));
  EXPECT_TRUE(worse(young, old));
  EXPECT_FALSE(worse(old, young));
}

class BridgeSessions : public testing::Test {
 protected:
  BridgeSessions() {
    fs::create_directories(directory);
    EXPECT_TRUE(rtmp.listen({"127.0.0.1:0"}));
    EXPECT_TRUE(http.listen({"127.0.0.1:0"}));
    protocol::BridgeState state;
    protocol::BridgeChannel channel;
    channel.id = "news";
    channel.handle = 1;
    channel.hls = protocol::HlsState{2000, 7};
    channel.http_ts = true;
    state.channels = {channel};
    bridge.apply(state);
  }
  ~BridgeSessions() override {
    for (const int fd : clients) ::close(fd);
    http.stop();
    rtmp.stop();
    context.restart();
    context.run_for(std::chrono::milliseconds(1));
    fs::remove_all(directory);
  }
  void play(const std::string& channel) {
    const int fd = clients.emplace_back(test::dial(rtmp.ports().at(0)));
    std::string out(1 + 2 * rtmp::kHandshakeSize, '\0');
    out[0] = 3;
    const auto say = [&](const rtmp::Bytes& body, std::uint32_t stream) {
      rtmp::append_message(out, {3, rtmp::MessageType::command_amf0, stream, 0, 0}, body,
                           rtmp::kDefaultChunkSize);
    };
    rtmp::Amf0Writer connect;
    connect.string("connect").number(1).object().key("app").string("live");
    connect.key("flashVer").string("LNX 9,0,124,2").key("tcUrl").string("rtmp://h/live?key=s3cret");
    say(connect.end().take(), 0);
    say(rtmp::Amf0Writer().string("createStream").number(2).null().take(), 0);
    say(rtmp::Amf0Writer().string("play").number(0).null().string(channel + "?token=s3cret").take(), 1);
    EXPECT_EQ(::send(fd, out.data(), out.size(), MSG_NOSIGNAL), static_cast<ssize_t>(out.size()));
  }
  int fetch(const std::string& path) {
    const int fd = clients.emplace_back(test::dial(http.ports().at(0)));
    const std::string request =
        "GET " + path + "?token=s3cret HTTP/1.1\r\nHost: h\r\nUser-Agent: curl/7\r\n\r\n";
    EXPECT_EQ(::send(fd, request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
    return fd;
  }
  std::string raw(const json& params = json::object()) {
    std::string line;
    protocol::Request request;
    request.id = 7;
    request.params = params;
    sessions.answer(request, [&](std::string answer) { line = std::move(answer); });
    EXPECT_TRUE(line.empty()) << "all in one turn of the loop";
    EXPECT_TRUE(test::run_until(context, [&] { return !line.empty(); }));
    return line;
  }
  json ask(const json& params = json::object()) { return json::parse(raw(params)).at("result"); }
  static bool ended(int fd) {
    char bytes[4096];
    ssize_t n = 0;
    while ((n = ::recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
    }
    return n == 0 || errno != EAGAIN;
  }

  const std::string directory = testing::TempDir() + "sessions_test_" + std::to_string(::getpid());
  boost::asio::io_context context{1};
  Sources sources{directory + "/ring", [](ingest::Entry&) { return nullptr; }, [](ingest::Entry&) {}};
  rtmp::Server rtmp{context};
  Bridge bridge{directory};
  http::Router router{[this](std::string_view id) -> http::ChannelView* { return bridge.find(id); }, nullptr};
  http::Server http{context, router};
  srt::Server srt{[](std::string_view) -> hub::TsFeed* { return nullptr; }, [](std::function<void()>) {}};
  Pushes pushes{[](Channel&, const protocol::BridgePush&) { return nullptr; }};
  Sessions sessions{context, {bridge, http, rtmp, srt, pushes, sources}};
  std::vector<int> clients;
};

TEST_F(BridgeSessions, ManyAreGatheredOverManyTurnsEachOnce) {
  rtmp.open("news");
  const std::size_t many = Sessions::kAtOnce + 50;
  for (std::size_t i = 0; i < many; ++i) play("news");
  ASSERT_TRUE(test::run_until(context, [&] { return rtmp.players("news") == many; }));
  const json all = ask();
  EXPECT_EQ(all.at("total"), many);
  EXPECT_EQ(all.at("left_out"), 0);
  std::set<std::string> ids;
  for (const json& session : all.at("sessions")) ids.insert(session.at("id"));
  EXPECT_EQ(ids.size(), many);
  const json some = ask({{"limit", 10}});
  EXPECT_EQ(some.at("sessions").size(), 10U);
  EXPECT_EQ(some.at("total"), many);
  EXPECT_EQ(some.at("left_out"), many - 10);
  EXPECT_EQ(ask({{"channel", "n*"}}).at("total"), many);
  EXPECT_EQ(ask({{"channel", "sport"}}).at("total"), 0);
}

TEST_F(BridgeSessions, AreToldWithoutSecretsAndEndByTheirIds) {
  rtmp.open("sport");
  play("sport");
  const int stream = fetch("/news/stream.ts");
  ASSERT_TRUE(test::run_until(context, [&] { return rtmp.players("sport") == 1; }));
  ASSERT_TRUE(test::run_until(context, [&] { return ask().at("total") == 2; }));
  const std::string line = raw();
  EXPECT_EQ(line.find("s3cret"), std::string::npos) << line;
  const json told = json::parse(line).at("result");
  json by_protocol;
  for (const json& session : told.at("sessions")) {
    std::set<std::string> names;
    for (const auto& [name, value] : session.items()) names.insert(name);
    EXPECT_EQ(names, (std::set<std::string>{"address", "bitrate_bps", "bytes", "channel", "error", "id",
                                            "protocol", "role", "rtt_ns", "since_unix_ns", "skipped", "state",
                                            "url", "user_agent"}));
    by_protocol[session.at("protocol").get<std::string>()] = session;
  }
  EXPECT_EQ(by_protocol["rtmp"]["user_agent"], "LNX 9,0,124,2");
  EXPECT_EQ(by_protocol["rtmp"]["channel"], "sport");
  EXPECT_TRUE(by_protocol["rtmp"]["rtt_ns"].is_number());
  EXPECT_EQ(by_protocol["http-ts"]["user_agent"], "curl/7");
  EXPECT_EQ(by_protocol["http-ts"]["state"], "waiting");
  EXPECT_TRUE(by_protocol["http-ts"]["address"].get<std::string>().starts_with("127.0.0.1:"));

  const auto kicked = sessions.kick({{"id", by_protocol["http-ts"]["id"]}});
  ASSERT_TRUE(kicked) << kicked.error();
  EXPECT_EQ((*kicked)["kicked"]["channel"], "news");
  EXPECT_TRUE(test::run_until(context, [&] { return ended(stream); }));
  EXPECT_EQ(http.counters().kicked, 1U);
  EXPECT_EQ(rtmp.players("sport"), 1U);
  EXPECT_FALSE(sessions.kick({{"id", by_protocol["http-ts"]["id"]}}));
  ASSERT_TRUE(sessions.kick({{"id", by_protocol["rtmp"]["id"]}}));
  EXPECT_TRUE(test::run_until(context, [&] { return ended(clients[0]); }));
  EXPECT_EQ(ask().at("total"), 0);
}

TEST_F(BridgeSessions, AStreamWhoseClientTakesNothingEndsToo) {
  const int fd = clients.emplace_back(test::dial(http.ports().at(0), 4096));
  const std::string request = "GET /news/stream.ts HTTP/1.1\r\nHost: h\r\n\r\n";
  ASSERT_EQ(::send(fd, request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
  ASSERT_TRUE(test::run_until(context, [&] { return ask().at("total") == 1; }));
  ASSERT_TRUE(sessions.kick({{"id", ask().at("sessions")[0].at("id")}}));
  EXPECT_TRUE(test::run_until(context, [&] { return http.connections() == 0; }));
}

TEST_F(BridgeSessions, WhatIsNoIdIsRefused) {
  for (const char* id : {"", "rtmp", "rtmp-", "rtmp-0", "rtmp-1", "http-1x", "-1", "push-99", "in-1", "hls-3",
                         "srt-1", "rtmp-99999999999999999999"}) {
    const auto kicked = sessions.kick({{"id", id}});
    ASSERT_FALSE(kicked) << id;
    EXPECT_EQ(kicked.error(), "no session has this id now");
  }
  EXPECT_FALSE(sessions.kick(json::object()));
  EXPECT_FALSE(sessions.kick({{"id", 17}}));
}

}  // namespace
}  // namespace headgate::bridge::app
