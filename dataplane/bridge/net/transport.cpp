#include "dataplane/bridge/net/transport.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>

#include "dataplane/bridge/net/address.h"
#include "dataplane/bridge/net/round_trip.h"

namespace headgate::bridge::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

std::string name_of(const tcp::socket& socket) {
  error_code error;
  const auto endpoint = socket.remote_endpoint(error);
  return error ? "" : address_text(endpoint.data());
}

}  // namespace

Transport::Transport(tcp::socket socket, std::unique_ptr<tls::Stream> tls)
    : socket_(std::move(socket)), tls_(std::move(tls)), peer_(name_of(socket_)) {}

std::optional<std::int64_t> Transport::round_trip_ns() {
  // Not a member of that name: the function beside.
  return net::round_trip_ns(socket_.native_handle());
}

Transport::Status Transport::handshake() {
  if (tls_ == nullptr) return Status::done;
  const Status status = tls_->handshake();
  if (status == Status::failed) error_ = tls_->error();
  return status;
}

Transport::Transfer Transport::read(std::span<std::uint8_t> into) {
  if (tls_ != nullptr) {
    const Transfer transfer = tls_->read(into);
    if (transfer.status == Status::failed) error_ = tls_->error();
    return transfer;
  }
  while (true) {
    const ssize_t n = ::recv(socket_.native_handle(), into.data(), into.size(), MSG_DONTWAIT);
    if (n > 0) {
      const auto bytes = static_cast<std::size_t>(n);
      return {bytes < into.size() ? Status::want_read : Status::done, bytes};
    }
    if (n == 0) return {Status::closed, 0};
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return {Status::want_read, 0};
    error_ = std::strerror(errno);
    return {Status::failed, 0};
  }
}

Transport::Transfer Transport::write(std::span<const iovec> buffers) {
  if (tls_ != nullptr) {
    const Transfer transfer = tls_->write(buffers);
    if (transfer.status == Status::failed) error_ = tls_->error();
    return transfer;
  }
  if (buffers.empty()) return {};
  std::size_t total = 0;
  for (const iovec& piece : buffers) total += piece.iov_len;
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(buffers.data());
  message.msg_iovlen = buffers.size();
  while (true) {
    const ssize_t n = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      const auto bytes = static_cast<std::size_t>(n);
      return {bytes < total ? Status::want_write : Status::done, bytes};
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return {Status::want_write, 0};
    error_ = std::strerror(errno);
    return {Status::failed, 0};
  }
}

void Transport::limit_unsent(int bytes) {
  ::setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes);
}

void Transport::wait_readable(Handler handler) {
  socket_.async_wait(tcp::socket::wait_read, std::move(handler));
}
void Transport::wait_writable(Handler handler) {
  socket_.async_wait(tcp::socket::wait_write, std::move(handler));
}

void Transport::post(std::function<void()> call) { asio::post(socket_.get_executor(), std::move(call)); }

void Transport::end() {
  if (tls_ != nullptr) tls_->close_notify();
  error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
}

void Transport::close() {
  error_code ignored;
  if (tls_ != nullptr && socket_.is_open()) tls_->close_notify();
  socket_.close(ignored);
}

}  // namespace headgate::bridge::net
