// Text that others sent. Threading: pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace headgate::bridge::net {

// For a log line, a sentence or a status: printable ASCII, '?' in place of the rest, at most so many
// characters.
inline std::string printable(std::string_view text, std::size_t most) {
  std::string out;
  for (const char c : text.substr(0, most)) out += c >= ' ' && c <= '~' ? c : '?';
  return out;
}

// Percent-encoding taken back once (RFC 3986 2.1), whatever comes of it; nothing where two hexadecimal digits
// don't stand behind a '%'.
std::optional<std::string> percent_decoded(std::string_view text);
// "a" to 10; -1 where it is none.
int hex_value(char digit);
// Of US-ASCII; the DEL among them.
bool has_control(std::string_view text);

}  // namespace headgate::bridge::net
