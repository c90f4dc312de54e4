// One client's socket: reads into the session, writes what the session gathers. Nothing is held for a write
// that the socket does not take at once. Threading: owned by the thread that runs the io_context.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "dataplane/bridge/net/transport.h"
#include "dataplane/bridge/rtmp/session.h"

namespace headgate::bridge::rtmp {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // Called once when the connection is over; may not destroy the host of its session.
  using OnClosed = std::function<void(Connection&)>;

  Connection(net::Transport transport, std::string client, SessionHost& host, std::uint64_t filling,
             const SessionLimits& limits, OnClosed on_closed);

  void start() { wait_readable(); }
  // Sends what there is to send, as far as the socket takes it.
  void flush(Session::Clock::time_point now);
  void on_tick(Session::Clock::time_point now);
  void close();
  Session& session() { return session_; }
  // False: it neither plays nor publishes.
  bool describe(Session::Clock::time_point now, hub::SessionInfo& out);
  const std::string& client() const { return client_; }
  const std::string& peer() const { return transport_.peer(); }

 private:
  void wait_readable();
  void wait_writable();
  void on_readable();
  // False: the connection is closed, or TLS is not agreed yet.
  bool shake_hands();
  void fail_transport();

  net::Transport transport_;
  std::string client_;
  Session session_;
  OnClosed on_closed_;
  bool writable_awaited_ = false;
  bool said_goodbye_ = false;
  bool closed_ = false;
};

}  // namespace headgate::bridge::rtmp
