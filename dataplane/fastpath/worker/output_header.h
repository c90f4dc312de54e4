// The headers of an output's datagrams, built once and stored with a few patched fields: Ethernet, 802.1Q,
// IPv4, UDP and optionally RTP. References: RFC 1112 6.4 (group to MAC address), RFC 791 3.1, RFC 1071 and
// RFC 1624 (checksum), RFC 768 (UDP checksum 0: none), RFC 3550 5.1, RFC 3551 6 (payload type 33), RFC 2474
// (DSCP). Threading: immutable after construction; write() is pure.
#pragma once

#include <array>
#include <cstdint>

namespace headgate::fastpath {

class OutputHeader {
 public:
  struct Address {
    std::array<std::uint8_t, 6> source_mac{};
    std::uint16_t vlan = 0;  // 0: untagged
    std::uint32_t source = 0;
    std::uint32_t group = 0;
    std::uint16_t port = 0;
    std::uint8_t ttl = 16;
    std::uint8_t dscp = 0;
    bool rtp = false;
    std::uint32_t ssrc = 0;
  };
  static constexpr std::size_t kMaxSize = 14 + 4 + 20 + 8 + 12;

  OutputHeader() = default;
  explicit OutputHeader(const Address& address) noexcept;

  std::size_t size() const noexcept { return size_; }
  bool rtp() const noexcept { return rtp_; }
  // Writes size() bytes for a datagram of `packets` transport packets (1..7).
  void write(std::uint8_t* at, std::uint8_t packets, std::uint16_t ip_id, std::uint16_t rtp_sequence,
             std::uint32_t rtp_timestamp) const noexcept;

 private:
  std::array<std::uint8_t, kMaxSize> bytes_{};
  std::size_t size_ = 0;
  std::size_t ip_ = 0;  // where the IP header begins
  bool rtp_ = false;
  std::uint32_t checksum_base_ = 0;  // sum of the IP header with length, id and checksum 0
};

}  // namespace headgate::fastpath
