// A connection to a web server, plain or over TLS (certificates of the system's authorities, the name
// checked): one thing at a time, each with one call back. Threading: owned by the thread that runs `context`.
// Ownership: shared with the operations under way; after close() it calls nobody.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "dataplane/bridge/net/resolver.h"
#include "dataplane/bridge/pull/url.h"

namespace headgate::bridge::pull {

class Link {
 public:
  virtual ~Link() = default;

  using OnDone = std::function<void(std::string error)>;  // "": done
  // Name, connection and TLS, all within `limit`.
  virtual void connect(net::Resolver& resolver, const Url& url, std::chrono::nanoseconds limit,
                       OnDone done) = 0;
  virtual void write(std::string bytes, OnDone done) = 0;
  struct Read {
    std::span<const std::uint8_t> bytes;  // valid during the call
    bool end = false;                     // of the stream
    std::string error;
  };
  using OnRead = std::function<void(const Read&)>;
  virtual void read(OnRead done) = 0;
  virtual void close() = 0;
  virtual std::string peer() const = 0;  // "203.0.113.7:443"
};

std::shared_ptr<Link> make_link(boost::asio::io_context& context);

}  // namespace headgate::bridge::pull
