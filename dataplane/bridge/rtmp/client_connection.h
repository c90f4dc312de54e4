// A client's socket: finds the server, connects, agrees on TLS where the address asks for it, then moves
// bytes between socket and client. Ends once, with the reason. Threading: owned by the thread that runs the
// io_context. Ownership: shared with its handlers; after close() nothing of its owner is called, the resolver
// included.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/bridge/net/resolver.h"
#include "dataplane/bridge/net/transport.h"
#include "dataplane/bridge/rtmp/client.h"

namespace headgate::bridge::rtmp {

class ClientConnection : public std::enable_shared_from_this<ClientConnection> {
 public:
  // `error`: without secrets; "": the server ended the stream as it should.
  using OnOver = std::function<void(const std::string& error)>;

  // `resolver`: of this owner alone, so that a name that is not found keeps nobody else waiting.
  ClientConnection(boost::asio::io_context& context, net::Resolver& resolver, const Url& url,
                   Client::Purpose purpose, ClientHost& host, std::uint64_t filling,
                   const ClientLimits& limits, OnOver on_over);

  void start();
  void flush();
  // Ends it without a call of `on_over`; by word where the connection stands.
  void close();
  // Null before the connection stands.
  Client* client() { return client_ ? &*client_ : nullptr; }
  std::string peer() const { return transport_ ? transport_->peer() : std::string(); }
  std::uint64_t bytes() const { return bytes_; }  // sent

 private:
  using Endpoints = std::vector<boost::asio::ip::tcp::endpoint>;
  void connect(const Endpoints& endpoints);
  void on_connected();
  void secure();
  void begin();
  void wait_readable();
  void wait_writable();
  void on_readable();
  void tick();
  void end(const std::string& error);
  void check();

  Url url_;
  Client::Purpose purpose_;
  ClientHost& host_;
  std::uint64_t filling_;
  ClientLimits limits_;
  OnOver on_over_;
  net::Resolver& resolver_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  Client::Clock::time_point connect_deadline_;
  std::optional<net::Transport> transport_;
  std::optional<Client> client_;
  std::uint64_t bytes_ = 0;
  bool found_ = false;  // the server's addresses
  bool writable_awaited_ = false;
  bool closed_ = false;
};

}  // namespace headgate::bridge::rtmp
