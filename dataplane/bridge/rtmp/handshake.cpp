#include "dataplane/bridge/rtmp/handshake.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <random>

#include "dataplane/bridge/rtmp/bytes.h"

namespace headgate::bridge::rtmp {
namespace {

constexpr std::size_t kFillingFrom = 8;  // after time and version
constexpr std::size_t kDigestModulus = 728;
// Where the four bytes stand whose sum is the offset, and from where it counts.
constexpr std::size_t kDigestFirstField = 8;
constexpr std::size_t kKeyFirstField = 772;

constexpr char kTail[] =
    "\xF0\xEE\xC2\x4A\x80\x68\xBE\xE8\x2E\x00\xD0\xD1\x02\x9E\x7E\x57"
    "\x6E\xEC\x5D\x2D\x29\x80\x6F\xAB\x93\xB8\xE6\x36\xCF\xEB\x31\xAE";

void fill(std::span<std::uint8_t> bytes, std::mt19937_64& generator) {
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(generator());
}

std::string_view as_text(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

}  // namespace

std::string_view player_key() {
  static const std::string key = "Genuine Adobe Flash Player 001" + std::string(kTail, kDigestSize);
  return key;
}

std::string_view server_key() {
  static const std::string key = "Genuine Adobe Flash Media Server 001" + std::string(kTail, kDigestSize);
  return key;
}

Digest hmac_sha256(std::string_view key, std::span<const std::uint8_t> bytes) {
  Digest digest{};
  unsigned size = 0;
  ::HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes.data(), bytes.size(), digest.data(),
         &size);
  return digest;
}

std::size_t digest_offset(std::span<const std::uint8_t, kHandshakeSize> packet, DigestLayout layout) {
  const std::size_t field = layout == DigestLayout::digest_first ? kDigestFirstField : kKeyFirstField;
  std::size_t sum = 0;
  for (std::size_t i = 0; i < 4; ++i) sum += packet[field + i];
  return field + 4 + sum % kDigestModulus;
}

Digest packet_digest(std::span<const std::uint8_t, kHandshakeSize> packet, std::size_t offset,
                     std::string_view key) {
  std::vector<std::uint8_t> rest(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(offset));
  rest.insert(rest.end(), packet.begin() + static_cast<std::ptrdiff_t>(offset + kDigestSize), packet.end());
  return hmac_sha256(key, rest);
}

std::optional<DigestLayout> find_layout(std::span<const std::uint8_t, kHandshakeSize> packet,
                                        std::string_view key) {
  for (const DigestLayout layout : {DigestLayout::digest_first, DigestLayout::key_first}) {
    const std::size_t offset = digest_offset(packet, layout);
    const Digest right = packet_digest(packet, offset, key);
    if (std::equal(right.begin(), right.end(), packet.begin() + static_cast<std::ptrdiff_t>(offset)))
      return layout;
  }
  return std::nullopt;
}

std::vector<std::uint8_t> answer_handshake(std::span<const std::uint8_t, kHandshakeSize> c1,
                                           std::uint32_t time_ms, std::uint64_t filling) {
  std::mt19937_64 generator(filling);
  std::vector<std::uint8_t> out(1 + 2 * kHandshakeSize);
  out[0] = kVersion;
  const std::span<std::uint8_t, kHandshakeSize> s1(out.data() + 1, kHandshakeSize);
  const std::span<std::uint8_t, kHandshakeSize> s2(out.data() + 1 + kHandshakeSize, kHandshakeSize);
  put32(s1.data(), time_ms);
  fill(s1.subspan(kFillingFrom), generator);
  // A version of zero: a player of before the digest.
  const bool may_have_digest = std::any_of(c1.begin() + 4, c1.begin() + 8, [](auto b) { return b != 0; });
  const auto layout =
      may_have_digest ? find_layout(c1, player_key().substr(0, kPlayerKeyText)) : std::nullopt;
  if (!layout) {
    std::copy(c1.begin(), c1.end(), s2.begin());
    put32(s2.data() + 4, time_ms);  // time2: when C1 was read (5.2.4)
    return out;
  }
  constexpr std::array<std::uint8_t, 4> kServerVersion{4, 5, 0, 1};
  std::copy(kServerVersion.begin(), kServerVersion.end(), s1.begin() + 4);
  const std::size_t offset = digest_offset(s1, *layout);
  const Digest digest = packet_digest(s1, offset, server_key().substr(0, kServerKeyText));
  std::copy(digest.begin(), digest.end(), s1.begin() + static_cast<std::ptrdiff_t>(offset));
  fill(s2.first(kHandshakeSize - kDigestSize), generator);
  const Digest key = hmac_sha256(server_key(), c1.subspan(digest_offset(c1, *layout), kDigestSize));
  const Digest signature = hmac_sha256(as_text(key), s2.first(kHandshakeSize - kDigestSize));
  std::copy(signature.begin(), signature.end(), s2.end() - kDigestSize);
  return out;
}

HandshakePacket make_c1(std::uint64_t filling) {
  std::mt19937_64 generator(filling);
  HandshakePacket c1{};  // time 0
  constexpr std::array<std::uint8_t, 4> kPlayerVersion{9, 0, 124, 2};
  std::copy(kPlayerVersion.begin(), kPlayerVersion.end(), c1.begin() + 4);
  fill(std::span(c1).subspan(kFillingFrom), generator);
  const std::size_t offset = digest_offset(c1, DigestLayout::digest_first);
  const Digest digest = packet_digest(c1, offset, player_key().substr(0, kPlayerKeyText));
  std::copy(digest.begin(), digest.end(), c1.begin() + static_cast<std::ptrdiff_t>(offset));
  return c1;
}

HandshakePacket make_c2(std::span<const std::uint8_t, kHandshakeSize> s1, std::uint64_t filling) {
  HandshakePacket c2{};
  const bool may_have_digest = std::any_of(s1.begin() + 4, s1.begin() + 8, [](auto b) { return b != 0; });
  const auto layout =
      may_have_digest ? find_layout(s1, server_key().substr(0, kServerKeyText)) : std::nullopt;
  if (!layout) {
    std::copy(s1.begin(), s1.end(), c2.begin());
    return c2;
  }
  std::mt19937_64 generator(~filling);
  const auto text = std::span(c2).first(kHandshakeSize - kDigestSize);
  fill(text, generator);
  const Digest key = hmac_sha256(player_key(), s1.subspan(digest_offset(s1, *layout), kDigestSize));
  const Digest signature = hmac_sha256(as_text(key), text);
  std::copy(signature.begin(), signature.end(), c2.end() - kDigestSize);
  return c2;
}

std::size_t ServerHandshake::on_bytes(std::span<const std::uint8_t> bytes, std::uint32_t time_ms,
                                      std::string& out) {
  std::size_t used = 0;
  if (state_ == State::c1 && !bytes.empty()) {
    // The first byte tells at once whether this is RTMP at all.
    if (held_.empty() && bytes[0] != kVersion) {
      state_ = State::refused;
      return 0;
    }
    used = std::min(bytes.size(), 1 + kHandshakeSize - held_.size());
    held_.insert(held_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(used));
    if (held_.size() < 1 + kHandshakeSize) return used;
    const std::span<const std::uint8_t, kHandshakeSize> c1(held_.data() + 1, kHandshakeSize);
    const auto answer = answer_handshake(c1, time_ms, filling_);
    out.append(reinterpret_cast<const char*>(answer.data()), answer.size());
    std::vector<std::uint8_t>().swap(held_);
    state_ = State::c2;
  }
  if (state_ == State::c2) {
    const std::size_t more = std::min(bytes.size() - used, c2_left_);
    c2_left_ -= more;
    used += more;
    if (c2_left_ == 0) state_ = State::done;
  }
  return used;
}

}  // namespace headgate::bridge::rtmp
