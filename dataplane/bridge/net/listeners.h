// The addresses a server of TCP listens on, as the state wants them: one that stays is not touched.
// Threading: owned by the thread that runs the io_context. Ownership: shared with handlers that are under
// way; after close() nothing is called.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <tl/expected.hpp>

namespace boost::asio {
class io_context;
}

namespace headgate::bridge::net {

class Listeners {
 public:
  // One whose `kind` changed is another one: plain or TLS.
  struct Address {
    std::string text;  // "[::]:8080", "127.0.0.1:0"
    int kind = 0;
    bool operator==(const Address&) const = default;
  };
  using OnSocket = std::function<void(boost::asio::ip::tcp::socket socket, const Address& address)>;
  // A connection could not be accepted: out of descriptors, most likely. It is tried again.
  using OnError = std::function<void()>;
  Listeners(boost::asio::io_context& context, OnSocket on_socket, OnError on_error);
  ~Listeners();

  // Makes exactly these addresses listen. All or nothing: on an error what listened before goes on.
  tl::expected<void, std::string> listen(const std::vector<Address>& addresses);
  // In the order of the addresses (for port 0).
  std::vector<std::uint16_t> ports() const;
  void close();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace headgate::bridge::net
