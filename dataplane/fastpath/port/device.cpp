#include "dataplane/fastpath/port/device.h"

#include <fmt/format.h>

namespace headgate::fastpath {
namespace {

using Result = tl::expected<Device, std::string>;

tl::unexpected<std::string> refuse(const std::string& text, const std::string& why) {
  return tl::unexpected<std::string>(fmt::format("device \"{}\": {}", text, why));
}

// The kernel's limit is IFNAMSIZ - 1; a comma or '=' would start another devarg.
bool good_interface_name(const std::string& name) {
  return !name.empty() && name.size() <= 15 && name.find_first_of(",= /") == std::string::npos;
}

struct Split {
  std::string head;
  std::string tail;  // after the first comma
};
Split split_at_comma(const std::string& text) {
  const auto comma = text.find(',');
  if (comma == std::string::npos) return {text, ""};
  return {text.substr(0, comma), text.substr(comma + 1)};
}

Result parse_memif(const std::string& text, const std::string& rest, std::size_t index) {
  auto [path, options] = split_at_comma(rest);
  if (path.empty() || path[0] != '/') return refuse(text, "memif needs the absolute path of its socket");
  if (path.size() > 107) return refuse(text, "the path of a memif socket has at most 107 characters");
  std::string role = "server";
  std::string extra;
  while (!options.empty()) {
    const auto [option, tail] = split_at_comma(options);
    if (option.starts_with("role=")) {
      role = option.substr(5);
    } else {
      extra += fmt::format(",{}", option);
    }
    options = tail;
  }
  if (role != "server" && role != "client") return refuse(text, "role is server or client");
  Device device{DeviceKind::memif, fmt::format("net_memif{}", index), "", "", "", false};
  // A socket name in the file system, not in the abstract name space, which containers don't share.
  device.arguments = fmt::format("role={},socket={},socket-abstract=no,rsize=11{}", role, path, extra);
  if (role == "server") device.socket = path;
  return device;
}

Result parse_pcap(const std::string& text, const std::string& rest, std::size_t index) {
  Device device{DeviceKind::pcap, fmt::format("net_pcap{}", index), "", "", "", false};
  if (rest.empty()) return refuse(text, "pcap needs a file");
  if (rest.starts_with("rx=") || rest.starts_with("tx=")) {
    std::string options = rest;
    while (!options.empty()) {
      const auto [option, tail] = split_at_comma(options);
      if (option.starts_with("rx=") && option.size() > 3) {
        device.arguments +=
            fmt::format("{}rx_pcap={}", device.arguments.empty() ? "" : ",", option.substr(3));
      } else if (option.starts_with("tx=") && option.size() > 3) {
        device.arguments +=
            fmt::format("{}tx_pcap={}", device.arguments.empty() ? "" : ",", option.substr(3));
      } else {
        return refuse(text, "pcap takes rx=FILE and tx=FILE");
      }
      options = tail;
    }
    return device;
  }
  if (rest.find(',') != std::string::npos)
    return refuse(text, "a comma can't stand in the name of a pcap file");
  device.arguments = fmt::format("rx_pcap={0},tx_pcap={0}.out.pcap", rest);
  return device;
}

Result parse_kernel_device(const std::string& text, DeviceKind kind, const std::string& interface,
                           std::size_t index) {
  if (!good_interface_name(interface))
    return refuse(text, "needs the name of a kernel interface after the colon");
  Device device{kind, "", "", interface, "", false};
  switch (kind) {
    case DeviceKind::af_packet:
      device.name = fmt::format("net_af_packet{}", index);
      device.arguments = fmt::format("iface={},framecnt={},framesz=2048,blocksz=262144,qdisc_bypass=1",
                                     interface, kPacketRingFrames);
      break;
    case DeviceKind::af_xdp:
      device.name = fmt::format("net_af_xdp{}", index);
      device.arguments = fmt::format("iface={},start_queue=0,queue_count=1", interface);
      break;
    default:
      device.name = fmt::format("net_tap{}", index);
      device.arguments = fmt::format("iface={}", interface);
      break;
  }
  return device;
}

}  // namespace

tl::expected<Device, std::string> parse_device(const std::string& text, std::size_t index) {
  const auto colon = text.find(':');
  if (colon == std::string::npos)
    return refuse(text, "begins with none of af_packet: af_xdp: tap: memif: pcap: pci: dpdk:");
  const std::string kind = text.substr(0, colon);
  const std::string rest = text.substr(colon + 1);
  if (kind == "af_packet") return parse_kernel_device(text, DeviceKind::af_packet, rest, index);
  if (kind == "af_xdp") return parse_kernel_device(text, DeviceKind::af_xdp, rest, index);
  if (kind == "tap") return parse_kernel_device(text, DeviceKind::tap, rest, index);
  if (kind == "memif") return parse_memif(text, rest, index);
  if (kind == "pcap") return parse_pcap(text, rest, index);
  const auto [name, arguments] = split_at_comma(rest);
  if (name.empty()) return refuse(text, "names no device after the colon");
  if (kind == "pci") return Device{DeviceKind::pci, name, arguments, "", "", true};
  // A name with a colon is an address on the PCI bus, anything else a virtual device.
  if (kind == "dpdk")
    return Device{DeviceKind::dpdk, name, arguments, "", "", name.find(':') != std::string::npos};
  return refuse(text, "begins with none of af_packet: af_xdp: tap: memif: pcap: pci: dpdk:");
}

}  // namespace headgate::fastpath
