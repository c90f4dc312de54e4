// The reader of answers, and the client against a server that does as it likes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataplane/bridge/pull/http_client.h"
#include "dataplane/bridge/pull/response_reader.h"
#include "tests/bridge/pull_support.h"

namespace headgate::bridge::pull {
namespace {

using namespace std::chrono_literals;
using test::Web;
using testing::HasSubstr;
using testing::StartsWith;

struct Answered {
  ResponseHead head;
  std::string body;
  ResponseReader::State state = ResponseReader::State::reading;
  std::string error;
  bool reusable = false;
};

Answered read(const std::string& text, std::size_t piece, bool ends = true) {
  Answered out;
  ResponseReader reader(
      [&](const ResponseHead& head) {
        out.head = head;
        return true;
      },
      [&](std::span<const std::uint8_t> bytes) {
        out.body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        return true;
      });
  for (std::size_t at = 0; at < text.size(); at += piece) {
    const auto* from = reinterpret_cast<const std::uint8_t*>(text.data()) + at;
    if (reader.push({from, std::min(piece, text.size() - at)}) != ResponseReader::State::reading) break;
  }
  if (ends) reader.finish();
  out.state = reader.state();
  out.error = reader.error();
  out.reusable = reader.reusable();
  return out;
}

TEST(PullResponse, ReadsEveryKindOfBodyInAnyPieces) {
  const struct {
    std::string text;
    std::string body;
    bool reusable;
  } cases[] = {{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", true},
               {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", "hello", false},
               {"HTTP/1.0 200 OK\r\n\r\nuntil the end", "until the end", false},
               {"HTTP/1.1 200 OK\r\nTransfer-Encoding: "
                "chunked\r\n\r\n3;x=y\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nT: t\r\n\r\n",
                "abc0123456789abcdef", true},
               {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
                "hi", true},
               {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "", true},
               {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, more", "hello", false}};
  for (const auto& c : cases) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{100'000}}) {
      const Answered answer = read(c.text, piece);
      EXPECT_EQ(answer.state, ResponseReader::State::done) << c.text << answer.error;
      EXPECT_EQ(answer.body, c.body);
      if (piece > 100) {
        EXPECT_EQ(answer.reusable, c.reusable) << c.text;
      }
    }
  }
}

TEST(PullResponse, ReadsTheHead) {
  const auto head = read(
                        "HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Type: Video/MP2T; charset=x\r\n"
                        "Content-Encoding: GZIP\r\nContent-Length: 0\r\n\r\n",
                        1000)
                        .head;
  EXPECT_EQ(head.status, 301U);
  EXPECT_EQ(head.location, "/x");
  EXPECT_EQ(head.content_type, "video/mp2t");
  EXPECT_EQ(head.content_encoding, "gzip");
  EXPECT_TRUE(head.keep_alive);
  EXPECT_EQ(status_line(503), "503 Service Unavailable");
  EXPECT_EQ(status_line(799), "799");
}

TEST(PullResponse, SaysWhatIsWrong) {
  const struct {
    std::string text;
    const char* why;
  } cases[] = {
      {"", "without an answer"},
      {"HTT", "broke off"},
      {"HTTP/1.1 103 Early Hints\r\n\r\n", "broke off"},
      {"SSH-2.0-OpenSSH_9.2\r\n", "no HTTP"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", "broke off"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "broke off"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "no HTTP"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "no HTTP"},
      {"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "no HTTP"},
      {"HTTP/1.1 101 Switching Protocols\r\n\r\n", "no HTTP"},
      {"HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'a'), "longer than 32 KiB"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(100'000, 'a'), "no HTTP"}};
  for (const auto& c : cases) {
    for (const std::size_t piece : {std::size_t{3}, std::size_t{200'000}}) {
      const Answered answer = read(c.text, piece);
      EXPECT_EQ(answer.state, ResponseReader::State::failed) << c.text.substr(0, 80);
      EXPECT_THAT(answer.error, HasSubstr(c.why)) << c.text.substr(0, 80);
    }
  }
  std::string hints;
  for (int i = 0; i < 20; ++i) hints += "HTTP/1.1 103 Early Hints\r\n\r\n";
  EXPECT_THAT(read(hints, 7).error, HasSubstr("1xx"));
}

class PullClient : public testing::Test {
 protected:
  struct Outcome {
    bool over = false;
    std::string error;
    std::string body;
    unsigned status = 0;
    std::string from;
  };

  void begin(const HttpLimits& limits = {}) { client = std::make_unique<HttpClient>(context, limits); }
  Outcome get(const std::string& address, std::chrono::nanoseconds total = 0ns) {
    if (!client) begin();
    Outcome outcome;
    const auto url = parse_url(address);
    EXPECT_TRUE(url);
    client->get({*url, {}, total}, {[&](const ResponseHead& head, const Url& from) -> std::string {
                                      outcome.status = head.status;
                                      outcome.from = from.shown();
                                      return "";
                                    },
                                    [&](std::span<const std::uint8_t> bytes) -> std::string {
                                      outcome.body.append(reinterpret_cast<const char*>(bytes.data()),
                                                          bytes.size());
                                      return "";
                                    },
                                    [&](const std::string& error) {
                                      outcome.error = error;
                                      outcome.over = true;
                                    }});
    EXPECT_TRUE(test::run_until(context, [&] { return outcome.over; }));
    if (!outcome.over) client->cancel();
    return outcome;
  }

  boost::asio::io_context context;
  Web web{context};
  std::unique_ptr<HttpClient> client;
};

TEST_F(PullClient, KeepsItsConnection) {
  web.answer = [](const Web::Request& request) { return Web::Answer{Web::ok("body of " + request.target)}; };
  for (int i = 0; i < 3; ++i) {
    const Outcome outcome = get(web.url("/a?x=1"));
    EXPECT_EQ(outcome.error, "");
    EXPECT_EQ(outcome.body, "body of /a?x=1");
  }
  EXPECT_EQ(web.connections, 1U);
  EXPECT_THAT(web.requests[0].head, HasSubstr("\r\nHost: 127.0.0.1:" + std::to_string(web.port()) + "\r\n"));
}

TEST_F(PullClient, AKeptConnectionThatTheServerClosedIsNoError) {
  web.answer = [](const Web::Request&) { return Web::Answer{Web::ok("x"), Web::Then::close}; };
  for (int i = 0; i < 3; ++i) EXPECT_EQ(get(web.url("/")).error, "");
  EXPECT_EQ(web.connections, 3U);
}

TEST_F(PullClient, FollowsRedirectsButNotForEver) {
  web.answer = [](const Web::Request& request) {
    const int left = std::stoi(request.target.substr(1));
    if (left == 0) return Web::Answer{Web::ok("there")};
    return Web::Answer{Web::status("302 Found", "Location: " + std::to_string(left - 1) + "\r\n")};
  };
  const Outcome good = get(web.url("/5"));
  EXPECT_EQ(good.error, "");
  EXPECT_EQ(good.body, "there");
  EXPECT_EQ(good.from, web.url("/0"));
  EXPECT_EQ(get(web.url("/6")).error, "more than 5 redirects");
}

TEST_F(PullClient, RedirectsLeadToWebServersOnly) {
  web.answer = [](const Web::Request&) {
    return Web::Answer{Web::status("302 Found", "Location: file:///etc/passwd\r\n")};
  };
  EXPECT_THAT(get(web.url("/")).error, StartsWith("the server redirects to nowhere"));
}

TEST_F(PullClient, TellsItsPasswordToItsServerOnly) {
  Web other(context);
  other.answer = [](const Web::Request&) { return Web::Answer{Web::ok("x")}; };
  web.answer = [&](const Web::Request& request) {
    if (request.target == "/here") return Web::Answer{Web::ok("x")};
    return Web::Answer{Web::status(
        "302 Found", "Location: " + (request.target == "/away" ? other.url("/") : "/here") + "\r\n")};
  };
  EXPECT_EQ(get(web.url("/there", "u:p@")).error, "");
  ASSERT_EQ(web.requests.size(), 2U);
  for (const auto& request : web.requests)
    EXPECT_THAT(request.head, HasSubstr("\r\nAuthorization: Basic dTpw\r\n"));
  EXPECT_EQ(get(web.url("/away", "u:p@")).error, "");
  ASSERT_EQ(other.requests.size(), 1U);
  EXPECT_EQ(other.requests[0].head.find("Authorization"), std::string::npos);
}

TEST_F(PullClient, GivesUpOnServersThatFallSilent) {
  HttpLimits limits;
  limits.silence = 800ms;
  limits.head = 1600ms;
  begin(limits);
  web.answer = [](const Web::Request&) { return Web::Answer{"", Web::Then::hang}; };
  EXPECT_EQ(get(web.url("/")).error, "no answer within 0.8 s");
  web.answer = [](const Web::Request&) {
    return Web::Answer{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", Web::Then::hang};
  };
  const Outcome half = get(web.url("/"));
  EXPECT_EQ(half.error, "nothing came for 0.8 s");
  EXPECT_EQ(half.body, "half");
  // A head that comes byte by byte: it is never silent for long.
  limits.silence = 30s;
  begin(limits);
  web.answer = [](const Web::Request&) {
    return Web::Answer{"HTTP/1.1 200 OK\r\nX: " + std::string(5000, 'a') + "\r\n\r\n", Web::Then::hang, 1,
                       50ms};
  };
  EXPECT_EQ(get(web.url("/")).error, "the answer's head took more than 1.6 s");
  // A body that never ends.
  web.answer = [](const Web::Request&) {
    return Web::Answer{"HTTP/1.0 200 OK\r\n\r\n" + std::string(5000, 'a'), Web::Then::hang, 100, 20ms};
  };
  EXPECT_EQ(get(web.url("/"), 300ms).error, "the answer took more than 0.3 s");
}

TEST_F(PullClient, NamesAPortWhereNobodyListens) {
  boost::asio::ip::tcp::acceptor taken(context, {boost::asio::ip::make_address("127.0.0.1"), 0});
  const std::string port = std::to_string(taken.local_endpoint().port());
  taken.close();
  EXPECT_EQ(get("http://127.0.0.1:" + port + "/").error,
            "can't connect to 127.0.0.1:" + port + ": Connection refused");
}

TEST_F(PullClient, NamesAHostThatDoesNotExist) {
  // RFC 6761 6.4: such a name is never there.
  const std::string error = get("http://nowhere.invalid/").error;
  EXPECT_TRUE(error.starts_with("can't resolve nowhere.invalid: ") ||
              error.starts_with("no answer to the look-up of nowhere.invalid"))
      << error;
}

TEST_F(PullClient, NamesAServerWithoutTls) {
  web.answer = [](const Web::Request&) { return Web::Answer{Web::ok("x")}; };
  EXPECT_THAT(
      get("https://127.0.0.1:" + std::to_string(web.port()) + "/").error,
      testing::AnyOf(StartsWith("TLS with 127.0.0.1: "), StartsWith("no end to the TLS handshake with ")));
}

TEST_F(PullClient, APausedAnswerWaits) {
  HttpLimits limits;
  limits.silence = 100ms;
  begin(limits);
  web.answer = [](const Web::Request&) { return Web::Answer{Web::ok(std::string(3'000'000, 'a'))}; };
  std::size_t got = 0;
  bool over = false;
  client->get({*parse_url(web.url("/")), {}, 1s}, {[](auto&&, auto&&) { return std::string(); },
                                                   [&](std::span<const std::uint8_t> bytes) {
                                                     got += bytes.size();
                                                     client->pause(true);
                                                     return std::string();
                                                   },
                                                   [&](const std::string& error) {
                                                     EXPECT_EQ(error, "");
                                                     over = true;
                                                   }});
  ASSERT_TRUE(test::run_until(context, [&] { return got > 0; }));
  const std::size_t first = got;
  test::run_until(
      context, [] { return false; }, 1500ms);  // longer than any limit
  EXPECT_EQ(got, first);
  EXPECT_FALSE(over);
  ASSERT_TRUE(test::run_until(context, [&] {
    client->pause(false);
    return over;
  }));
  EXPECT_EQ(got, 3'000'000U);
}

TEST_F(PullClient, MayGoAwayAtAnyMoment) {
  web.answer = [](const Web::Request&) {
    return Web::Answer{Web::ok(std::string(100'000, 'a')), Web::Then::keep, 1000, 1ms};
  };
  for (int turns = 0; turns < 30; ++turns) {
    begin();
    client->get({*parse_url(web.url("/")), {}, 0ns}, {[](auto&&, auto&&) { return std::string(); },
                                                      [](auto&&) { return std::string(); }, [](auto&&) {}});
    context.restart();
    for (int i = 0; i < turns; ++i) context.run_one_for(1ms);
    client.reset();
  }
  context.restart();
  context.run_for(20ms);
}

}  // namespace
}  // namespace headgate::bridge::pull
