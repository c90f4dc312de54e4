// The HTTP/1.1 server: listeners, connections, limits. Requests are parsed by Boost.Beast; answers are
// written here, bodies straight from the memory that owns them. Limits: header size and count, no request
// bodies, a deadline for a whole header, an idle time, a time within which each slice of an answer must be
// taken, connections in all and per address. Each refusal is counted. References: RFC 9112 (HTTP/1.1), RFC
// 9110. Threading: owned by the thread that runs the io_context; no call is thread-safe.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "dataplane/bridge/http/message.h"

namespace boost::asio {
class io_context;
}

namespace headgate::bridge::http {

struct ServerLimits {
  std::size_t header_bytes = 8 * 1024;
  std::chrono::milliseconds header_time{30'000};  // from a request's first byte to the end of its header
  std::chrono::milliseconds idle_time{60'000};    // between requests, and before the first
  std::chrono::milliseconds write_time{20'000};   // for each slice of an answer
  std::size_t write_slice = 256 * 1024;
  std::size_t stream_write = 64 * 1024;    // of a stream, at once
  std::size_t stream_unsent = 128 * 1024;  // of a stream, in the kernel
  std::size_t connections = 10'000;
  std::size_t connections_per_address = 1'000;
  std::size_t requests_per_connection = 100'000;
};

struct ServerCounters {
  std::uint64_t accepted = 0;
  std::uint64_t requests = 0;
  std::array<std::uint64_t, 6> responses{};  // by class: [2] is 2xx
  std::uint64_t bytes = 0;                   // headers and bodies sent
  std::uint64_t refused_connections = 0;
  std::uint64_t refused_per_address = 0;
  std::uint64_t bad_requests = 0;     // 400
  std::uint64_t not_found = 0;        // 404
  std::uint64_t methods = 0;          // 405
  std::uint64_t bodies = 0;           // 413
  std::uint64_t long_addresses = 0;   // 414
  std::uint64_t ranges = 0;           // 416
  std::uint64_t long_headers = 0;     // 431
  std::uint64_t not_ready = 0;        // 503: no segment yet
  std::uint64_t header_timeouts = 0;  // 408
  std::uint64_t idle_timeouts = 0;
  std::uint64_t kicked = 0;        // streams that the operator ended, and answers of 403
  std::uint64_t slow_clients = 0;  // cut while an answer was under way
  std::uint64_t accept_errors = 0;
};

class Server {
 public:
  Server(boost::asio::io_context& context, Handler& handler, const ServerLimits& limits = {});
  ~Server();

  // Makes exactly these addresses ("[::]:8080", "0.0.0.0:8080", "127.0.0.1:0") listen. Those that listen
  // already are not touched, nor are connections. All or nothing: on an error what listened before goes on.
  tl::expected<void, std::string> listen(const std::vector<std::string>& addresses);
  // Ports in the order of the addresses (for port 0).
  std::vector<std::uint16_t> ports() const;
  // Connections that a stream goes to, in the order in which they came: from behind number `after` on, `most`
  // looked at. The last number looked at; 0: there are no more.
  std::uint64_t list(std::uint64_t after, std::size_t most, std::vector<hub::SessionInfo>& out) const;
  // Ends that stream; nothing: there is none of that number. As it was.
  std::optional<hub::SessionInfo> kick(std::uint64_t number);
  std::size_t connections() const;
  const ServerCounters& counters() const;
  void stop();

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

// Parses a stream of bytes as a connection would and answers each request: the whole path but the socket
// (tests, fuzzing). Returns how many requests were answered.
std::size_t answer_bytes(std::span<const std::uint8_t> bytes, Handler& handler, const ServerLimits& limits,
                         std::string& out);

}  // namespace headgate::bridge::http
