// From an Ethernet frame to its transport packets: pure parsing, no DPDK types, never trusts a length.
// References: IEEE 802.3 / 802.1Q (one tag, in the frame or already taken off by the card), RFC 791, RFC 768,
// RFC 3550 5.1 and 5.3.1 (RTP header, CSRC list, extension, padding), RFC 2250 2 (payload type 33: whole TS
// packets). Threading: pure functions.
#pragma once

#include <cstdint>
#include <span>

#include "control/protocol/drop_reason.h"

namespace headgate::fastpath {

inline constexpr std::size_t kEthernetHeader = 14;
inline constexpr std::size_t kVlanTag = 4;
inline constexpr std::size_t kUdpHeader = 8;
inline constexpr std::size_t kRtpHeader = 12;
inline constexpr std::uint8_t kProtocolUdp = 17;

struct Frame {
  enum class Kind : std::uint8_t { udp, for_host, dropped };
  Kind kind = Kind::dropped;
  protocol::DropReason reason = protocol::DropReason::not_for_us;  // of dropped
  std::uint16_t vlan = 0;                                          // 0: untagged
  std::uint32_t source = 0;                                        // host byte order, as the next two
  std::uint32_t destination = 0;
  std::uint16_t port = 0;
  std::uint16_t payload_offset = 0;  // of the UDP payload, from the frame's start
  std::uint16_t payload_size = 0;
};

// `stripped_vlan`: the tag that the card took off, 0 where it took none.
Frame parse_frame(std::span<const std::uint8_t> frame, std::uint16_t stripped_vlan) noexcept;

struct Payload {
  bool good = false;
  protocol::DropReason reason = protocol::DropReason::not_ts_size;  // where not good
  std::uint16_t offset = 0;  // of the first packet, from the UDP payload's start
  std::uint8_t packets = 0;  // 1..7
  bool rtp = false;
  std::uint16_t sequence = 0;
  std::uint32_t timestamp = 0;
  std::uint32_t ssrc = 0;
};

// `rtp`: what the input is configured as.
Payload parse_payload(std::span<const std::uint8_t> udp_payload, bool rtp) noexcept;

}  // namespace headgate::fastpath
