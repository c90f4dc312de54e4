// Numbers of RTMP messages, big-endian, and texts of peers as they are shown to people.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace headgate::bridge::rtmp {

// From the front of at least 3 and 4 bytes.
inline std::uint32_t read24(std::span<const std::uint8_t> b) {
  return std::uint32_t{b[0]} << 16 | std::uint32_t{b[1]} << 8 | b[2];
}
inline std::uint32_t read32(std::span<const std::uint8_t> b) { return read24(b) << 8 | b[3]; }

// At most `longest` characters; what is not printable ASCII becomes '?'.
inline std::string shown(std::string_view text, std::size_t longest) {
  std::string out;
  for (const char c : text.substr(0, longest)) out += c >= ' ' && c <= '~' ? c : '?';
  return out;
}

}  // namespace headgate::bridge::rtmp
