#include "dataplane/bridge/pull/link.h"

#include <fmt/format.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <optional>
#include <utility>

namespace headgate::bridge::pull {

namespace asio = boost::asio;
namespace ssl = asio::ssl;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

// Made for each connection: those last, and certificates may be replaced meanwhile.
ssl::context client_context() {
  ssl::context context(ssl::context::tls_client);
  context.set_options(ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
  error_code ignored;  // without authorities no certificate is believed, which is said then
  context.set_default_verify_paths(ignored);
  context.set_verify_mode(ssl::verify_peer);
  return context;
}

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
    auto written = [self = shared_from_this(), done = std::move(done)](error_code error, std::size_t) {
      if (!self->closed_) done(error ? "the request was not taken: " + error.message() : "");
    };
    if (tls_) {
      asio::async_write(*tls_, asio::buffer(out_), std::move(written));
    } else {
      asio::async_write(socket_, asio::buffer(out_), std::move(written));
    }
  }

  void read(std::function<void(const Read&)> done) override {
    auto came = [self = shared_from_this(), done = std::move(done)](error_code error, std::size_t size) {
      if (self->closed_) return;
      Read read;
      read.bytes = std::span(self->in_).first(size);
      // A server that just drops the connection cuts TLS without saying so: whether something is missing is
      // known from the answer itself.
      read.end = error == asio::error::eof || error == ssl::error::stream_truncated;
      if (error && !read.end) read.error = "the connection broke: " + error.message();
      done(read);
    };
    if (tls_) {
      tls_->async_read_some(asio::buffer(in_), std::move(came));
    } else {
      socket_.async_read_some(asio::buffer(in_), std::move(came));
    }
  }

  void close() override {
    if (std::exchange(closed_, true)) return;
    done_ = nullptr;
    next_timer_.cancel();
    limit_timer_.cancel();
    error_code ignored;
    socket_.close(ignored);
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
    if (!url_.tls) return finish("");
    doing_ = "no end to the TLS handshake with " + peer_;
    context_.emplace(client_context());
    tls_.emplace(socket_, *context_);
    error_code numeric;
    asio::ip::make_address(url_.host, numeric);
    // RFC 6066 3: names only.
    if (numeric) SSL_set_tlsext_host_name(tls_->native_handle(), url_.host.c_str());
    tls_->set_verify_callback(ssl::host_name_verification(url_.host));
    tls_->async_handshake(ssl::stream_base::client, [self = shared_from_this()](error_code error) {
      if (self->closed_ || !self->done_) return;
      if (!error) return self->finish("");
      const long verified = SSL_get_verify_result(self->tls_->native_handle());
      std::string why = "TLS with " + self->url_.host + ": ";
      if (error == ssl::error::stream_truncated || error == asio::error::eof) {
        why += "the server ended the handshake";
      } else if (verified != X509_V_OK) {
        why +=
            std::string("the certificate is not to be trusted: ") + X509_verify_cert_error_string(verified);
      } else {
        why += error.message();
      }
      self->finish(why);
    });
  }

  tcp::socket socket_;
  asio::steady_timer next_timer_;
  asio::steady_timer limit_timer_;
  std::optional<ssl::context> context_;
  std::optional<ssl::stream<tcp::socket&>> tls_;
  Url url_;
  OnDone done_;
  std::chrono::steady_clock::duration limit_{};
  std::string doing_;
  std::vector<tcp::endpoint> endpoints_;
  std::size_t attempt_ = 0;
  std::string peer_;
  std::string out_;
  std::array<std::uint8_t, 64 * 1024> in_;
  bool closed_ = false;
};

}  // namespace

std::shared_ptr<Link> make_link(asio::io_context& context) { return std::make_shared<AsioLink>(context); }

}  // namespace headgate::bridge::pull
