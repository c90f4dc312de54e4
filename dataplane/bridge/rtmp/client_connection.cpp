#include "dataplane/bridge/rtmp/client_connection.h"

#include <boost/asio/io_context.hpp>

#include "dataplane/bridge/rtmp/turn.h"

namespace headgate::bridge::rtmp {

namespace asio = boost::asio;
using boost::system::error_code;
using Clock = Client::Clock;
using net::Transport;

namespace {

constexpr std::chrono::milliseconds kTick{250};
// To find the server, connect to one of its addresses and agree on TLS.
constexpr std::chrono::seconds kConnectTime{10};
// What the kernel may hold unsent, so that a slow server can still be moved on.
constexpr int kUnsentBytes = 128 * 1024;

}  // namespace

ClientConnection::ClientConnection(asio::io_context& context, const Url& url, Client::Purpose purpose,
                                   ClientHost& host, std::uint64_t filling, const ClientLimits& limits,
                                   OnOver on_over)
    : url_(url),
      purpose_(purpose),
      host_(host),
      filling_(filling),
      limits_(limits),
      on_over_(std::move(on_over)),
      connector_(
          std::make_shared<net::Connector>(context, net::Connector::Target{url.host, url.port, url.tls})),
      timer_(context) {}

void ClientConnection::start(net::Resolver& resolver) {
  connector_->start(resolver, kConnectTime,
                    [self = shared_from_this()](tl::expected<Transport, std::string> connected) {
                      if (!connected) return self->end(connected.error());
                      self->begin(std::move(*connected));
                    });
}

void ClientConnection::begin(Transport transport) {
  transport_.emplace(std::move(transport));
  transport_->limit_unsent(kUnsentBytes);
  client_.emplace(host_, url_, purpose_, Clock::now(), filling_, limits_);
  tick();
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
  const auto got = read_turn(*transport_, [this](std::span<const std::uint8_t> bytes) {
    client_->on_bytes(Clock::now(), bytes);
    flush();
    return !closed_;
  });
  if (closed_) return;
  switch (got.status) {
    case Transport::Status::closed:
      client_->on_closed();
      return check();
    case Transport::Status::failed:
      return end(transport_->error());
    case Transport::Status::want_read:
    case Transport::Status::want_write:
      return wait_readable();
    case Transport::Status::done:
      break;
  }
  transport_->post([self] {
    if (!self->closed_) self->on_readable();
  });
}

void ClientConnection::flush() {
  if (closed_ || !client_) return;
  if (writable_awaited_) return client_->keep_up();
  const auto put = send_turn(*transport_, *client_, Clock::now());
  bytes_ += put.bytes;
  if (put.status == Transport::Status::failed) return end(transport_->error());
  if (put.status == Transport::Status::closed) return end("the server closed the connection");
  if (put.status == Transport::Status::want_write || put.bytes >= kSendTurn) wait_writable();
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
    self->client_->on_timer(Clock::now());
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
  connector_->cancel();
  if (client_ && !client_->over() && !writable_awaited_) {
    client_->leave();
    Gather gather;
    if (client_->gather(gather)) transport_->write(gather.buffers());
  }
  if (transport_) transport_->close();
}

}  // namespace headgate::bridge::rtmp
