// A request as routing sees it and the answer that it gives: no socket, no Beast.
// References: RFC 9110 (semantics), RFC 9111 (caching).
// Threading: values; a body may outlive what made it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/bridge/hub/session_info.h"

namespace headgate::bridge::http {

enum class Method : std::uint8_t { get, head, options, other };

struct Request {
  Method method = Method::get;
  std::string_view target;  // origin form, as sent
  std::string_view range;
  std::string_view if_none_match;
  std::string_view user_agent;
  std::string_view client;  // address
};

// A body without an end in sight. The connection takes what there is, sends it, and takes again; `on_ready`
// says that there is more after there was nothing.
class BodyStream {
 public:
  struct Piece {
    std::shared_ptr<const void> owner;
    std::span<const std::byte> bytes;
  };
  virtual ~BodyStream() = default;
  // Appends what is there, whole pieces up to about `limit` bytes; appends nothing where there is nothing
  // now.
  virtual void take(std::size_t limit, std::vector<Piece>& out) = 0;
  // Nothing comes after what take() gives.
  virtual bool ended() const = 0;
  virtual void on_ready(std::function<void()> call) = 0;
  virtual void on_sent(std::size_t bytes) = 0;
  // What it knows of itself; not its other end.
  virtual void describe(hub::SessionInfo& out) const = 0;
  // From now on it has ended, and what waits is not sent.
  virtual void stop() = 0;
};

struct Response {
  unsigned status = 200;
  // The body instead of `body`, of a length that nobody knows; set with `endless`.
  std::shared_ptr<BodyStream> stream;
  // GET gives a stream: no Content-Length, also to HEAD.
  bool endless = false;
  std::string headers;  // whole lines, each with CRLF; without Content-Length, Connection, Date, Server
  std::shared_ptr<const void> owner;
  std::span<const std::byte> body;  // lives as long as owner
  // Counts the clients that were cut off because they did not take the answer; null: nobody's.
  std::shared_ptr<std::uint64_t> cut_off;

  void add(std::string_view name, std::string_view value);
  void set_text(std::shared_ptr<const std::string> text);
};

// Answers requests. Called on one thread; must not block.
class Handler {
 public:
  virtual ~Handler() = default;
  virtual Response handle(const Request& request) = 0;
};

// IMF-fixdate (RFC 9110 5.6.7).
std::string http_date(std::int64_t unix_seconds);
const char* reason_phrase(unsigned status);
// A short plain-text answer that no cache keeps.
Response plain(unsigned status, std::string text);

}  // namespace headgate::bridge::http
