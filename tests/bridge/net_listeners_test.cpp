#include "dataplane/bridge/net/listeners.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

namespace headgate::bridge::net {
namespace {

using boost::asio::ip::tcp;

class NetListeners : public testing::Test {
 protected:
  static Listeners::Address at(const std::string& host, std::uint16_t port) {
    return {host + ":" + std::to_string(port)};
  }
  void call(std::uint16_t port) {
    tcp::socket socket(context);
    boost::system::error_code error;
    socket.connect({boost::asio::ip::make_address("127.0.0.1"), port}, error);
    ASSERT_FALSE(error) << error.message();
    calls.push_back(std::move(socket));
  }
  // Whatever is ready, and what the pause after an error would bring.
  void run() {
    context.restart();
    context.run_for(std::chrono::milliseconds(250));
  }

  boost::asio::io_context context;
  int accepted = 0;
  int errors = 0;
  std::vector<tcp::socket> calls;
  Listeners listeners{context, [this](tcp::socket, const Listeners::Address&) { ++accepted; },
                      [this] { ++errors; }};
};

TEST_F(NetListeners, OneThatMadeWayInVainGoesOnAsItWas) {
  ASSERT_TRUE(listeners.listen({at("127.0.0.1", 0)}));
  const std::uint16_t port = listeners.ports().at(0);
  ASSERT_TRUE(listeners.listen({at("127.0.0.1", port)}));
  tcp::acceptor foreign(context, tcp::endpoint(boost::asio::ip::make_address("127.0.0.1"), 0));
  // The first excludes the one that listens, which makes way; the second is another program's.
  const auto failed =
      listeners.listen({at("0.0.0.0", port), at("127.0.0.1", foreign.local_endpoint().port())});
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().find("can't listen on 127.0.0.1:"), std::string::npos) << failed.error();
  EXPECT_EQ(listeners.ports().at(0), port);
  call(port);
  call(port);
  run();
  EXPECT_EQ(accepted, 2);
  EXPECT_EQ(errors, 0);
}

TEST_F(NetListeners, CallsNobodyAfterClose) {
  ASSERT_TRUE(listeners.listen({at("127.0.0.1", 0)}));
  call(listeners.ports().at(0));
  listeners.close();
  run();
  EXPECT_EQ(accepted, 0);
  EXPECT_EQ(errors, 0);
}

}  // namespace
}  // namespace headgate::bridge::net
