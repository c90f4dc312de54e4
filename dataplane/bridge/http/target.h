// Request targets, strictly: origin form only, percent-encoding decoded once, no dot segments, no empty
// segments, no NUL, no control characters, no backslash. What this refuses is answered 400 and reaches no
// lookup. References: RFC 9112 3.2.1 (origin-form), RFC 3986 2.1, 3.3. Threading: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace headgate::bridge::http {

inline constexpr std::size_t kMaxTarget = 2048;

struct Target {
  std::vector<std::string> segments;  // "/a/b/" is {"a", "b", ""}; "/" is {""}
};

// Nothing where the target is malformed.
std::optional<Target> parse_target(std::string_view target);

struct ByteRange {
  enum class Kind : std::uint8_t { whole, part, unsatisfiable };
  Kind kind = Kind::whole;
  std::size_t first = 0;
  std::size_t length = 0;
};
// Whether If-None-Match names this entity tag (RFC 9110 13.1.2: a list or "*", compared weakly).
bool matches_etag(std::string_view header, std::string_view etag);

// A Range header against a representation of `size` bytes (RFC 9110 14.1.2). What is not one byte range is
// ignored.
ByteRange parse_range(std::string_view header, std::size_t size);

}  // namespace headgate::bridge::http
