// Every reason for which a datagram or packet is discarded, with the place it happens at and a sentence for
// people. Metrics: headgate_drops_total{where,reason}. docs/operations.md has an entry for each; a test
// checks that. Threading: constants.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace headgate::protocol {

enum class DropReason : std::uint8_t {
  no_flow,  // parser
  wrong_source,
  wrong_port,
  malformed_ip,
  ip_fragment,
  not_ts_size,
  packet_size_204,
  no_sync,
  rtp_malformed,
  not_for_us,
  repack_no_buffer,  // nic
  nic_missed,
  nic_error,
  nic_no_buffer,
  output_queue_full,  // output
  output_no_buffer,
  output_link_down,
  rate_exceeded,
  ring_full,  // ring
  buffer_full,
  exception_queue_full,
  multiplex_exceeded,  // output
  kCount
};
inline constexpr std::size_t kDropReasonCount = static_cast<std::size_t>(DropReason::kCount);

struct DropReasonInfo {
  DropReason reason;
  std::string_view name;   // the metric's label
  std::string_view where;  // nic | ring | parser | output | client
  std::string_view sentence;
};

inline constexpr std::array<DropReasonInfo, kDropReasonCount> kDropReasons{{
    {DropReason::no_flow, "no_flow", "parser",
     "UDP datagram for a group, port and VLAN that no channel takes"},
    {DropReason::wrong_source, "wrong_source", "parser",
     "datagram of a group that we take, but from another source"},
    {DropReason::wrong_port, "wrong_port", "parser",
     "datagram of a group that we take, to a port that no channel takes"},
    {DropReason::malformed_ip, "malformed_ip", "parser",
     "IP or UDP header whose lengths disagree with the frame"},
    {DropReason::ip_fragment, "ip_fragment", "parser", "IP fragment; reassembly is not done"},
    {DropReason::not_ts_size, "not_ts_size", "parser", "payload is not 1 to 7 packets of 188 bytes"},
    {DropReason::packet_size_204, "packet_size_204", "parser",
     "payload is packets of 204 bytes; set the sender to 188"},
    {DropReason::no_sync, "no_sync", "parser",
     "payload of the right size in which no packet begins with 0x47"},
    {DropReason::rtp_malformed, "rtp_malformed", "parser",
     "RTP header of another version or longer than the datagram"},
    {DropReason::not_for_us, "not_for_us", "parser", "frame that is neither IPv4, ARP nor for this host"},
    {DropReason::repack_no_buffer, "repack_no_buffer", "nic", "no buffer left to repack a service into"},
    {DropReason::nic_missed, "nic_missed", "nic", "frames that the port dropped because its queue was full"},
    {DropReason::nic_error, "nic_error", "nic", "frames that the port received with errors"},
    {DropReason::nic_no_buffer, "nic_no_buffer", "nic", "frames that the port dropped for want of a buffer"},
    {DropReason::output_queue_full, "output_queue_full", "output",
     "transmit queue stayed full for a whole turn"},
    {DropReason::output_no_buffer, "output_no_buffer", "output",
     "no buffer left for a copy to a further output"},
    {DropReason::output_link_down, "output_link_down", "output", "the output's port has no link"},
    {DropReason::rate_exceeded, "rate_exceeded", "output",
     "packet beyond the constant rate of the channel (remux.bitrate)"},
    {DropReason::ring_full, "ring_full", "ring",
     "ring to or from the bridge full, or the channel's share of it used up"},
    {DropReason::buffer_full, "buffer_full", "ring",
     "packet that came too early or was too much for the input's buffer (remux.buffer)"},
    {DropReason::exception_queue_full, "exception_queue_full", "ring", "queue to the IGMP and ARP host full"},
    {DropReason::multiplex_exceeded, "multiplex_exceeded", "output",
     "packet of a member beyond its share of the multiplex's bitrate"},
}};

constexpr const DropReasonInfo& info(DropReason reason) noexcept {
  return kDropReasons[static_cast<std::size_t>(reason)];
}

}  // namespace headgate::protocol
