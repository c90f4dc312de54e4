// One player's socket: reads into the session, writes what the session gathers. Nothing is held for a write
// that the socket does not take at once. Threading: owned by the thread that runs the io_context.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <string>

#include "dataplane/bridge/rtmp/session.h"

namespace headgate::bridge::rtmp {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // Called once when the connection is over; may not destroy the host of its session.
  using OnClosed = std::function<void(Connection&)>;

  Connection(boost::asio::ip::tcp::socket socket, std::string client, SessionHost& host,
             std::uint64_t filling, const SessionLimits& limits, OnClosed on_closed);

  void start() { wait_readable(); }
  // Sends what there is to send, as far as the socket takes it. Returns the bytes sent.
  std::size_t flush(Session::Clock::time_point now);
  void on_tick(Session::Clock::time_point now);
  void close();
  Session& session() { return session_; }
  const std::string& client() const { return client_; }

 private:
  void wait_readable();
  void wait_writable();
  void on_readable();

  boost::asio::ip::tcp::socket socket_;
  std::string client_;
  Session session_;
  OnClosed on_closed_;
  bool writable_awaited_ = false;
  bool said_goodbye_ = false;
  bool closed_ = false;
};

}  // namespace headgate::bridge::rtmp
