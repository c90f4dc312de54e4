// A client's socket: finds the server, connects, agrees on TLS where the address asks for it, then moves
// bytes between socket and client. Ends once, with the reason. Threading: owned by the thread that runs the
// io_context. Ownership: shared with its handlers; after close() nothing of its owner is called.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "dataplane/bridge/net/connector.h"
#include "dataplane/bridge/net/transport.h"
#include "dataplane/bridge/rtmp/client.h"

namespace headgate::bridge::rtmp {

class ClientConnection : public std::enable_shared_from_this<ClientConnection> {
 public:
  // `error`: without secrets; "": the server ended the stream as it should.
  using OnOver = std::function<void(const std::string& error)>;

  ClientConnection(boost::asio::io_context& context, const Url& url, Client::Purpose purpose,
                   ClientHost& host, std::uint64_t filling, const ClientLimits& limits, OnOver on_over);

  // `resolver`: needed while this call lasts; of this owner alone, so that a name that is not found keeps
  // nobody else waiting.
  void start(net::Resolver& resolver);
  void flush();
  // Ends it without a call of `on_over`; by word where the connection stands.
  void close();
  // Null before the connection stands.
  Client* client() { return client_ ? &*client_ : nullptr; }
  std::string peer() const { return transport_ ? transport_->peer() : std::string(); }
  std::uint64_t bytes() const { return bytes_; }  // sent

 private:
  void begin(net::Transport transport);
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
  std::shared_ptr<net::Connector> connector_;
  boost::asio::steady_timer timer_;
  std::optional<net::Transport> transport_;
  std::optional<Client> client_;
  std::uint64_t bytes_ = 0;
  bool writable_awaited_ = false;
  bool closed_ = false;
};

}  // namespace headgate::bridge::rtmp
