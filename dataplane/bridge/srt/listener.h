// A listening socket of libsrt, which asks its gate about each caller. Threading: opened and closed by one
// thread, accepted from by another.
#pragma once

#include <srt/srt.h>

#include <memory>
#include <string>

#include <tl/expected.hpp>

namespace headgate::bridge::srt {

class Listener {
 public:
  // Who comes: 0: go on, -1: refused, with its code set at the socket. On libsrt's thread; may not wait.
  class Door {
   public:
    virtual ~Door() = default;
    virtual int on_caller(SRTSOCKET socket, const sockaddr* peer, const char* stream_id) = 0;
  };
  struct Options {
    int receive_packets = 0;  // what callers may send ahead, unless the door allows more
    int latency_ms = 120;     // unless the door says otherwise
    std::string passphrase;
  };

  static tl::expected<std::shared_ptr<Listener>, std::string> open(const std::string& address,
                                                                   const Options& options,
                                                                   std::unique_ptr<Door> door);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  SRTSOCKET socket() const { return socket_; }
  const std::string& address() const { return address_; }
  std::uint16_t port() const { return port_; }

 private:
  Listener(std::string address, std::unique_ptr<Door> door)
      : address_(std::move(address)), door_(std::move(door)) {}
  tl::expected<void, std::string> start(const Options& options);
  static int on_caller(void* self, SRTSOCKET socket, int version, const sockaddr* peer,
                       const char* stream_id);

  std::string address_;
  std::unique_ptr<Door> door_;
  SRTSOCKET socket_ = SRT_INVALID_SOCK;
  std::uint16_t port_ = 0;
};

}  // namespace headgate::bridge::srt
