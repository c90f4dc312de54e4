#include "dataplane/bridge/http/server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <string>

#include "dataplane/bridge/http/router.h"
#include "dataplane/bridge/http/target.h"
#include "tests/bridge/loopback.h"

namespace headgate::bridge::http {
namespace {

class FakeChannel : public ChannelView {
 public:
  FakeChannel()
      : directory_(testing::TempDir() + "bridge_server_test_" + std::to_string(::getpid())),
        store_(directory_, 4000, 8) {}
  ~FakeChannel() override { hls::SegmentStore::remove(directory_); }
  const std::string& display_name() const override { return name_; }
  bool serves_hls() const override { return true; }
  std::uint32_t segment_ms() const override { return 4000; }
  hls::SegmentStore& store() override { return store_; }
  bool on_viewer(const Request&, std::uint64_t&) override {
    ++viewers;
    return !kicked;
  }
  bool on_segment(const Request&, std::size_t) override { return !kicked; }
  bool kicked = false;

  std::string add_segment(std::int64_t k, std::size_t size) {
    content.assign(size, 0);
    for (std::size_t i = 0; i < size; ++i) content[i] = static_cast<std::uint8_t>(i * 7);
    hls::FinishedSegment segment;
    segment.k = k;
    segment.duration = 4 * mpegts::kTicksPerSecond;
    segment.size = size;
    segment.pieces = {std::span(content).first(size / 2), std::span(content).subspan(size / 2)};
    store_.on_segment(segment);
    return "/news/" + hls::media_uri(store_.entries().back());
  }
  std::vector<std::uint8_t> content;
  int viewers = 0;
  std::shared_ptr<std::uint64_t> slow = std::make_shared<std::uint64_t>(0);
  std::shared_ptr<std::uint64_t> slow_clients() const override { return slow; }

 private:
  std::string directory_;
  std::string name_ = "News";
  hls::SegmentStore store_;
};

class ServerTest : public testing::Test {
 protected:
  void begin(const ServerLimits& limits = {}) {
    server = std::make_unique<Server>(context, router, limits);
    const auto listening = server->listen({"127.0.0.1:0"});
    ASSERT_TRUE(listening) << listening.error();
  }
  ~ServerTest() override {
    for (const int fd : clients) ::close(fd);
    server.reset();
    context.run_for(std::chrono::milliseconds(1));
  }
  int dial() { return clients.emplace_back(test::dial(server->ports().at(0))); }
  void say(int fd, const std::string& text) {
    EXPECT_EQ(::send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  // Runs the server until what came satisfies `done`, or the connection ended, or a minute passed.
  template <typename Done>
  std::string hear(int fd, Done done) {
    std::string text;
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (std::chrono::steady_clock::now() < give_up && !done(text)) {
      context.run_one_for(std::chrono::milliseconds(2));
      context.restart();
      char bytes[65536];
      const ssize_t n = ::recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
      if (n > 0) text.append(bytes, static_cast<std::size_t>(n));
      if (n == 0 || (n < 0 && errno != EAGAIN)) return text + (n == 0 ? "<closed>" : "<reset>");
    }
    return text;
  }
  std::string hear_all(int fd) {
    return hear(fd, [](const std::string&) { return false; });
  }
  std::string ask(const std::string& request) {
    const int fd = dial();
    say(fd, request);
    return hear_all(fd);
  }
  static std::string get(const std::string& target, const std::string& more = "") {
    return "GET " + target + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + more + "\r\n";
  }

  boost::asio::io_context context;
  FakeChannel channel;
  Router router{[this](std::string_view id) -> ChannelView* { return id == "news" ? &channel : nullptr; },
                nullptr};
  std::unique_ptr<Server> server;
  std::vector<int> clients;
};

using testing::Test;

TEST_F(ServerTest, BeforeTheFirstSegmentThePlaylistIsRetriable) {
  begin();
  const std::string answer = ask(get("/news/index.m3u8"));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 503 ")) << answer;
  EXPECT_NE(answer.find("Retry-After: 2\r\n"), std::string::npos);
  EXPECT_EQ(server->counters().not_ready, 1U);
  EXPECT_TRUE(ask(get("/other/index.m3u8")).starts_with("HTTP/1.1 404 "));
}

TEST_F(ServerTest, RefusesAViewerWhomTheOperatorEnded) {
  begin();
  const std::string uri = channel.add_segment(5, 188 * 3000);
  channel.kicked = true;
  const std::string playlist = ask(get("/news/index.media-4000.m3u8"));
  EXPECT_TRUE(playlist.starts_with("HTTP/1.1 403 ")) << playlist;
  EXPECT_NE(playlist.find("Access-Control-Allow-Origin: *\r\n"), std::string::npos);
  EXPECT_NE(playlist.find("Cache-Control: no-store\r\n"), std::string::npos);
  EXPECT_TRUE(ask(get(uri)).starts_with("HTTP/1.1 403 "));
  EXPECT_EQ(server->counters().kicked, 2U);
  channel.kicked = false;
  EXPECT_TRUE(ask(get(uri)).starts_with("HTTP/1.1 200 "));
}

TEST_F(ServerTest, ServesPlaylistsAndSegmentsWithTheirHeaders) {
  begin();
  const std::string uri = channel.add_segment(5, 188 * 3000);
  const std::string playlist = ask(get("/news/index.media-4000.m3u8"));
  EXPECT_NE(playlist.find("Content-Type: application/vnd.apple.mpegurl\r\n"), std::string::npos);
  EXPECT_NE(playlist.find("Cache-Control: public, max-age=1\r\n"), std::string::npos);
  EXPECT_NE(playlist.find("Access-Control-Allow-Origin: *\r\n"), std::string::npos);
  EXPECT_NE(playlist.find("Server: headgate\r\n"), std::string::npos);
  EXPECT_EQ(channel.viewers, 1);
  const std::string segment = ask(get(uri));
  EXPECT_NE(segment.find("Content-Type: video/mp2t\r\n"), std::string::npos);
  EXPECT_NE(segment.find("immutable"), std::string::npos);
  const std::size_t body = segment.find("\r\n\r\n") + 4;
  EXPECT_EQ(segment.substr(body), std::string(channel.content.begin(), channel.content.end()) + "<closed>");
}

TEST_F(ServerTest, KeepsAConnectionAndAnswersPipelinedRequestsInOrder) {
  begin();
  channel.add_segment(5, 1880);
  const int fd = dial();
  say(fd, "GET /news/index.m3u8 HTTP/1.1\r\nHost: h\r\n\r\nGET /nothing HTTP/1.1\r\nHost: h\r\n\r\n" +
              get("/news/index.media-4000.m3u8"));
  const std::string all = hear_all(fd);
  const std::size_t first = all.find("HTTP/1.1 200 ");
  const std::size_t second = all.find("HTTP/1.1 404 ");
  const std::size_t third = all.rfind("HTTP/1.1 200 ");
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
  EXPECT_EQ(server->counters().requests, 3U);
  EXPECT_EQ(server->counters().accepted, 1U);
}

TEST_F(ServerTest, HeadHasTheHeaderWithoutTheBody) {
  begin();
  const std::string uri = channel.add_segment(5, 1880);
  const std::string answer = ask("HEAD " + uri + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_NE(answer.find("Content-Length: 1880\r\n"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("\r\n\r\n<closed>"));
}

TEST_F(ServerTest, AnswersRangesOfASegment) {
  begin();
  const std::string uri = channel.add_segment(5, 1880);
  const std::string part = ask(get(uri, "Range: bytes=188-375\r\n"));
  EXPECT_TRUE(part.starts_with("HTTP/1.1 206 "));
  EXPECT_NE(part.find("Content-Range: bytes 188-375/1880\r\n"), std::string::npos);
  const std::string expected(channel.content.begin() + 188, channel.content.begin() + 376);
  EXPECT_EQ(part.substr(part.find("\r\n\r\n") + 4), expected + "<closed>");
  const std::string outside = ask(get(uri, "Range: bytes=1880-\r\n"));
  EXPECT_TRUE(outside.starts_with("HTTP/1.1 416 "));
  EXPECT_NE(outside.find("Content-Range: bytes */1880\r\n"), std::string::npos);
  EXPECT_EQ(server->counters().ranges, 1U);
}

TEST_F(ServerTest, AnswersCorsPreflights) {
  begin();
  const std::string answer =
      ask("OPTIONS /news/index.m3u8 HTTP/1.1\r\nHost: h\r\nOrigin: http://x\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 204 "));
  EXPECT_NE(answer.find("Access-Control-Allow-Methods: GET, HEAD, OPTIONS\r\n"), std::string::npos);
}

TEST_F(ServerTest, RefusesWhatItDoesNotTake) {
  begin();
  const struct {
    std::string request;
    const char* status;
  } cases[] = {
      {"POST /news/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "405"},
      {"GET /news/ HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", "413"},
      {"GET /news/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "413"},
      {"GET /news/ HTTP/1.1\r\n\r\n", "400"},
      {"garbage\r\n\r\n", "400"},
      {std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), "400"},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"},
      {"GET /" + std::string(3000, 'a') + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "414"},
      {"GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(9000, 'a') + "\r\n\r\n", "431"},
      {get("/news/%00"), "400"},
      {get("/news/../etc/passwd"), "400"},
      {get("/news/%2e%2e/x"), "400"},
      {get("/news/media/../../journal.json"), "400"},
      {get("http://other/news/"), "400"},
      {get("/news/media/0000/1.ts"), "404"},
  };
  for (const auto& c : cases) {
    const std::string answer = ask(c.request);
    EXPECT_TRUE(answer.starts_with(std::string("HTTP/1.1 ") + c.status + " "))
        << c.request.substr(0, 60) << "\n"
        << answer;
  }
  // Each by its reason.
  const ServerCounters& c = server->counters();
  EXPECT_EQ(c.bad_requests, 9U);
  EXPECT_EQ(c.bodies, 2U);
  EXPECT_EQ(c.methods, 1U);
  EXPECT_EQ(c.long_addresses, 1U);
  EXPECT_EQ(c.long_headers, 1U);
  EXPECT_EQ(c.not_found, 1U);
  EXPECT_EQ(c.responses[4], 15U);
}

TEST_F(ServerTest, ASlowHeaderIsAnswered408) {
  ServerLimits limits;
  limits.header_time = std::chrono::milliseconds(50);
  begin(limits);
  const int fd = dial();
  say(fd, "GET / HTTP/1.1\r\nHo");
  EXPECT_TRUE(hear_all(fd).starts_with("HTTP/1.1 408 "));
  EXPECT_EQ(server->counters().header_timeouts, 1U);
}

TEST_F(ServerTest, AnIdleConnectionIsClosed) {
  ServerLimits limits;
  limits.idle_time = std::chrono::milliseconds(50);
  begin(limits);
  EXPECT_EQ(hear_all(dial()), "<closed>");
  EXPECT_EQ(server->counters().idle_timeouts, 1U);
}

TEST_F(ServerTest, AClientThatTakesNothingIsCut) {
  ServerLimits limits;
  limits.write_time = std::chrono::milliseconds(100);
  begin(limits);
  const std::string uri = channel.add_segment(5, 32 * 1024 * 1024);
  const int fd = dial();
  say(fd, get(uri));
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (server->counters().slow_clients == 0 && std::chrono::steady_clock::now() < give_up) {
    context.run_one_for(std::chrono::milliseconds(5));
    context.restart();
  }
  EXPECT_EQ(server->counters().slow_clients, 1U);
  EXPECT_EQ(*channel.slow, 1U) << "the channel does not know of it";
  context.poll();
  context.restart();
  EXPECT_EQ(server->connections(), 0U);
}

TEST_F(ServerTest, OneAddressCannotTakeAllConnections) {
  ServerLimits limits;
  limits.connections_per_address = 2;
  begin(limits);
  dial();
  dial();
  EXPECT_TRUE(hear_all(dial()).starts_with("HTTP/1.1 503 "));
  EXPECT_EQ(server->counters().refused_per_address, 1U);
}

TEST_F(ServerTest, AllConnectionsTogetherAreLimited) {
  ServerLimits limits;
  limits.connections = 2;
  begin(limits);
  channel.add_segment(5, 1880);
  const auto whole = [](const std::string& text) { return text.ends_with(".m3u8\n"); };
  const int first = dial();
  const int second = dial();
  for (const int fd : {first, second}) {
    say(fd, "GET /news/index.m3u8 HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_TRUE(hear(fd, whole).starts_with("HTTP/1.1 200 "));
  }
  const std::string refused = hear_all(dial());
  EXPECT_TRUE(refused.starts_with("HTTP/1.1 503 "));
  EXPECT_NE(refused.find("Retry-After: 5\r\n"), std::string::npos);
  EXPECT_EQ(server->counters().refused_connections, 1U);
  EXPECT_EQ(server->counters().refused_per_address, 0U);
  // One that leaves makes room.
  ::shutdown(second, SHUT_RDWR);
  EXPECT_NE(hear_all(second), "");
  EXPECT_EQ(server->connections(), 1U);
  EXPECT_TRUE(ask(get("/news/index.m3u8")).starts_with("HTTP/1.1 200 "));
}

TEST_F(ServerTest, ListenersComeAndGoWhileConnectionsStay) {
  begin();
  channel.add_segment(5, 1880);
  const int fd = dial();
  const auto ended = [](const std::string& text) { return text.ends_with("index.media-4000.m3u8\n"); };
  say(fd, "GET /news/index.m3u8 HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(hear(fd, ended).starts_with("HTTP/1.1 200 "));
  const std::uint16_t port = server->ports().at(0);
  ASSERT_TRUE(server->listen({"127.0.0.1:0", "[::1]:0"}));
  EXPECT_EQ(server->ports().at(0), port);
  EXPECT_FALSE(server->listen({"127.0.0.1:0", "nonsense"}));
  EXPECT_EQ(server->ports().size(), 2U);
  ASSERT_TRUE(server->listen({}));
  EXPECT_TRUE(server->ports().empty());
  say(fd, get("/news/index.m3u8"));
  EXPECT_TRUE(hear(fd, ended).starts_with("HTTP/1.1 200 "));
}

TEST_F(ServerTest, ATakenPortIsAnErrorAndChangesNothing) {
  begin();
  channel.add_segment(5, 1880);
  boost::asio::io_context elsewhere;
  Server other(elsewhere, router);
  ASSERT_TRUE(other.listen({"127.0.0.1:0"}));
  const std::string taken = "127.0.0.1:" + std::to_string(other.ports().at(0));
  const std::uint16_t port = server->ports().at(0);
  // It would replace the first listener and add one before the taken one.
  const auto refused = server->listen({"[::1]:0", taken});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), "can't listen on " + taken + ": Address already in use");
  ASSERT_EQ(server->ports().size(), 1U);
  EXPECT_EQ(server->ports().at(0), port);
  EXPECT_TRUE(ask(get("/news/index.m3u8")).starts_with("HTTP/1.1 200 "));
}

TEST_F(ServerTest, AListenerMayWidenItsAddressOnTheSamePort) {
  begin();
  channel.add_segment(5, 1880);
  const std::string port = std::to_string(server->ports().at(0));
  ASSERT_TRUE(server->listen({"127.0.0.1:" + port}));
  const auto widened = server->listen({"0.0.0.0:" + port});
  ASSERT_TRUE(widened) << widened.error();
  EXPECT_TRUE(ask(get("/news/index.m3u8")).starts_with("HTTP/1.1 200 "));
  // Refused after the old one had to make way: the old one is back.
  boost::asio::io_context elsewhere;
  Server other(elsewhere, router);
  ASSERT_TRUE(other.listen({"127.0.0.1:0"}));
  const std::string taken = "127.0.0.1:" + std::to_string(other.ports().at(0));
  ASSERT_FALSE(server->listen({"127.0.0.1:" + port, taken}));
  EXPECT_TRUE(ask(get("/news/index.m3u8")).starts_with("HTTP/1.1 200 "));
}

TEST_F(ServerTest, WhatACacheHasIsAnswered304) {
  begin();
  const std::string uri = channel.add_segment(5, 1880);
  const auto etag_of = [&](const std::string& target) {
    const std::string answer = ask(get(target));
    const std::size_t at = answer.find("ETag: ") + 6;
    return answer.substr(at, answer.find("\r\n", at) - at);
  };
  for (const std::string& target :
       {std::string("/news/index.m3u8"), std::string("/news/index.media-4000.m3u8"), uri}) {
    const std::string etag = etag_of(target);
    ASSERT_TRUE(etag.starts_with('"') && etag.ends_with('"')) << etag;
    const auto conditional = [&](const std::string& condition) {
      return ask("GET " + target +
                 " HTTP/1.1\r\nHost: h\r\nConnection: close\r\nIf-None-Match: " + condition + "\r\n\r\n");
    };
    const std::string same = conditional(etag);
    EXPECT_TRUE(same.starts_with("HTTP/1.1 304 ")) << same;
    EXPECT_NE(same.find("ETag: " + etag), std::string::npos);
    EXPECT_NE(same.find("Cache-Control: "), std::string::npos);
    EXPECT_TRUE(same.ends_with("\r\n\r\n<closed>")) << same;
    EXPECT_TRUE(conditional("\"x\", W/" + etag).starts_with("HTTP/1.1 304 "));
    EXPECT_TRUE(conditional("\"x\"").starts_with("HTTP/1.1 200 "));
  }
  const std::string before = etag_of("/news/index.media-4000.m3u8");
  channel.add_segment(6, 1880);
  EXPECT_NE(etag_of("/news/index.media-4000.m3u8"), before);
}

TEST(Target, RefusesWhatCouldMeanAnotherPath) {
  for (const char* bad :
       {"", "x", "/..", "/a/../b", "/a//b", "/%", "/%2", "/%zz", "/%2f", "/%5c", "/a\\b", "/%0a", "/a#b"}) {
    EXPECT_FALSE(parse_target(bad)) << bad;
  }
  EXPECT_EQ(parse_target("/a/b?c=../d")->segments, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(parse_target("/a%20b/")->segments, (std::vector<std::string>{"a b", ""}));
  EXPECT_EQ(parse_target("/")->segments, (std::vector<std::string>{""}));
}

}  // namespace
}  // namespace headgate::bridge::http
