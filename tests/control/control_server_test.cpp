#include "control/daemon/control_server.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <thread>

#include "temp_dir.h"

namespace headgate::control {
namespace {

namespace asio = boost::asio;

class ControlServerTest : public ::testing::Test {
 protected:
  ControlServerTest() {
    const auto handler = [](const protocol::Request& request, const std::string& who, Reply reply) {
      if (request.method == "who") return reply(nlohmann::json(who));
      if (request.method == "events") return reply(nlohmann::json{{"events", nlohmann::json::array()}});
      reply(tl::unexpected("unknown method " + request.method));
    };
    server = ControlServer::listen(io, path, handler).value();
    thread = std::thread([this] { io.run(); });
  }
  ~ControlServerTest() override {
    io.stop();
    thread.join();
  }
  TempDir dir;
  std::string path = dir.path + "/control.sock";
  asio::io_context io;
  std::unique_ptr<ControlServer> server;
  std::thread thread;
};

TEST_F(ControlServerTest, KnowsWhoAsks) {
  const auto answer = protocol::call(path, "who", nlohmann::json::object(), std::chrono::seconds(10));
  ASSERT_TRUE(answer.has_value()) << answer.error();
  EXPECT_NE(answer->get<std::string>().find("(" + std::to_string(::getuid()) + ")"), std::string::npos);
}

TEST_F(ControlServerTest, ListensAnewWhereItsSocketWasRemoved) {
  ASSERT_EQ(::unlink(path.c_str()), 0);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  bool answers = false;
  while (!answers && std::chrono::steady_clock::now() < end)
    answers = protocol::call(path, "who", nlohmann::json::object(), std::chrono::seconds(1)).has_value();
  EXPECT_TRUE(answers);
}

TEST_F(ControlServerTest, PassesErrorsOn) {
  const auto answer = protocol::call(path, "bogus", nlohmann::json::object(), std::chrono::seconds(10));
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error(), "unknown method bogus");
}

TEST_F(ControlServerTest, StreamsEventsToThoseWhoFollow) {
  asio::io_context own;
  asio::local::stream_protocol::socket socket(own);
  socket.connect(asio::local::stream_protocol::endpoint(path));
  asio::write(
      socket,
      asio::buffer(std::string(R"({"v":1,"id":9,"method":"events","params":{"follow":true}})") + "\n"));
  std::string input;
  asio::read_until(socket, asio::dynamic_buffer(input), '\n');
  input.clear();
  asio::post(io, [this] { server->publish({{"message", "hello"}}); });
  const auto size = asio::read_until(socket, asio::dynamic_buffer(input), '\n');
  const auto event = nlohmann::json::parse(input.substr(0, size));
  EXPECT_EQ(event["id"], 9);
  EXPECT_EQ(event["event"]["message"], "hello");
  input.erase(0, size);
  // Text from outside that is no UTF-8 must not end the daemon.
  asio::post(io, [this] { server->publish({{"message", "\xFF!"}}); });
  const auto next = asio::read_until(socket, asio::dynamic_buffer(input), '\n');
  EXPECT_EQ(nlohmann::json::parse(input.substr(0, next))["event"]["message"], "\xEF\xBF\xBD!");
}

TEST_F(ControlServerTest, SurvivesRubbishAndEndlessLines) {
  asio::io_context own;
  boost::system::error_code error;
  asio::local::stream_protocol::socket socket(own);
  socket.connect(asio::local::stream_protocol::endpoint(path));
  asio::write(socket, asio::buffer(std::string("rubbish\n")), error);
  std::string input;
  asio::read_until(socket, asio::dynamic_buffer(input), '\n', error);
  EXPECT_NE(input.find("error"), std::string::npos);
  asio::local::stream_protocol::socket endless(own);
  endless.connect(asio::local::stream_protocol::endpoint(path));
  asio::write(endless, asio::buffer(std::string(ControlServer::kMaxRequest + 1, 'x')), error);
  std::string nothing;
  asio::read_until(endless, asio::dynamic_buffer(nothing), '\n', error);
  EXPECT_TRUE(error);  // closed
  EXPECT_TRUE(protocol::call(path, "who", nlohmann::json::object(), std::chrono::seconds(10)).has_value());
}

}  // namespace
}  // namespace headgate::control
