// TLS over a non-blocking socket: the caller waits for the socket and calls again. What write() took counts
// as sent; the last record of it may wait here until flush(). Reference: RFC 8446. Threading: owned by one
// thread. Memory: what OpenSSL keeps of a connection, and one record of at most 16 KiB. Writing to a closed
// socket raises SIGPIPE: processes that use it ignore that.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace headgate::bridge::tls {

enum class Status : std::uint8_t {
  done,
  want_read,   // wait until the socket is readable, then call again
  want_write,  // likewise writable
  closed,      // the other end is gone
  failed,      // error() says why
};

struct Transfer {
  Status status = Status::done;
  std::size_t bytes = 0;
};

class Stream {
 public:
  struct Impl;
  explicit Stream(std::unique_ptr<Impl> impl);
  ~Stream();

  Status handshake();
  bool established() const;
  // Reads until `into` is full or nothing more is there. `done`: more may be there.
  Transfer read(std::span<std::uint8_t> into);
  // Takes what it can.
  Transfer write(std::span<const iovec> buffers);
  // Sends what still waits here. `done`: nothing does.
  Status flush();
  bool waiting() const;
  // Tells the other end that nothing more comes, as far as the socket takes it at once.
  void close_notify();
  const std::string& error() const;
  // "TLSv1.3", after the handshake.
  std::string version() const;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate::bridge::tls
