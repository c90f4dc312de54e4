#include "dataplane/fastpath/worker/datagram.h"

#include "dataplane/fastpath/host/frame.h"
#include "mpegts/packet/types.h"

namespace headgate::fastpath {
namespace {

using protocol::DropReason;
constexpr std::size_t kMaxPackets = 7;

constexpr std::uint16_t get16(const std::uint8_t* b) noexcept {
  return static_cast<std::uint16_t>(b[0] << 8 | b[1]);
}
constexpr std::uint32_t get32(const std::uint8_t* b) noexcept {
  return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
}

Frame dropped(Frame frame, DropReason reason) noexcept {
  frame.kind = Frame::Kind::dropped;
  frame.reason = reason;
  return frame;
}

Frame parse_ipv4(Frame result, std::span<const std::uint8_t> frame, std::size_t at) noexcept {
  if (frame.size() < at + 20) return dropped(result, DropReason::malformed_ip);
  const std::uint8_t* ip = frame.data() + at;
  const std::size_t header = std::size_t{4} * (ip[0] & 0x0F);
  const std::size_t total = get16(ip + 2);
  if (ip[0] >> 4 != 4 || header < 20 || total < header || at + total > frame.size())
    return dropped(result, DropReason::malformed_ip);
  result.source = get32(ip + 12);
  result.destination = get32(ip + 16);
  // More fragments, or an offset (RFC 791 3.1).
  if ((get16(ip + 6) & 0x3FFF) != 0) return dropped(result, DropReason::ip_fragment);
  const std::uint8_t protocol = ip[9];
  if (protocol == kProtocolIgmp || protocol == kProtocolIcmp) {
    result.kind = Frame::Kind::for_host;
    return result;
  }
  if (protocol != kProtocolUdp) return dropped(result, DropReason::not_for_us);
  if (total < header + kUdpHeader) return dropped(result, DropReason::malformed_ip);
  const std::uint8_t* udp = ip + header;
  const std::size_t udp_length = get16(udp + 4);
  if (udp_length < kUdpHeader || udp_length > total - header)
    return dropped(result, DropReason::malformed_ip);
  result.kind = Frame::Kind::udp;
  result.port = get16(udp + 2);
  result.payload_offset = static_cast<std::uint16_t>(at + header + kUdpHeader);
  result.payload_size = static_cast<std::uint16_t>(udp_length - kUdpHeader);
  return result;
}

}  // namespace

Frame parse_frame(std::span<const std::uint8_t> frame, std::uint16_t stripped_vlan) noexcept {
  Frame result;
  result.vlan = stripped_vlan & 0x0FFF;
  if (frame.size() < kEthernetHeader) return dropped(result, DropReason::malformed_ip);
  std::size_t at = kEthernetHeader;
  std::uint16_t type = get16(frame.data() + 12);
  if (type == kEtherTypeVlan) {
    if (frame.size() < at + kVlanTag) return dropped(result, DropReason::malformed_ip);
    // A priority tag (VLAN 0, IEEE 802.1Q 9.6) leaves the frame untagged.
    result.vlan = get16(frame.data() + 14) & 0x0FFF;
    type = get16(frame.data() + 16);
    at += kVlanTag;
  }
  if (type == kEtherTypeArp) {
    result.kind = Frame::Kind::for_host;
    return result;
  }
  if (type != kEtherTypeIpv4) return dropped(result, DropReason::not_for_us);
  return parse_ipv4(result, frame, at);
}

namespace {

// Where the RTP payload lies: offset and size. False: not a well-formed header.
bool parse_rtp(std::span<const std::uint8_t> p, Payload& result, std::size_t& offset,
               std::size_t& size) noexcept {
  if (p.size() < kRtpHeader || p[0] >> 6 != 2) return false;
  offset = kRtpHeader + std::size_t{4} * (p[0] & 0x0F);  // CSRC list
  if ((p[0] & 0x10) != 0) {                              // extension
    if (p.size() < offset + 4) return false;
    offset += 4 + std::size_t{4} * get16(p.data() + offset + 2);
  }
  if (offset > p.size()) return false;
  size = p.size() - offset;
  if ((p[0] & 0x20) != 0) {  // padding: its last byte counts it, itself included
    if (size == 0) return false;
    const std::size_t padding = p.back();
    if (padding == 0 || padding > size) return false;
    size -= padding;
  }
  result.rtp = true;
  result.sequence = get16(p.data() + 2);
  result.timestamp = get32(p.data() + 4);
  result.ssrc = get32(p.data() + 8);
  return true;
}

}  // namespace

Payload parse_payload(std::span<const std::uint8_t> udp_payload, bool rtp) noexcept {
  Payload result;
  std::size_t offset = 0;
  std::size_t size = udp_payload.size();
  if (rtp && !parse_rtp(udp_payload, result, offset, size)) {
    result.reason = DropReason::rtp_malformed;
    return result;
  }
  const std::uint8_t* first = udp_payload.data() + offset;
  if (size == 0 || size % mpegts::kPacketSize != 0 || size > kMaxPackets * mpegts::kPacketSize) {
    const bool packets_of_204 =
        size != 0 && size % 204 == 0 && size <= kMaxPackets * 204 && *first == mpegts::kSyncByte;
    result.reason = packets_of_204 ? DropReason::packet_size_204 : DropReason::not_ts_size;
    return result;
  }
  bool any_sync = false;
  for (std::size_t i = 0; i < size; i += mpegts::kPacketSize) any_sync |= first[i] == mpegts::kSyncByte;
  if (!any_sync) {
    result.reason = DropReason::no_sync;
    return result;
  }
  result.good = true;
  result.offset = static_cast<std::uint16_t>(offset);
  result.packets = static_cast<std::uint8_t>(size / mpegts::kPacketSize);
  return result;
}

}  // namespace headgate::fastpath
