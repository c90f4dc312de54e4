#include "dataplane/bridge/pull/link.h"

#include <array>
#include <optional>
#include <utility>

#include "dataplane/bridge/net/connector.h"
#include "dataplane/bridge/net/transport.h"

namespace headgate::bridge::pull {

namespace asio = boost::asio;
using boost::system::error_code;
using Status = net::Transport::Status;

namespace {

class AsioLink final : public Link, public std::enable_shared_from_this<AsioLink> {
 public:
  explicit AsioLink(asio::io_context& context) : context_(context) {}

  void connect(net::Resolver& resolver, const Url& url, std::chrono::nanoseconds limit,
               OnDone done) override {
    connector_ =
        std::make_shared<net::Connector>(context_, net::Connector::Target{url.host, url.port, url.tls});
    connector_->start(resolver, limit,
                      [self = shared_from_this(),
                       done = std::move(done)](tl::expected<net::Transport, std::string> connected) {
                        self->connector_.reset();
                        if (!connected) return done(connected.error());
                        self->transport_.emplace(std::move(*connected));
                        done("");
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
    if (connector_) connector_->cancel();
    connector_.reset();
    if (transport_) transport_->close();
  }

  std::string peer() const override { return transport_ ? transport_->peer() : std::string(); }

 private:
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

  asio::io_context& context_;
  std::shared_ptr<net::Connector> connector_;  // while it connects
  std::optional<net::Transport> transport_;    // once connected
  std::string out_;
  std::size_t sent_ = 0;  // of it
  bool drained_ = true;   // nothing was left to read
  std::array<std::uint8_t, 64 * 1024> in_;
  bool closed_ = false;
};

}  // namespace

std::shared_ptr<Link> make_link(asio::io_context& context) { return std::make_shared<AsioLink>(context); }

}  // namespace headgate::bridge::pull
