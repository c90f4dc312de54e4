#include "dataplane/bridge/net/connector.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>
#include <utility>

#include "dataplane/bridge/net/address.h"
#include "dataplane/bridge/tls/context.h"

namespace headgate::bridge::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

// One context for all connections of an io_context, made anew where authorities were added or taken away.
class SharedAuthorities : public asio::execution_context::service {
 public:
  static inline asio::execution_context::id id;
  explicit SharedAuthorities(asio::execution_context& context) : service(context) {}
  tl::expected<std::shared_ptr<const tls::ClientContext>, std::string> context() {
    std::string now = tls::ClientContext::authorities();
    if (context_ != nullptr && now == of_) return context_;
    auto made = tls::ClientContext::make();
    if (made) {
      context_ = *made;
      of_ = std::move(now);
    }
    return made;
  }

 private:
  void shutdown() override { context_.reset(); }

  std::shared_ptr<const tls::ClientContext> context_;
  std::string of_;
};

}  // namespace

Connector::Connector(asio::io_context& context, Target target)
    : target_(std::move(target)), socket_(context), next_timer_(context), limit_timer_(context) {}

void Connector::start(Resolver& resolver, std::chrono::nanoseconds limit, OnDone done) {
  done_ = std::move(done);
  limit_ = std::chrono::duration_cast<std::chrono::steady_clock::duration>(limit);
  doing_ = "no answer to the look-up of " + target_.host;
  limit_timer_.expires_after(limit_);
  limit_timer_.async_wait([self = shared_from_this()](error_code error) {
    if (error || !self->done_) return;
    self->finish(
        fmt::format("{} within {:g} s", self->doing_, std::chrono::duration<double>(self->limit_).count()));
  });
  resolver.resolve(target_.host, target_.port,
                   [weak = weak_from_this()](std::vector<tcp::endpoint> found, const std::string& error) {
                     const auto self = weak.lock();
                     if (!self || !self->done_) return;
                     if (!error.empty())
                       return self->finish("can't resolve " + self->target_.host + ": " + error);
                     self->endpoints_ = std::move(found);
                     self->try_next();
                   });
}

void Connector::cancel() {
  done_ = nullptr;
  next_timer_.cancel();
  limit_timer_.cancel();
  error_code ignored;
  socket_.close(ignored);
  if (transport_) transport_->close();
}

void Connector::finish(const std::string& error) {
  const OnDone done = std::exchange(done_, nullptr);
  limit_timer_.cancel();
  next_timer_.cancel();
  if (error.empty()) return done(std::move(*transport_));
  cancel();
  done(tl::unexpected(error));
}

// One address after the other; one that is silent is left when there is another.
void Connector::try_next() {
  const std::size_t attempt = ++attempt_;
  const tcp::endpoint endpoint = endpoints_[attempt - 1];
  peer_ = address_text(endpoint.data());
  doing_ = "no answer from " + peer_;
  error_code ignored;
  socket_.close(ignored);
  if (attempt < endpoints_.size()) {
    next_timer_.expires_after(limit_ / std::min<std::size_t>(endpoints_.size(), 4));
    next_timer_.async_wait([self = shared_from_this(), attempt](error_code error) {
      if (!error && self->done_ && self->attempt_ == attempt) self->try_next();
    });
  }
  socket_.async_connect(endpoint, [self = shared_from_this(), attempt](error_code error) {
    if (!self->done_ || self->attempt_ != attempt) return;
    if (error && attempt < self->endpoints_.size()) return self->try_next();
    if (error) return self->finish("can't connect to " + self->peer_ + ": " + error.message());
    self->next_timer_.cancel();
    self->on_connected();
  });
}

void Connector::on_connected() {
  // A late answer must not bring the next address into it.
  ++attempt_;
  error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(tcp::no_delay(true), ignored);
  std::unique_ptr<tls::Stream> tls;
  if (target_.tls) {
    auto& authorities =
        asio::use_service<SharedAuthorities>(asio::query(socket_.get_executor(), asio::execution::context));
    const auto context = authorities.context();
    if (!context) return finish("TLS with " + target_.host + ": " + context.error());
    tls = (*context)->stream(socket_.native_handle(), target_.host);
    if (!tls) return finish("TLS with " + target_.host + ": no memory");
    doing_ = "no end to the TLS handshake with " + peer_;
  }
  transport_.emplace(std::move(socket_), std::move(tls));
  shake_hands();
}

void Connector::shake_hands() {
  // A broken socket is ready as well: the next call says what is wrong.
  const auto again = [self = shared_from_this()](const error_code&) {
    if (self->done_) self->shake_hands();
  };
  switch (transport_->handshake()) {
    case Transport::Status::done:
      return finish("");
    case Transport::Status::closed:
      return finish("TLS with " + target_.host + ": the server ended the handshake");
    case Transport::Status::failed:
      return finish("TLS with " + target_.host + ": " + transport_->error());
    case Transport::Status::want_read:
      return transport_->wait_readable(again);
    case Transport::Status::want_write:
      return transport_->wait_writable(again);
  }
}

}  // namespace headgate::bridge::net
