// A node file's `device` text: what it names and how DPDK is asked for it. Pure: opens nothing.
//   af_packet:eth1 | af_xdp:eth1 | tap:NAME | memif:PATH[,role=server|client][,id=N][,zero-copy=yes]
//   pcap:FILE | pcap:rx=FILE[,tx=FILE] | pci:0000:3b:00.0[,devargs] | dpdk:ANY,devargs
// Threading: pure functions and values.
#pragma once

#include <cstdint>
#include <string>

#include <tl/expected.hpp>

namespace headgate::fastpath {

inline constexpr unsigned kPacketRingFrames = 8192;  // 512, af_packet's default, lose at 300,000 a second

enum class DeviceKind : std::uint8_t { af_packet, af_xdp, memif, pcap, tap, pci, dpdk };

struct Device {
  DeviceKind kind = DeviceKind::af_packet;
  std::string name;  // for rte_dev_probe and rte_eth_dev_get_port_by_name: "net_af_packet0", "0000:3b:00.0"
  std::string arguments;         // devargs after the name, may be empty
  std::string kernel_interface;  // the kernel's interface behind it, "" where there is none
  std::string socket;            // memif: path of its socket when we are its server, to be removed before
  bool needs_pci_scan = false;
};

// `index` makes the names of virtual devices unique. Error: what is wrong with the text and what is accepted.
tl::expected<Device, std::string> parse_device(const std::string& text, std::size_t index);

}  // namespace headgate::fastpath
