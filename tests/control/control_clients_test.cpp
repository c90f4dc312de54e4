#include "control/daemon/control_server.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <filesystem>
#include <list>

namespace headgate::control {
namespace {

namespace asio = boost::asio;
using Socket = asio::local::stream_protocol::socket;

class ControlClientsTest : public testing::Test {
 protected:
  ControlClientsTest() {
    path_ = testing::TempDir() + "hg-control-" + std::to_string(::getpid()) + ".sock";
    auto made = ControlServer::listen(io_, path_,
                                      [](const protocol::Request&, const std::string&, const Reply& reply) {
                                        reply(nlohmann::json{{"done", true}});
                                      });
    EXPECT_TRUE(made) << made.error();
    server_ = std::move(*made);
  }
  ~ControlClientsTest() override { server_.reset(); }

  Socket connect() {
    Socket socket(io_);
    socket.connect(asio::local::stream_protocol::endpoint(path_));
    serve();
    return socket;
  }
  void serve() {
    io_.restart();
    io_.poll();
  }
  bool answers(Socket& socket) {
    boost::system::error_code error;
    asio::write(socket, asio::buffer(std::string("{\"v\":1,\"id\":7,\"method\":\"status\",\"params\":{}}\n")),
                error);
    serve();
    std::string line;
    if (!error) asio::read_until(socket, asio::dynamic_buffer(line), '\n', error);
    return !error && line.find("\"done\":true") != std::string::npos;
  }

  asio::io_context io_;
  std::string path_;
  std::unique_ptr<ControlServer> server_;
};

TEST_F(ControlClientsTest, ConnectionsThatOnlyStandThereKeepNobodyOut) {
  std::list<Socket> idle;
  for (std::size_t i = 0; i < ControlServer::kMaxClients + 10; ++i) idle.push_back(connect());
  Socket late = connect();
  EXPECT_TRUE(answers(late));
  EXPECT_FALSE(answers(idle.front())) << "the oldest made room";
  EXPECT_TRUE(answers(idle.back()));
}

TEST_F(ControlClientsTest, FollowersStayWhenOthersMakeRoom) {
  Socket follower = connect();
  asio::write(
      follower,
      asio::buffer(std::string("{\"v\":1,\"id\":3,\"method\":\"events\",\"params\":{\"follow\":true}}\n")));
  serve();
  std::list<Socket> idle;
  for (std::size_t i = 0; i < 2 * ControlServer::kMaxClients; ++i) idle.push_back(connect());
  server_->publish(nlohmann::json{{"kind", "test"}});
  serve();
  std::string text;
  asio::read_until(follower, asio::dynamic_buffer(text), "\"test\"");
  EXPECT_NE(text.find("\"event\""), std::string::npos);
}

}  // namespace
}  // namespace headgate::control
