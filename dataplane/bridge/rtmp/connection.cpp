#include "dataplane/bridge/rtmp/connection.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace headgate::bridge::rtmp {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = Session::Clock;

namespace {

// Bytes in one turn of a connection, so that none keeps the others waiting.
constexpr std::size_t kTurn = 4 * 1024 * 1024;

}  // namespace

Connection::Connection(tcp::socket socket, std::string client, SessionHost& host, std::uint64_t filling,
                       const SessionLimits& limits, OnClosed on_closed)
    : socket_(std::move(socket)),
      client_(std::move(client)),
      session_(host, Clock::now(), filling, limits),
      on_closed_(std::move(on_closed)) {}

void Connection::wait_readable() {
  socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](error_code error) {
    if (self->closed_) return;
    if (error) return self->close();
    self->on_readable();
  });
}

void Connection::on_readable() {
  std::array<std::uint8_t, 16 * 1024> bytes;
  const ssize_t n = ::recv(socket_.native_handle(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return close();
  if (n > 0) {
    const auto now = Clock::now();
    session_.on_bytes(now, std::span(bytes).first(static_cast<std::size_t>(n)));
    flush(now);
  }
  if (!closed_) wait_readable();
}

std::size_t Connection::flush(Clock::time_point now) {
  std::size_t sent = 0;
  if (closed_) return sent;
  if (writable_awaited_) {
    // It holds back no more of the channel's log than it may ever get.
    session_.keep_up();
    return sent;
  }
  Gather gather;
  while (!session_.over() && sent < kTurn && session_.gather(gather)) {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(gather.buffers().data());
    message.msg_iovlen = gather.buffers().size();
    const ssize_t n = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) {
      close();
      return sent;
    }
    if (n > 0) {
      session_.on_sent(now, static_cast<std::size_t>(n));
      sent += static_cast<std::size_t>(n);
    }
    if (n < 0 || static_cast<std::size_t>(n) < gather.total()) {
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
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
  } else if (sent >= kTurn) {
    wait_writable();
  }
  return sent;
}

void Connection::wait_writable() {
  if (writable_awaited_) return;
  writable_awaited_ = true;
  socket_.async_wait(tcp::socket::wait_write, [self = shared_from_this()](error_code error) {
    self->writable_awaited_ = false;
    if (self->closed_) return;
    if (error) return self->close();
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
  error_code ignored;
  socket_.close(ignored);
  session_.on_closed();
  on_closed_(*this);
}

}  // namespace headgate::bridge::rtmp
