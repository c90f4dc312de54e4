#include "dataplane/bridge/rtmp/connection.h"

#include "dataplane/bridge/rtmp/turn.h"

namespace headgate::bridge::rtmp {

using boost::system::error_code;
using Clock = Session::Clock;
using net::Transport;

Connection::Connection(Transport transport, std::string client, SessionHost& host, std::uint64_t filling,
                       const SessionLimits& limits, OnClosed on_closed)
    : transport_(std::move(transport)),
      client_(std::move(client)),
      session_(host, Clock::now(), filling, limits),
      on_closed_(std::move(on_closed)) {}

void Connection::wait_readable() {
  transport_.wait_readable([self = shared_from_this()](error_code error) {
    if (self->closed_) return;
    if (error) return self->close();
    self->on_readable();
  });
}

void Connection::fail_transport() {
  if (!transport_.error().empty() && !transport_.ready()) session_.on_transport_failed(transport_.error());
  close();
}

bool Connection::shake_hands() {
  if (transport_.ready()) return true;
  const auto status = transport_.handshake();
  if (status == Transport::Status::done) return true;
  if (status == Transport::Status::want_read) {
    wait_readable();
  } else if (status == Transport::Status::want_write) {
    wait_writable();
  } else {
    fail_transport();
  }
  return false;
}

void Connection::on_readable() {
  if (!shake_hands()) return;
  const auto now = Clock::now();
  const auto got = read_turn(transport_, [&](std::span<const std::uint8_t> bytes) {
    session_.on_bytes(now, bytes);
    flush(now);
    return !closed_;
  });
  if (closed_) return;
  if (got.status == Transport::Status::closed || got.status == Transport::Status::failed) return close();
  if (got.status != Transport::Status::done) return wait_readable();
  transport_.post([self = shared_from_this()] {
    if (!self->closed_) self->on_readable();
  });
}

void Connection::flush(Clock::time_point now) {
  if (closed_ || !transport_.ready()) return;
  // It holds back no more of the channel's log than it may ever get.
  if (writable_awaited_) return session_.keep_up();
  const auto put = send_turn(transport_, session_, now);
  switch (put.status) {
    case Transport::Status::failed:
    case Transport::Status::closed:
      return close();
    case Transport::Status::want_read:  // TLS: goes on when something is read
      return;
    case Transport::Status::want_write:
      return wait_writable();
    case Transport::Status::done:
      break;
  }
  if (session_.over()) return close();
  if (put.bytes >= kSendTurn) return wait_writable();
  if (!session_.ending() || said_goodbye_) return;
  // Closing over bytes not yet read would reset the connection and might take the last message with it.
  said_goodbye_ = true;
  transport_.end();
}

void Connection::wait_writable() {
  if (writable_awaited_) return;
  writable_awaited_ = true;
  transport_.wait_writable([self = shared_from_this()](error_code error) {
    self->writable_awaited_ = false;
    if (self->closed_) return;
    if (error) return self->close();
    if (!self->transport_.ready()) return self->on_readable();  // TLS's handshake goes on
    self->flush(Clock::now());
  });
}

void Connection::on_tick(Clock::time_point now) {
  if (closed_ || now < session_.next_deadline()) return;
  session_.on_timer(now);
  if (session_.over()) return close();
  flush(now);
}

bool Connection::describe(Clock::time_point now, hub::SessionInfo& out) {
  if (closed_ || !session_.describe(now, out)) return false;
  out.protocol = transport_.secure() ? "rtmps" : "rtmp";
  out.address = transport_.peer();
  out.rtt_ns = transport_.round_trip_ns();
  return true;
}

void Connection::close() {
  if (closed_) return;
  closed_ = true;
  transport_.close();
  session_.on_closed();
  on_closed_(*this);
}

}  // namespace headgate::bridge::rtmp
