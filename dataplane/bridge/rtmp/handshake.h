// The server's half of the RTMP handshake, plain and with digest. References: Adobe RTMP 1.0, 5.2; the
// digest form has no public text: what Flash Media Server, librtmp and FFmpeg agree on. The two places of the
// digest are named by what comes first in the packet, for "scheme 0" and "scheme 1" mean the opposite in
// different programs. Threading: pure functions, and a class owned by one thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace headgate::bridge::rtmp {

inline constexpr std::size_t kHandshakeSize = 1536;  // C1, C2, S1, S2 (5.2.3)
inline constexpr std::uint8_t kVersion = 3;          // C0, S0 (5.2.2)
inline constexpr std::size_t kDigestSize = 32;       // HMAC-SHA256

enum class DigestLayout : std::uint8_t { digest_first, key_first };

using HandshakePacket = std::array<std::uint8_t, kHandshakeSize>;
using Digest = std::array<std::uint8_t, kDigestSize>;

// Of the player and of the server; a C1 or S1 is signed with the text alone, a C2 or S2 with all of it.
std::string_view player_key();
std::string_view server_key();
inline constexpr std::size_t kPlayerKeyText = 30;
inline constexpr std::size_t kServerKeyText = 36;

Digest hmac_sha256(std::string_view key, std::span<const std::uint8_t> bytes);
std::size_t digest_offset(std::span<const std::uint8_t, kHandshakeSize> packet, DigestLayout layout);
// Over the packet without the 32 bytes at `offset`.
Digest packet_digest(std::span<const std::uint8_t, kHandshakeSize> packet, std::size_t offset,
                     std::string_view key);
// The layout whose digest is right, if either is.
std::optional<DigestLayout> find_layout(std::span<const std::uint8_t, kHandshakeSize> packet,
                                        std::string_view key);

// S0, S1 and S2 for a C1: with digest where C1 has a right one, else plain, whose S1 has the version zero
// (FFmpeg insists on a digest in any other). `filling` are the bytes without meaning.
std::vector<std::uint8_t> answer_handshake(std::span<const std::uint8_t, kHandshakeSize> c1,
                                           std::uint32_t time_ms, std::uint64_t filling);

// A C1 with digest, which servers that know none take for filling.
HandshakePacket make_c1(std::uint64_t filling);
// The C2 that answers this S1: signed where S1 has a right digest, else its echo.
HandshakePacket make_c2(std::span<const std::uint8_t, kHandshakeSize> s1, std::uint64_t filling);

// Takes C0, C1 and C2 in any pieces. S0, S1 and S2 go out as soon as C1 is there; C2's content is not
// checked.
class ServerHandshake {
 public:
  enum class State : std::uint8_t { c1, c2, done, refused };
  explicit ServerHandshake(std::uint64_t filling) : filling_(filling) {}

  // Takes what belongs to the handshake and returns how many bytes that were.
  std::size_t on_bytes(std::span<const std::uint8_t> bytes, std::uint32_t time_ms, std::string& out);
  State state() const { return state_; }

 private:
  State state_ = State::c1;
  std::uint64_t filling_;
  std::vector<std::uint8_t> held_;
  std::size_t c2_left_ = kHandshakeSize;
};

}  // namespace headgate::bridge::rtmp
