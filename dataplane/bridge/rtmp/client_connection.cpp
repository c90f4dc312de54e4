#include "dataplane/bridge/rtmp/client_connection.h"

#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>

#include "dataplane/bridge/tls/context.h"

namespace headgate::bridge::rtmp {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = Client::Clock;
using net::Transport;

namespace {

constexpr std::chrono::milliseconds kTick{250};
// To find the server, connect to one of its addresses and agree on TLS.
constexpr std::chrono::seconds kConnectTime{10};
constexpr std::size_t kTurn = 4 * 1024 * 1024;
constexpr std::size_t kReadTurn = 256 * 1024;
// What the kernel may hold unsent, so that a slow server can still be moved on.
constexpr int kUnsentBytes = 128 * 1024;

}  // namespace

ClientConnection::ClientConnection(asio::io_context& context, net::Resolver& resolver, const Url& url,
                                   Client::Purpose purpose, ClientHost& host, std::uint64_t filling,
                                   const ClientLimits& limits, OnOver on_over)
    : url_(url),
      purpose_(purpose),
      host_(host),
      filling_(filling),
      limits_(limits),
      on_over_(std::move(on_over)),
      resolver_(resolver),
      socket_(context),
      timer_(context) {}

void ClientConnection::start() {
  connect_deadline_ = Clock::now() + kConnectTime;
  tick();
  resolver_.resolve(url_.host, url_.port,
                    [self = shared_from_this()](const Endpoints& found, const std::string& error) {
                      if (self->closed_) return;
                      if (!error.empty()) return self->end("can't find " + self->url_.host + ": " + error);
                      self->connect(found);
                    });
}

void ClientConnection::connect(const Endpoints& endpoints) {
  found_ = true;
  asio::async_connect(socket_, endpoints,
                      [self = shared_from_this()](error_code failed, const tcp::endpoint&) {
                        if (self->closed_) return;
                        if (failed)
                          return self->end("can't connect to " + self->url_.host + ":" +
                                           std::to_string(self->url_.port) + ": " + failed.message());
                        self->on_connected();
                      });
}

void ClientConnection::on_connected() {
  error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(tcp::no_delay(true), ignored);
  ::setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kUnsentBytes, sizeof(kUnsentBytes));
  std::unique_ptr<tls::Stream> stream;
  if (url_.tls) {
    const auto context = tls::ClientContext::make();
    if (!context) return end(context.error());
    stream = (*context)->stream(socket_.native_handle(), url_.host);
    if (stream == nullptr) return end("TLS can't be set up for " + url_.host);
  }
  transport_.emplace(std::move(socket_), std::move(stream));
  secure();
}

void ClientConnection::secure() {
  const auto status = transport_->handshake();
  const auto again = [self = shared_from_this()](error_code failed) {
    if (self->closed_) return;
    if (failed) return self->end(failed.message());
    self->secure();
  };
  switch (status) {
    case Transport::Status::done:
      return begin();
    case Transport::Status::want_read:
      return transport_->wait_readable(again);
    case Transport::Status::want_write:
      return transport_->wait_writable(again);
    case Transport::Status::closed:
      return end("the server closed the connection at TLS's handshake");
    case Transport::Status::failed:
      return end("TLS: " + transport_->error());
  }
}

void ClientConnection::begin() {
  client_.emplace(host_, url_, purpose_, Clock::now(), filling_, limits_);
  wait_readable();
  flush();
}

void ClientConnection::wait_readable() {
  transport_->wait_readable([self = shared_from_this()](error_code error) {
    if (self->closed_) return;
    if (error) return self->end(error.message());
    self->on_readable();
  });
}

void ClientConnection::on_readable() {
  const auto self = shared_from_this();  // the owner may let go of it meanwhile
  std::array<std::uint8_t, 32 * 1024> bytes;
  std::size_t taken = 0;
  while (!closed_ && taken < kReadTurn) {
    const auto got = transport_->read(bytes);
    if (got.bytes > 0) {
      taken += got.bytes;
      client_->on_bytes(Clock::now(), std::span(bytes).first(got.bytes));
      flush();
    }
    if (closed_) return;
    if (got.status == Transport::Status::closed) {
      client_->on_closed();
      return check();
    }
    if (got.status == Transport::Status::failed) return end(transport_->error());
    if (got.status != Transport::Status::done) return wait_readable();
  }
  if (closed_) return;
  transport_->post([self] {
    if (!self->closed_) self->on_readable();
  });
}

void ClientConnection::flush() {
  if (closed_ || !client_) return;
  if (writable_awaited_) return client_->keep_up();
  Gather gather;
  std::size_t sent = 0;
  while (sent < kTurn) {
    const bool more = client_->gather(gather);
    if (!more && !transport_->waiting()) break;
    const auto put = transport_->write(more ? gather.buffers() : std::span<const iovec>());
    if (put.status == Transport::Status::failed) return end(transport_->error());
    if (put.status == Transport::Status::closed) return end("the server closed the connection");
    if (put.bytes > 0) {
      client_->on_sent(Clock::now(), put.bytes);
      sent += put.bytes;
      bytes_ += put.bytes;
    }
    if (put.status == Transport::Status::want_read) break;
    if (put.status == Transport::Status::want_write) {
      client_->on_blocked(Clock::now());
      wait_writable();
      break;
    }
  }
  if (sent >= kTurn) wait_writable();
  check();
}

void ClientConnection::check() {
  if (client_->over()) end(client_->error());
}

void ClientConnection::wait_writable() {
  if (writable_awaited_) return;
  writable_awaited_ = true;
  transport_->wait_writable([self = shared_from_this()](error_code error) {
    self->writable_awaited_ = false;
    if (self->closed_) return;
    if (error) return self->end(error.message());
    self->flush();
  });
}

void ClientConnection::tick() {
  timer_.expires_after(kTick);
  timer_.async_wait([self = shared_from_this()](error_code error) {
    if (error || self->closed_) return;
    const auto now = Clock::now();
    if (!self->client_) {
      if (now >= self->connect_deadline_) {
        if (!self->found_)
          return self->end("no answer to the look-up of " + self->url_.host + " within 10 s");
        return self->end("can't connect to " + self->url_.host + ":" + std::to_string(self->url_.port) +
                         " within 10 s");
      }
      return self->tick();
    }
    self->client_->on_timer(now);
    self->check();
    if (!self->closed_) self->tick();
  });
}

void ClientConnection::end(const std::string& error) {
  if (closed_) return;
  const auto self = shared_from_this();
  const OnOver told = std::move(on_over_);
  close();
  told(without_secrets(error, url_));
}

void ClientConnection::close() {
  if (closed_) return;
  closed_ = true;
  timer_.cancel();
  resolver_.cancel();
  error_code ignored;
  socket_.close(ignored);
  if (client_ && !client_->over() && !writable_awaited_) {
    client_->leave();
    Gather gather;
    if (client_->gather(gather)) transport_->write(gather.buffers());
  }
  if (transport_) transport_->close();
}

}  // namespace headgate::bridge::rtmp
