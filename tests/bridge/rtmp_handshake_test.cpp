#include "dataplane/bridge/rtmp/handshake.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace headgate::bridge::rtmp {
namespace {

struct Case {
  DigestLayout layout;
  std::size_t offset;
  const char* digest;      // of c1(), by another program
  const char* answer_key;  // HMAC-SHA256 of that digest with the server's whole key
};

HandshakePacket c1() {
  HandshakePacket packet;
  for (std::size_t i = 0; i < packet.size(); ++i) packet[i] = static_cast<std::uint8_t>(i * 7 + 3);
  const std::uint8_t begin[] = {0, 0, 0, 0, 9, 0, 0x7C, 2};
  std::copy(std::begin(begin), std::end(begin), packet.begin());
  return packet;
}

std::vector<std::uint8_t> from_hex(const std::string& hex) {
  std::vector<std::uint8_t> out;
  for (std::size_t i = 0; i < hex.size(); i += 2)
    out.push_back(static_cast<std::uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return out;
}

HandshakePacket signed_c1(const Case& c) {
  HandshakePacket packet = c1();
  const auto digest = from_hex(c.digest);
  std::copy(digest.begin(), digest.end(), packet.begin() + static_cast<std::ptrdiff_t>(c.offset));
  return packet;
}

const Case kCases[] = {
    {DigestLayout::digest_first, 290, "612af37c38c4a1b74e5737fc4021ded17ed92a9431c19bc665cf421131bad8a6",
     "b64b9cb0ff0d9abe14b38c4638d3af7b13e7e857b3c2af49eb5449fde909256e"},
    {DigestLayout::key_first, 942, "e6a7fbdda4aab503b4e693e92d6f18d9d4b89f3ef0e95fffe767a4830aa37109",
     "62dd38a55a5a4ad037a152b653471347451f16b2d042e9f1d491ab3f920eb23e"},
};

std::span<const std::uint8_t, kHandshakeSize> s1_of(const std::vector<std::uint8_t>& answer) {
  return std::span<const std::uint8_t, kHandshakeSize>(answer.data() + 1, kHandshakeSize);
}

TEST(RtmpHandshake, DigestsAgreeWithAnotherProgram) {
  for (const Case& c : kCases) {
    EXPECT_EQ(digest_offset(c1(), c.layout), c.offset);
    const auto digest = packet_digest(c1(), c.offset, player_key().substr(0, kPlayerKeyText));
    EXPECT_EQ(std::vector<std::uint8_t>(digest.begin(), digest.end()), from_hex(c.digest));
    EXPECT_EQ(find_layout(signed_c1(c), player_key().substr(0, kPlayerKeyText)), c.layout);
  }
}

TEST(RtmpHandshake, AnswersInThePlayersLayout) {
  for (const Case& c : kCases) {
    const auto answer = answer_handshake(signed_c1(c), 1000, 7);
    ASSERT_EQ(answer.size(), 1 + 2 * kHandshakeSize);
    EXPECT_EQ(answer[0], 3);
    EXPECT_GE(answer[5], 3);  // FFmpeg looks for a digest from version 3 on
    EXPECT_EQ(find_layout(s1_of(answer), server_key().substr(0, kServerKeyText)), c.layout);
    const auto key = from_hex(c.answer_key);
    const std::span<const std::uint8_t> s2(answer.data() + 1 + kHandshakeSize, kHandshakeSize);
    const auto signature = hmac_sha256({reinterpret_cast<const char*>(key.data()), key.size()},
                                       s2.first(kHandshakeSize - kDigestSize));
    EXPECT_TRUE(std::equal(signature.begin(), signature.end(), s2.end() - kDigestSize));
  }
}

TEST(RtmpHandshake, PlainAnswerHasVersionZeroAndEchoesThePlayer) {
  for (HandshakePacket packet : {c1(), HandshakePacket{}}) {
    packet[1535] = 77;
    const auto answer = answer_handshake(packet, 0x01020304, 7);
    EXPECT_EQ(std::vector<std::uint8_t>(answer.begin() + 1, answer.begin() + 9),
              (std::vector<std::uint8_t>{1, 2, 3, 4, 0, 0, 0, 0}));
    EXPECT_TRUE(std::equal(packet.begin(), packet.begin() + 4, answer.begin() + 1 + kHandshakeSize));
    EXPECT_TRUE(std::equal(packet.begin() + 8, packet.end(), answer.begin() + 9 + kHandshakeSize));
  }
}

TEST(RtmpHandshake, AnswersRightAfterC1AndInAnyPieces) {
  std::vector<std::uint8_t> bytes{3};
  const auto first = c1();
  bytes.insert(bytes.end(), first.begin(), first.end());
  ServerHandshake handshake(1);
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    EXPECT_TRUE(out.empty());
    EXPECT_EQ(handshake.on_bytes(std::span(bytes).subspan(i, 1), 0, out), 1U);
  }
  EXPECT_EQ(out.size(), 1 + 2 * kHandshakeSize);
  EXPECT_EQ(handshake.state(), ServerHandshake::State::c2);
  const std::vector<std::uint8_t> rest(kHandshakeSize + 5);
  EXPECT_EQ(handshake.on_bytes(rest, 0, out), kHandshakeSize);
  EXPECT_EQ(handshake.state(), ServerHandshake::State::done);
}

TEST(RtmpHandshake, RefusesWhatIsNoRtmp) {
  for (const char first : {'G', '\x16', '\x06'}) {
    ServerHandshake handshake(1);
    std::string out;
    const auto byte = static_cast<std::uint8_t>(first);
    EXPECT_EQ(handshake.on_bytes({&byte, 1}, 0, out), 0U);
    EXPECT_EQ(handshake.state(), ServerHandshake::State::refused);
    EXPECT_TRUE(out.empty());
  }
}

}  // namespace
}  // namespace headgate::bridge::rtmp
