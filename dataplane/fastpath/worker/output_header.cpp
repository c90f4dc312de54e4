#include "dataplane/fastpath/worker/output_header.h"

#include <cstring>

namespace headgate::fastpath {
namespace {

void put16(std::uint8_t* at, std::uint32_t value) noexcept {
  at[0] = static_cast<std::uint8_t>(value >> 8);
  at[1] = static_cast<std::uint8_t>(value);
}
void put32(std::uint8_t* at, std::uint32_t value) noexcept {
  put16(at, value >> 16);
  put16(at + 2, value);
}

}  // namespace

OutputHeader::OutputHeader(const Address& address) noexcept : rtp_(address.rtp) {
  std::uint8_t* at = bytes_.data();
  // RFC 1112 6.4: 01-00-5E and the group's low 23 bits.
  const std::array<std::uint8_t, 6> destination{0x01,
                                                0x00,
                                                0x5E,
                                                static_cast<std::uint8_t>(address.group >> 16 & 0x7F),
                                                static_cast<std::uint8_t>(address.group >> 8),
                                                static_cast<std::uint8_t>(address.group)};
  std::memcpy(at, destination.data(), 6);
  std::memcpy(at + 6, address.source_mac.data(), 6);
  at += 12;
  if (address.vlan != 0) {
    put16(at, 0x8100);
    put16(at + 2, address.vlan);
    at += 4;
  }
  put16(at, 0x0800);
  at += 2;
  ip_ = static_cast<std::size_t>(at - bytes_.data());
  at[0] = 0x45;
  at[1] = static_cast<std::uint8_t>(address.dscp << 2);
  at[8] = address.ttl;
  at[9] = 17;
  put32(at + 12, address.source);
  put32(at + 16, address.group);
  for (std::size_t i = 0; i < 20; i += 2)
    checksum_base_ += static_cast<std::uint32_t>(at[i] << 8 | at[i + 1]);
  at += 20;
  put16(at, address.port);
  put16(at + 2, address.port);
  at += 8;
  if (rtp_) {
    at[0] = 0x80;
    at[1] = 33;
    put32(at + 8, address.ssrc);
    at += 12;
  }
  size_ = static_cast<std::size_t>(at - bytes_.data());
}

void OutputHeader::write(std::uint8_t* at, std::uint8_t packets, std::uint16_t ip_id,
                         std::uint16_t rtp_sequence, std::uint32_t rtp_timestamp) const noexcept {
  std::memcpy(at, bytes_.data(), size_);
  const auto udp_length = static_cast<std::uint32_t>(8 + (rtp_ ? 12 : 0) + packets * 188);
  std::uint8_t* ip = at + ip_;
  put16(ip + 2, udp_length + 20);
  put16(ip + 4, ip_id);
  std::uint32_t sum = checksum_base_ + udp_length + 20 + ip_id;
  sum = (sum & 0xFFFF) + (sum >> 16);
  sum = (sum & 0xFFFF) + (sum >> 16);
  put16(ip + 10, ~sum & 0xFFFF);
  put16(ip + 24, udp_length);
  if (rtp_) {
    put16(ip + 30, rtp_sequence);
    put32(ip + 32, rtp_timestamp);
  }
}

}  // namespace headgate::fastpath
