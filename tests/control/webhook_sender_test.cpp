#include "control/daemon/webhook_sender.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <future>
#include <thread>

namespace headgate::control {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

// Takes one request and answers with what it is given; "": nothing, until the other end gives up.
class OneAnswer {
 public:
  explicit OneAnswer(std::string answer) : answer_(std::move(answer)), thread_([this] { serve(); }) {}
  ~OneAnswer() { thread_.join(); }
  std::string url() const {
    return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()) + "/hook";
  }
  const std::string& request() const { return request_; }
  // Until the request is here.
  void wait() { taken_.get_future().wait(); }

 private:
  void serve() {
    tcp::socket socket(io_);
    acceptor_.accept(socket);
    boost::system::error_code error;
    std::array<char, 4096> part{};
    while (request_.find("}\n") == std::string::npos && request_.find("BODY") == std::string::npos && !error)
      request_.append(part.data(), socket.read_some(asio::buffer(part), error));
    taken_.set_value();
    if (!answer_.empty()) {
      asio::write(socket, asio::buffer(answer_), error);
    } else {
      while (!error) socket.read_some(asio::buffer(part), error);
    }
  }
  asio::io_context io_;
  tcp::acceptor acceptor_{io_, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)};
  std::string answer_, request_;
  std::promise<void> taken_;
  std::thread thread_;
};

struct WebhookSenderTest : testing::Test {
  WebhookSenderTest() { ::setenv("no_proxy", "*", 1); }
  std::string post(const std::string& url, const std::string& secret = "") {
    asio::io_context io;
    WebhookSender sender(io);
    std::string result = "nothing";
    sender.send(url, secret, "BODY", [&](const std::string& error) {
      result = error;
      io.stop();
    });
    const auto work = asio::make_work_guard(io);
    io.run_for(std::chrono::seconds(30));
    return result;
  }
};

TEST(WebhookSignature, IsTheHmacOfTimeAndBody) {
  // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef
  EXPECT_EQ(webhook_signature("0123456789abcdef", "{\"a\":1}", 1'700'000'000),
            "t=1700000000,v1=9eb18f493f8ec135d9eb2dad817c369bb4e9cbfa818657897a7437c1cd8c3a23");
}

TEST_F(WebhookSenderTest, PostsTheBodySigned) {
  std::string request;
  {
    OneAnswer server("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(post(server.url(), "0123456789abcdef"), "");
    request = server.request();
  }
  EXPECT_EQ(request.rfind("POST /hook HTTP/1.1\r\n", 0), 0U) << request;
  EXPECT_NE(request.find("Content-Type: application/json\r\n"), std::string::npos);
  const auto signature = request.find("X-Headgate-Signature: t=");
  ASSERT_NE(signature, std::string::npos) << request;
  const auto end = request.find("\r\n", signature);
  const std::string value = request.substr(signature + 22, end - signature - 22);
  EXPECT_EQ(value, webhook_signature("0123456789abcdef", "BODY", std::stoll(value.substr(2))));
  EXPECT_EQ(request.substr(request.size() - 4), "BODY");
}

TEST_F(WebhookSenderTest, UnsignedWithoutASecret) {
  std::string request;
  {
    OneAnswer server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(post(server.url()), "");
    request = server.request();
  }
  EXPECT_EQ(request.find("X-Headgate-Signature"), std::string::npos);
}

TEST_F(WebhookSenderTest, SaysWhatWasAnswered) {
  OneAnswer broken("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(post(broken.url()), "it answered 500");
  OneAnswer elsewhere(
      "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: "
      "close\r\n\r\n");
  EXPECT_EQ(post(elsewhere.url()), "it answered 302: redirects are not followed");
  EXPECT_NE(post("http://127.0.0.1:1/secret-path").find("onnect"), std::string::npos);
  EXPECT_EQ(post("http://127.0.0.1:1/secret-path").find("secret-path"), std::string::npos);
}

TEST_F(WebhookSenderTest, AnEndIsNotHeldUpByAReceiverThatHangs) {
  OneAnswer server("");
  std::chrono::steady_clock::time_point begin;
  {
    asio::io_context io;
    WebhookSender sender(io);
    sender.send(server.url(), "", "BODY", [](const std::string&) {});
    server.wait();
    begin = std::chrono::steady_clock::now();
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(8));
}

}  // namespace
}  // namespace headgate::control
