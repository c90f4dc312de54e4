// A player's side of RTMP up to `play`, by hand: plain handshake, connect, createStream, play, in chunks of
// 128 bytes. Reference: Adobe RTMP 1.0, 5.2, 5.3, 7.2. Threading: pure, or blocking on the socket.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <string>

namespace headgate::test::rtmp {

inline constexpr std::size_t kHandshake = 1536;
inline constexpr std::size_t kChunk = 128;

inline std::string text(const std::string& value) {
  return std::string{'\x02', static_cast<char>(value.size() >> 8), static_cast<char>(value.size())} + value;
}
inline std::string number(double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  std::string out(1, '\0');
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(bits >> shift);
  return out;
}
inline std::string property(const std::string& name, const std::string& value) {
  return text(name).substr(1) + value;
}

// A command message (type 20) in chunks of 128 bytes.
inline std::string command(const std::string& body, std::uint8_t stream) {
  std::string out{'\x03', 0, 0, 0, 0, static_cast<char>(body.size() >> 8), static_cast<char>(body.size()),
                  20};
  out += std::string{static_cast<char>(stream), 0, 0, 0};
  for (std::size_t at = 0; at < body.size(); at += kChunk) {
    if (at > 0) out += '\xC3';
    out += body.substr(at, kChunk);
  }
  return out;
}

inline std::string requests(const std::string& host, const std::string& app, const std::string& stream) {
  const std::string object = std::string(1, '\x03') + property("app", text(app)) +
                             property("tcUrl", text("rtmp://" + host + "/" + app)) + std::string{0, 0, 9};
  return command(text("connect") + number(1) + object, 0) +
         command(text("createStream") + number(2) + '\x05', 0) +
         command(text("play") + number(0) + '\x05' + text(stream), 1);
}

inline bool receive_all(int fd, std::size_t size) {
  std::array<char, 4096> buffer;
  while (size > 0) {
    const ssize_t n = ::recv(fd, buffer.data(), std::min(size, buffer.size()), 0);
    if (n <= 0) return false;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

// On a connection: handshake, then what is asked. False: the server hung up.
inline bool begin(int fd, const std::string& asked) {
  const std::string hello = '\x03' + std::string(kHandshake, '\0');
  if (::send(fd, hello.data(), hello.size(), MSG_NOSIGNAL) < 0 || !receive_all(fd, 1 + 2 * kHandshake))
    return false;
  const std::string rest = std::string(kHandshake, '\0') + asked;
  return ::send(fd, rest.data(), rest.size(), MSG_NOSIGNAL) >= 0;
}

}  // namespace headgate::test::rtmp
