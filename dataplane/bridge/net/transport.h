// A connected TCP socket, plain or with TLS on it, that never blocks: what it can't do now it says, and the
// caller waits and calls again. Nothing is held for a write that the socket does not take at once, except
// TLS's record under way. Threading: owned by the thread that runs the socket's io_context.
#pragma once

#include <sys/uio.h>

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "dataplane/bridge/tls/stream.h"

namespace headgate::bridge::net {

class Transport {
 public:
  using Status = tls::Status;
  using Transfer = tls::Transfer;
  using Handler = std::function<void(const boost::system::error_code&)>;

  // `tls`: null for a plain one; made for this socket.
  explicit Transport(boost::asio::ip::tcp::socket socket, std::unique_ptr<tls::Stream> tls = nullptr);

  // Of TLS; a plain one is ready at once.
  Status handshake();
  bool ready() const { return tls_ == nullptr || tls_->established(); }
  Transfer read(std::span<std::uint8_t> into);
  Transfer write(std::span<const iovec> buffers);
  // A record that write() took is still to be sent: call write() again, with or without more.
  bool waiting() const { return tls_ != nullptr && tls_->waiting(); }
  // "the server closed the connection", "Connection reset by peer".
  const std::string& error() const { return error_; }

  // How many bytes the kernel may hold unsent: what is behind them waits where it can still be left out.
  void limit_unsent(int bytes);
  void wait_readable(Handler handler);
  void wait_writable(Handler handler);
  // Called by the io_context in its next turn.
  void post(std::function<void()> call);
  // Nothing more is sent; what the other end still sends can be read.
  void end();
  void close();
  bool secure() const { return tls_ != nullptr; }
  std::optional<std::int64_t> round_trip_ns();
  const std::string& peer() const { return peer_; }  // "203.0.113.7:40112", "[2001:db8::1]:40112"

 private:
  boost::asio::ip::tcp::socket socket_;
  std::unique_ptr<tls::Stream> tls_;
  std::string peer_;
  std::string error_;
};

}  // namespace headgate::bridge::net
