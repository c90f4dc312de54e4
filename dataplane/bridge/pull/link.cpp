#include "dataplane/bridge/pull/link.h"

#include <fmt/format.h>

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <utility>

#include "dataplane/bridge/net/transport.h"
#include "dataplane/bridge/tls/context.h"

namespace headgate::bridge::pull {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Status = net::Transport::Status;

namespace {

class AsioLink final : public Link, public std::enable_shared_from_this<AsioLink> {
 public:
  explicit AsioLink(asio::io_context& context)
      : socket_(context), next_timer_(context), limit_timer_(context) {}

  void connect(net::Resolver& resolver, const Url& url, std::chrono::nanoseconds limit,
               OnDone done) override {
    url_ = url;
    done_ = std::move(done);
    limit_ = std::chrono::duration_cast<std::chrono::steady_clock::duration>(limit);
    doing_ = "no answer to the look-up of " + url_.host;
    limit_timer_.expires_after(limit_);
    limit_timer_.async_wait([self = shared_from_this()](error_code error) {
      if (error || self->closed_ || !self->done_) return;
      const std::string why = self->doing_ + within(self->limit_);
      self->finish(why);
    });
    resolver.resolve(url_.host, url_.port,
                     [weak = weak_from_this()](std::vector<tcp::endpoint> found, const std::string& error) {
                       const auto self = weak.lock();
                       if (!self || self->closed_ || !self->done_) return;
                       if (!error.empty())
                         return self->finish("can't resolve " + self->url_.host + ": " + error);
                       self->endpoints_ = std::move(found);
                       self->try_next();
                     });
  }

  void write(std::string bytes, OnDone done) override {
    out_ = std::move(bytes);
    sent_ = 0;
    transport_->post([self = shared_from_this(), done = std::move(done)]() mutable {
      if (!self->closed_) self->write_on(std::move(done));
    });
  }

  void read(OnRead done) override {
    // What TLS has taken from the socket already makes the socket readable no more.
    if (!drained_) {
      transport_->post([self = shared_from_this(), done = std::move(done)]() mutable {
        if (!self->closed_) self->try_read(std::move(done));
      });
    } else {
      wait(Status::want_read, [self = shared_from_this(), done = std::move(done)]() mutable {
        self->try_read(std::move(done));
      });
    }
  }

  void close() override {
    if (std::exchange(closed_, true)) return;
    done_ = nullptr;
    next_timer_.cancel();
    limit_timer_.cancel();
    error_code ignored;
    socket_.close(ignored);
    if (transport_) transport_->close();
  }

  const std::string& peer() const override { return peer_; }

 private:
  static std::string within(std::chrono::nanoseconds limit) {
    return fmt::format(" within {:g} s", std::chrono::duration<double>(limit).count());
  }

  void finish(const std::string& error) {
    limit_timer_.cancel();
    next_timer_.cancel();
    const OnDone done = std::exchange(done_, nullptr);
    if (!error.empty()) close();
    done(error);
  }

  // One address after the other; one that is silent is left when there is another.
  void try_next() {
    const std::size_t attempt = ++attempt_;
    const tcp::endpoint endpoint = endpoints_[attempt - 1];
    peer_ = (endpoint.address().is_v6() ? "[" + endpoint.address().to_string() + "]"
                                        : endpoint.address().to_string()) +
            ":" + std::to_string(endpoint.port());
    doing_ = "no answer from " + peer_;
    error_code ignored;
    socket_.close(ignored);
    if (attempt < endpoints_.size()) {
      next_timer_.expires_after(limit_ / (endpoints_.size() > 4 ? 4 : endpoints_.size()));
      next_timer_.async_wait([self = shared_from_this(), attempt](error_code error) {
        if (!error && !self->closed_ && self->done_ && self->attempt_ == attempt) self->try_next();
      });
    }
    socket_.async_connect(endpoint, [self = shared_from_this(), attempt](error_code error) {
      if (self->closed_ || !self->done_ || self->attempt_ != attempt) return;
      if (error && attempt < self->endpoints_.size()) return self->try_next();
      if (error) return self->finish("can't connect to " + self->peer_ + ": " + error.message());
      self->next_timer_.cancel();
      self->on_connected();
    });
  }

  void on_connected() {
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    std::unique_ptr<tls::Stream> tls;
    if (url_.tls) {
      // Made for each connection: those last, and authorities may be added meanwhile.
      const auto context = tls::ClientContext::make();
      if (!context) return finish("TLS with " + url_.host + ": " + context.error());
      tls = (*context)->stream(socket_.native_handle(), url_.host);
      if (!tls) return finish("TLS with " + url_.host + ": no memory");
      doing_ = "no end to the TLS handshake with " + peer_;
    }
    transport_.emplace(std::move(socket_), std::move(tls));
    shake_hands();
  }

  void shake_hands() {
    const Status status = transport_->handshake();
    switch (status) {
      case Status::done:
        return finish("");
      case Status::closed:
        return finish("TLS with " + url_.host + ": the server ended the handshake");
      case Status::failed:
        return finish("TLS with " + url_.host + ": " + transport_->error());
      case Status::want_read:
      case Status::want_write:
        wait(status, [self = shared_from_this()] {
          if (self->done_) self->shake_hands();
        });
    }
  }

  // For the socket; the link may be closed meanwhile.
  void wait(Status wanted, std::function<void()> then) {
    // A broken socket is ready as well: the call that follows says what is wrong.
    auto ready = [self = shared_from_this(), then = std::move(then)](const error_code&) {
      if (!self->closed_) then();
    };
    wanted == Status::want_write ? transport_->wait_writable(std::move(ready))
                                 : transport_->wait_readable(std::move(ready));
  }

  void write_on(OnDone done) {
    const iovec rest{out_.data() + sent_, out_.size() - sent_};
    const net::Transport::Transfer took = transport_->write({&rest, 1});
    sent_ += took.bytes;
    if (took.status == Status::closed)
      return done("the request was not taken: the server closed the connection");
    if (took.status == Status::failed) return done("the request was not taken: " + transport_->error());
    if (sent_ == out_.size() && !transport_->waiting()) return done("");
    wait(took.status == Status::want_read ? Status::want_read : Status::want_write,
         [self = shared_from_this(), done = std::move(done)]() mutable { self->write_on(std::move(done)); });
  }

  void try_read(OnRead done) {
    const net::Transport::Transfer came = transport_->read(in_);
    drained_ = came.status == Status::want_read || came.status == Status::want_write;
    if (came.bytes == 0 && drained_) {
      return wait(came.status, [self = shared_from_this(), done = std::move(done)]() mutable {
        self->try_read(std::move(done));
      });
    }
    Read read;
    read.bytes = std::span(in_).first(came.bytes);
    // A server that just drops the connection cuts TLS without saying so: whether something is missing is
    // known from the answer itself.
    read.end = came.status == Status::closed;
    if (came.status == Status::failed) read.error = "the connection broke: " + transport_->error();
    done(read);
  }

  tcp::socket socket_;
  asio::steady_timer next_timer_;
  asio::steady_timer limit_timer_;
  std::optional<net::Transport> transport_;  // once connected
  Url url_;
  OnDone done_;
  std::chrono::steady_clock::duration limit_{};
  std::string doing_;
  std::vector<tcp::endpoint> endpoints_;
  std::size_t attempt_ = 0;
  std::string peer_;
  std::string out_;
  std::size_t sent_ = 0;  // of it
  bool drained_ = true;   // nothing was left to read
  std::array<std::uint8_t, 64 * 1024> in_;
  bool closed_ = false;
};

}  // namespace

std::shared_ptr<Link> make_link(asio::io_context& context) { return std::make_shared<AsioLink>(context); }

}  // namespace headgate::bridge::pull
