#include "dataplane/bridge/rtmp/connection.h"

#include <array>

namespace headgate::bridge::rtmp {

using boost::system::error_code;
using Clock = Session::Clock;
using net::Transport;

namespace {

// Bytes in one turn of a connection, so that none keeps the others waiting.
constexpr std::size_t kTurn = 4 * 1024 * 1024;
constexpr std::size_t kReadTurn = 256 * 1024;

}  // namespace

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
  std::array<std::uint8_t, 32 * 1024> bytes;
  const auto now = Clock::now();
  std::size_t taken = 0;
  // TLS may hold more than the socket shows, so all of it is read; in turns, so that none keeps the others
  // waiting.
  while (!closed_ && taken < kReadTurn) {
    const auto got = transport_.read(bytes);
    if (got.bytes > 0) {
      taken += got.bytes;
      session_.on_bytes(now, std::span(bytes).first(got.bytes));
      flush(now);
    }
    if (closed_) return;
    if (got.status == Transport::Status::closed || got.status == Transport::Status::failed) return close();
    if (got.status != Transport::Status::done) break;
  }
  if (closed_) return;
  if (taken < kReadTurn) return wait_readable();
  // More of it lies in TLS, perhaps, for which the socket would not wake us.
  transport_.post([self = shared_from_this()] {
    if (!self->closed_) self->on_readable();
  });
}

std::size_t Connection::flush(Clock::time_point now) {
  std::size_t sent = 0;
  if (closed_ || !transport_.ready()) return sent;
  if (writable_awaited_) {
    // It holds back no more of the channel's log than it may ever get.
    session_.keep_up();
    return sent;
  }
  Gather gather;
  while (!session_.over() && sent < kTurn) {
    const bool more = session_.gather(gather);
    if (!more && !transport_.waiting()) break;
    const auto put = transport_.write(more ? gather.buffers() : std::span<const iovec>());
    if (put.status == Transport::Status::failed || put.status == Transport::Status::closed) {
      close();
      return sent;
    }
    if (put.bytes > 0) {
      session_.on_sent(now, put.bytes);
      sent += put.bytes;
    }
    if (put.status == Transport::Status::want_read) return sent;  // TLS: goes on when something is read
    if (put.status == Transport::Status::want_write) {
      session_.on_blocked(now);
      wait_writable();
      return sent;
    }
  }
  if (session_.over()) {
    close();
  } else if (session_.ending() && !said_goodbye_ && sent < kTurn) {
    // Closing over bytes not yet read would reset the connection and might take the last message with it.
    said_goodbye_ = true;
    transport_.end();
  } else if (sent >= kTurn) {
    wait_writable();
  }
  return sent;
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

void Connection::close() {
  if (closed_) return;
  closed_ = true;
  transport_.close();
  session_.on_closed();
  on_closed_(*this);
}

}  // namespace headgate::bridge::rtmp
