// Goes to a server: looks up its name, connects to its addresses one after the other, and agrees on TLS where
// that is wanted, all within a limit; once. Errors name the server and what was being done. Threading: owned
// by the thread that runs the io_context. Ownership: shared with its handlers; after cancel() nobody is
// called.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "dataplane/bridge/net/resolver.h"
#include "dataplane/bridge/net/transport.h"

namespace headgate::bridge::net {

class Connector : public std::enable_shared_from_this<Connector> {
 public:
  struct Target {
    std::string host;  // a name or an address, IPv6 without brackets
    std::uint16_t port = 0;
    bool tls = false;
  };
  // A transport with its handshake done. Not called from within start().
  using OnDone = std::function<void(tl::expected<Transport, std::string>)>;

  Connector(boost::asio::io_context& context, Target target);

  // `resolver`: needed while this call lasts.
  void start(Resolver& resolver, std::chrono::nanoseconds limit, OnDone done);
  void cancel();

 private:
  void try_next();
  void on_connected();
  void shake_hands();
  void finish(const std::string& error);

  Target target_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer next_timer_;
  boost::asio::steady_timer limit_timer_;
  std::optional<Transport> transport_;  // once connected
  OnDone done_;                         // null: nobody is to be called any more
  std::chrono::steady_clock::duration limit_{};
  std::string doing_;
  std::vector<boost::asio::ip::tcp::endpoint> endpoints_;
  std::size_t attempt_ = 0;
  std::string peer_;
};

}  // namespace headgate::bridge::net
