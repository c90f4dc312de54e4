#include "dataplane/bridge/net/listeners.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>

#include "dataplane/bridge/net/listen_address.h"

namespace headgate::bridge::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr int kBacklog = 1024;
// Trying again at once would spin.
constexpr std::chrono::milliseconds kPause{100};

struct Listener {
  explicit Listener(asio::io_context& context) : acceptor(context), retry(context) {}

  error_code open() {
    error_code error;
    const tcp::endpoint endpoint(asio::ip::make_address(parsed.host, error), parsed.port);
    if (!error) acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error && endpoint.address().is_v6()) {
      acceptor.set_option(asio::ip::v6_only(!endpoint.address().is_unspecified()), error);
    }
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(kBacklog, error);
    if (error) close();
    ++opened;
    return error;
  }
  void close() {
    error_code ignored;
    acceptor.close(ignored);
    retry.cancel();
  }
  std::uint16_t port() const {
    error_code ignored;
    return acceptor.local_endpoint(ignored).port();
  }

  Listeners::Address address;
  ListenAddress parsed;
  tcp::acceptor acceptor;
  asio::steady_timer retry;
  unsigned opened = 0;  // so many times: what was asked of it before is nobody's any more
};

}  // namespace

struct Listeners::Impl : std::enable_shared_from_this<Listeners::Impl> {
  using Pointer = std::shared_ptr<Listener>;

  Impl(asio::io_context& c, OnSocket socket, OnError error)
      : context(c), on_socket(std::move(socket)), on_error(std::move(error)) {}

  void accept(const Pointer& listener) {
    listener->acceptor.async_accept([self = shared_from_this(), listener, opened = listener->opened](
                                        error_code error, tcp::socket socket) {
      const auto stands = [&] { return listener->acceptor.is_open() && listener->opened == opened; };
      if (!stands()) return;
      if (!error) {
        self->on_socket(std::move(socket), listener->address);
        if (stands()) self->accept(listener);
        return;
      }
      self->on_error();
      self->accept_later(listener);
    });
  }
  void accept_later(const Pointer& listener) {
    listener->retry.expires_after(kPause);
    listener->retry.async_wait(
        [self = shared_from_this(), listener, opened = listener->opened](error_code cancelled) {
          if (!cancelled && listener->acceptor.is_open() && listener->opened == opened)
            self->accept(listener);
        });
  }
  void reopen(const Pointer& listener) {
    if (!listener->open()) accept(listener);
  }
  tl::expected<void, std::string> listen(const std::vector<Address>& addresses);

  asio::io_context& context;
  OnSocket on_socket;
  OnError on_error;
  std::vector<Pointer> all;
};

tl::expected<void, std::string> Listeners::Impl::listen(const std::vector<Address>& addresses) {
  std::vector<Pointer> wanted, fresh, made_way;
  auto old = all;
  const auto give_up = [&](const std::string& reason) {
    for (const auto& each : fresh) each->close();
    for (const auto& each : made_way) reopen(each);
    return tl::unexpected<std::string>(reason);
  };
  for (const Address& address : addresses) {
    const auto kept =
        std::find_if(old.begin(), old.end(), [&](const auto& l) { return l->address == address; });
    if (kept != old.end()) {
      wanted.push_back(*kept);
      old.erase(kept);
      continue;
    }
    auto parsed = parse_listen_address(address.text);
    if (!parsed) return tl::unexpected<std::string>(parsed.error());
    auto listener = std::make_shared<Listener>(context);
    listener->address = address;
    listener->parsed = std::move(*parsed);
    fresh.push_back(listener);
    wanted.push_back(listener);
  }
  for (const Pointer& listener : fresh) {
    error_code error = listener->open();
    if (error == asio::error::address_in_use) {
      // By one of ours that goes, perhaps: "[::]:80" and "0.0.0.0:80" exclude each other.
      for (const Pointer& other : old) {
        if (!other->acceptor.is_open() || other->port() != listener->parsed.port) continue;
        other->close();
        made_way.push_back(other);
      }
      if (!made_way.empty()) error = listener->open();
    }
    if (error) return give_up("can't listen on " + listener->address.text + ": " + error.message());
  }
  for (const Pointer& each : old) each->close();
  all = std::move(wanted);
  for (const Pointer& each : fresh) accept(each);
  return {};
}

Listeners::Listeners(asio::io_context& context, OnSocket on_socket, OnError on_error)
    : impl_(std::make_shared<Impl>(context, std::move(on_socket), std::move(on_error))) {}

Listeners::~Listeners() { close(); }

tl::expected<void, std::string> Listeners::listen(const std::vector<Address>& addresses) {
  return impl_->listen(addresses);
}

std::vector<std::uint16_t> Listeners::ports() const {
  std::vector<std::uint16_t> ports;
  for (const auto& listener : impl_->all) ports.push_back(listener->port());
  return ports;
}

void Listeners::close() {
  for (const auto& listener : impl_->all) listener->close();
  impl_->all.clear();
}

}  // namespace headgate::bridge::net
