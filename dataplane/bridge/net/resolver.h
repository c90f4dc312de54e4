// Looks up names without holding up the thread that asks: the C library's getaddrinfo in a thread of its own,
// one at a time for each Resolver, because a name server that does not answer takes half a minute.
// Threading: owned by the thread that runs `context`; answers come on it. A look-up that is under way when
// the Resolver goes is left to itself and answers nobody.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace headgate::bridge::net {

class Resolver {
 public:
  explicit Resolver(boost::asio::io_context& context);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Either some endpoints, in the order in which to try them, or an error.
  using OnDone = std::function<void(std::vector<boost::asio::ip::tcp::endpoint>, std::string error)>;
  // `host`: a name or an address (IPv6 without brackets). Replaces the question asked before. `done` is never
  // called from within.
  void resolve(const std::string& host, std::uint16_t port, OnDone done);
  void cancel();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace headgate::bridge::net
