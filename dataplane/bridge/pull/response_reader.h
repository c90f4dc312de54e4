// The answer to one GET, byte for byte as it comes: head, then body, chunked or not. Interim answers (1xx)
// are passed over. Reference: RFC 9112 (6, 7.1), RFC 9110 15. Threading: owned by one thread. Memory: the
// head, bounded, and what of the body does not yet make a whole chunk header.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace headgate::bridge::pull {

struct ResponseHead {
  unsigned status = 0;
  std::string location;
  std::string content_type;      // small letters, without parameters
  std::string content_encoding;  // small letters
  std::string content_range;
  std::optional<std::uint64_t> length;  // nothing: until the connection ends, or chunked
  bool keep_alive = false;              // another request may follow on this connection
};

class ResponseReader {
 public:
  static constexpr std::uint32_t kMaxHead = 32 * 1024;  // CDNs send long cookies and policies

  // Returning false ends the reading: nothing more is called.
  using OnHead = std::function<bool(const ResponseHead&)>;
  using OnBody = std::function<bool(std::span<const std::uint8_t>)>;

  ResponseReader(OnHead on_head, OnBody on_body);
  ~ResponseReader();

  enum class State : std::uint8_t { reading, done, stopped, failed };
  State push(std::span<const std::uint8_t> bytes);
  // The connection has ended.
  State finish();
  State state() const;
  const std::string& error() const;  // where failed
  bool any() const;                  // whether a byte has come
  bool head_done() const;
  // Where done: nothing stands behind the answer, and the connection may be used again.
  bool reusable() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// "404 Not Found"
std::string status_line(unsigned status);

}  // namespace headgate::bridge::pull
