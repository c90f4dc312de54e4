// udp:// and rtp:// addresses of probe and send, for kernel sockets:
// [SOURCE@]GROUP:PORT[?interface=NAME&ttl=N]. Pure. Threading: values.
#pragma once

#include <cstdint>
#include <string>

#include <tl/expected.hpp>

namespace headgate::control {

struct StreamUrl {
  bool rtp = false;
  std::string source;
  std::string host;  // "" = any (udp://:PORT)
  std::uint16_t port = 0;
  std::string interface;
  int ttl = 16;
  bool operator==(const StreamUrl&) const = default;
};

bool is_stream_url(const std::string& text);
// Errors name what is wrong and the right form.
tl::expected<StreamUrl, std::string> parse_stream_url(const std::string& text);

}  // namespace headgate::control
