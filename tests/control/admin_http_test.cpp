#include "control/daemon/admin_http.h"

#include <gtest/gtest.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <thread>

namespace headgate::control {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

class AdminHttpTest : public ::testing::Test {
 protected:
  AdminHttpTest() {
    AdminContent content;
    content.ready = [this] { return ready; };
    content.metrics = [] { return std::string("headgate_x 1\n"); };
    content.tokens = [this] { return tokens; };
    content.api = [this](const std::string& path, const std::string& query, const AdminReply& reply) {
      if (path != "x.jpg") return false;
      const auto page =
          std::make_shared<const AdminPage>(AdminPage{query == "bad" ? 400 : 200, "image/jpeg", query});
      asio::post(io, [reply, page] { reply(page); });
      return true;
    };
    server = AdminHttp::listen(io, "127.0.0.1:0", content).value();
  }
  void serve() {
    thread = std::thread([this] { io.run(); });
  }
  ~AdminHttpTest() override {
    io.stop();
    if (thread.joinable()) thread.join();
  }
  std::string ask(const std::string& request) {
    if (!thread.joinable()) serve();
    asio::io_context own;
    tcp::socket socket(own);
    socket.connect(tcp::endpoint(asio::ip::make_address("127.0.0.1"), server->port()));
    boost::system::error_code error;
    asio::write(socket, asio::buffer(request), error);
    std::string answer;
    asio::read(socket, asio::dynamic_buffer(answer), error);
    return answer;
  }
  std::string get(const std::string& path, const std::string& headers = "") {
    return ask("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + headers + "\r\n");
  }

  asio::io_context io;
  bool ready = true;
  std::vector<std::string> tokens;
  std::unique_ptr<AdminHttp> server;
  std::thread thread;
};

TEST_F(AdminHttpTest, AnswersHealthReadinessAndMetrics) {
  EXPECT_TRUE(get("/healthz").starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(get("/readyz").starts_with("HTTP/1.1 200"));
  const auto metrics = get("/metrics");
  EXPECT_NE(metrics.find("text/plain; version=0.0.4"), std::string::npos);
  EXPECT_TRUE(metrics.ends_with("headgate_x 1\n"));
  EXPECT_TRUE(get("/else").starts_with("HTTP/1.1 404"));
}

TEST_F(AdminHttpTest, IsNotReadyUntilAllRunTheMap) {
  ready = false;
  EXPECT_TRUE(get("/readyz").starts_with("HTTP/1.1 503"));
  EXPECT_TRUE(get("/healthz").starts_with("HTTP/1.1 200"));
}

TEST_F(AdminHttpTest, GivesMetricsToBearersOfATokenOnly) {
  tokens = {"first", "second"};
  EXPECT_TRUE(get("/metrics").starts_with("HTTP/1.1 401"));
  EXPECT_TRUE(get("/metrics", "Authorization: Bearer wrong\r\n").starts_with("HTTP/1.1 401"));
  EXPECT_TRUE(get("/metrics", "Authorization: Basic second\r\n").starts_with("HTTP/1.1 401"));
  EXPECT_TRUE(get("/metrics", "Authorization: Bearer second\r\n").starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(get("/readyz").starts_with("HTTP/1.1 200"));
}

TEST_F(AdminHttpTest, AnswersTheApiLaterToBearersOfATokenOnly) {
  tokens = {"secret"};
  EXPECT_TRUE(get("/api/v1/x.jpg").starts_with("HTTP/1.1 401"));
  const std::string token = "Authorization: Bearer secret\r\n";
  const auto answer = get("/api/v1/x.jpg?a=b&c", token);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200"));
  EXPECT_NE(answer.find("Content-Type: image/jpeg"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("\r\n\r\na=b&c"));
  EXPECT_TRUE(get("/api/v1/x.jpg?bad", token).starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(get("/api/v1/y.jpg", token).starts_with("HTTP/1.1 404"));
  EXPECT_TRUE(get("/api/v1", token).starts_with("HTTP/1.1 404"));
  const auto head =
      ask("HEAD /api/v1/x.jpg?abc HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + token + "\r\n");
  EXPECT_NE(head.find("Content-Length: 3"), std::string::npos);
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
  const auto both =
      ask("GET /api/v1/x.jpg?first HTTP/1.1\r\nHost: x\r\n" + token +
          "\r\nGET /api/v1/x.jpg?second HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + token + "\r\n");
  EXPECT_LT(both.find("first"), both.find("second")) << both;
  EXPECT_NE(both.find("second"), std::string::npos);
}

TEST_F(AdminHttpTest, AnswersHeadWithoutABody) {
  const auto answer = ask("HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(answer.ends_with("\r\n\r\n"));
  EXPECT_NE(answer.find("Content-Length: 13"), std::string::npos);
}

TEST_F(AdminHttpTest, RefusesOtherMethodsRubbishAndLongHeads) {
  EXPECT_TRUE(
      ask("DELETE /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").starts_with("HTTP/1.1 405"));
  EXPECT_TRUE(ask("\x16\x03\x01 rubbish\r\n\r\n").starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(get("/", "X: " + std::string(20'000, 'x') + "\r\n").starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(get("/healthz").starts_with("HTTP/1.1 200"));
}

TEST(AdminHttp, NamesAnAddressThatItCannotHave) {
  asio::io_context io;
  EXPECT_FALSE(AdminHttp::listen(io, "nonsense", {}).has_value());
  const auto first = AdminHttp::listen(io, "127.0.0.1:0", {});
  ASSERT_TRUE(first.has_value());
  const auto address = "127.0.0.1:" + std::to_string((*first)->port());
  const auto second = AdminHttp::listen(io, address, {});
  ASSERT_FALSE(second.has_value());
  EXPECT_NE(second.error().find(address), std::string::npos);
}

}  // namespace
}  // namespace headgate::control
