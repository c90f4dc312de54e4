// GET requests, one after the other, on a connection that is kept while server and requests allow it:
// redirects, Basic authentication, limits of time. References: RFC 9110 (9.3.1, 15.4, 14.2), RFC 9112 9.3,
// RFC 7617. Threading: owned by the thread that runs `context`.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "dataplane/bridge/net/resolver.h"
#include "dataplane/bridge/pull/link.h"
#include "dataplane/bridge/pull/m3u8.h"
#include "dataplane/bridge/pull/response_reader.h"
#include "dataplane/bridge/pull/url.h"

namespace headgate::bridge::pull {

struct HttpLimits {
  std::chrono::milliseconds connect{5000};  // name, connection and TLS
  std::chrono::milliseconds silence{5000};  // nothing comes
  std::chrono::milliseconds head{10'000};   // the answer's head is not whole
  unsigned redirects = 5;
};

class HttpClient {
 public:
  using Clock = std::chrono::steady_clock;
  struct Request {
    Url url;
    std::optional<SegmentRange> range;
    std::chrono::nanoseconds total{0};  // for the whole answer; 0: it may be endless
  };
  // What on_head and on_body give back is an error that ends the request, "" to go on. Neither may call the
  // client but for pause(); on_end may, and is called last, once.
  struct Receiver {
    // `from`: where the answer came from at last. Redirects are not shown.
    std::function<std::string(const ResponseHead&, const Url& from)> on_head;
    std::function<std::string(std::span<const std::uint8_t>)> on_body;
    std::function<void(std::string error)> on_end;
  };

  explicit HttpClient(boost::asio::io_context& context, HttpLimits limits = {});
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Only while none is under way. `receiver` is not called from within.
  void get(Request request, Receiver receiver);
  bool busy() const { return busy_; }
  // Ends what is under way; on_end is not called.
  void cancel();
  // Nothing more is read until it is let go on: the server waits.
  void pause(bool paused);
  bool paused() const { return paused_; }
  // Of the last connection.
  const std::string& peer() const { return peer_; }
  std::uint64_t connections() const { return connections_; }

 private:
  void send();
  void connect();
  void write();
  void read();
  void on_read(const Link::Read& read);
  void on_lost(const std::string& why);
  bool on_head(const ResponseHead& head);
  void redirect();
  void end(std::string error);
  void drop_link();
  void watch();
  void check();
  Clock::time_point deadline() const;

  boost::asio::io_context& context_;
  HttpLimits limits_;
  net::Resolver resolver_;
  boost::asio::steady_timer timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  Request request_;
  Receiver receiver_;
  std::shared_ptr<Link> link_;
  Url link_url_;
  std::string peer_;
  std::unique_ptr<ResponseReader> response_;
  bool busy_ = false;
  bool paused_ = false;
  bool reading_ = false;  // asked of the link, and not there yet
  bool reused_ = false;   // the connection served another request before
  bool connecting_ = false;
  unsigned redirects_ = 0;
  std::string location_;  // of a redirect that is to be followed
  std::string refusal_;   // of on_head or on_body
  std::uint64_t connections_ = 0;
  std::uint64_t round_ = 0;  // counts requests, so that a posted start knows its own
  Clock::time_point began_{};
  Clock::time_point asked_{};
  Clock::time_point heard_{};
  Clock::time_point paused_at_{};
};

}  // namespace headgate::bridge::pull
