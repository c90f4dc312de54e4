#include "dataplane/fastpath/port/port.h"

#include <bpf/libbpf.h>
#include <dirent.h>
#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <rte_bus_vdev.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace headgate::fastpath {
namespace {

std::string remedy(const Device& device, int error) {
  const bool privilege = error == EPERM || error == EACCES;
  switch (device.kind) {
    case DeviceKind::af_packet:
    case DeviceKind::tap:
      if (privilege || ::geteuid() != 0) return "it needs the capabilities CAP_NET_RAW and CAP_NET_ADMIN";
      return "see the log of DPDK above";
    case DeviceKind::af_xdp:
      if (privilege || ::geteuid() != 0)
        return "it needs the capabilities CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF";
      return "does the interface's driver support XDP? af_packet: is the alternative";
    case DeviceKind::memif:
      return "is the directory of its socket there and writable?";
    case DeviceKind::pcap:
      return "is the file there and readable, and its folder writable?";
    case DeviceKind::pci:
      return "is the card bound to vfio-pci (dpdk-devbind.py -b vfio-pci ADDRESS), and is its driver among "
             "those linked?";
    default:
      return "is it a device that DPDK knows, with a driver among those linked?";
  }
}

tl::unexpected<std::string> failure(const std::string& interface, const Device& device,
                                    const std::string& what, int error) {
  std::string text = fmt::format("interface {}: {} ({}): ", interface, what, device.name);
  if (!device.kernel_interface.empty() && device.kind != DeviceKind::tap &&
      ::if_nametoindex(device.kernel_interface.c_str()) == 0) {
    return tl::unexpected<std::string>(
        text + fmt::format("the kernel has no interface {}; see ip link", device.kernel_interface));
  }
  if (error != 0) text += fmt::format("{}; ", rte_strerror(error < 0 ? -error : error));
  return tl::unexpected<std::string>(text + remedy(device, error < 0 ? -error : error));
}

// The interface's flags from the kernel, -1 when it has no such interface. A socket of our own network
// namespace: /sys may show another's.
int kernel_flags(const std::string& interface) noexcept {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  ifreq request{};
  std::memcpy(request.ifr_name, interface.data(), std::min<std::size_t>(interface.size(), IFNAMSIZ - 1));
  const int result = ::ioctl(fd, SIOCGIFFLAGS, &request);
  ::close(fd);
  return result == 0 ? static_cast<std::uint16_t>(request.ifr_flags) : -1;
}

// A socket left by a killed server makes memif refuse to start, and has to go; one that somebody listens at
// must stay. False: it is in use.
bool clear_socket(const std::string& path) noexcept {
  struct stat info {};
  if (path.empty() || ::lstat(path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode)) return true;
  const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const bool answered = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
                        errno == EAGAIN || errno == EPROTOTYPE;
  ::close(fd);
  if (!answered) ::unlink(path.c_str());
  return !answered;
}

// The packet socket through which the driver receives from the interface: the kernel counts there what found
// its ring full, and DPDK 22.11 doesn't ask. It is one of our own descriptors.
int find_packet_socket(const std::string& interface) noexcept {
  const unsigned index = ::if_nametoindex(interface.c_str());
  DIR* folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return -1;
  int found = -1;
  while (const dirent* entry = ::readdir(folder)) {
    const int fd = std::atoi(entry->d_name);
    sockaddr_ll address{};
    socklen_t size = sizeof address;
    if (fd <= 2 || ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) continue;
    if (address.sll_family == AF_PACKET && address.sll_ifindex == static_cast<int>(index)) found = fd;
  }
  ::closedir(folder);
  return found;
}

// The XDP program outlives its process: a killed one leaves it, and so does a stopped one, which has no
// capability left to take it off. The driver refuses an interface that has one.
void detach_stale_xdp(const std::string& interface) noexcept {
  const int index = static_cast<int>(::if_nametoindex(interface.c_str()));
  for (const __u32 mode : {XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE}) {
    __u32 program = 0;
    if (::bpf_xdp_query_id(index, static_cast<int>(mode), &program) == 0 && program != 0)
      ::bpf_xdp_detach(index, mode, nullptr);
  }
}

unsigned pool_buffers(DeviceKind kind) { return kind == DeviceKind::af_xdp ? kXdpPoolBuffers : kPoolBuffers; }

}  // namespace

std::size_t pool_memory_mib(DeviceKind kind) {
  const std::size_t pool = (pool_buffers(kind) + 1) * (std::size_t{kBufferBytes} + 384) / (1024 * 1024);
  // The pool wants one piece, which a heap of the exact sum doesn't have after other allocations.
  return pool + pool / 4 + 4;
}

tl::expected<std::unique_ptr<Port>, std::string> Port::open(const std::string& interface,
                                                            const Device& device, std::uint16_t mtu) {
  std::unique_ptr<Port> port(new Port);
  port->interface_ = interface;
  port->device_ = device;
  if (!device.kernel_interface.empty() && device.kind != DeviceKind::tap) {
    const int flags = kernel_flags(device.kernel_interface);
    if (flags < 0) return failure(interface, device, "can't be opened", ENODEV);
    if ((flags & IFF_UP) == 0) {
      return tl::unexpected<std::string>(fmt::format("interface {}: {} is down; set it up: ip link set {} up",
                                                     interface, device.kernel_interface,
                                                     device.kernel_interface));
    }
  }
  if (!clear_socket(device.socket))
    return tl::unexpected<std::string>(
        fmt::format("interface {}: another memif server listens at {}; one side is role=client", interface,
                    device.socket));
  if (device.kind == DeviceKind::af_xdp) detach_stale_xdp(device.kernel_interface);
  // A card on the PCI bus was attached when EAL started.
  if (rte_eth_dev_get_port_by_name(device.name.c_str(), &port->id_) != 0) {
    const std::string arguments =
        device.arguments.empty() ? device.name : device.name + "," + device.arguments;
    const int result = rte_dev_probe(arguments.c_str());
    if (result != 0) return failure(interface, device, "can't be opened", result);
    if (rte_eth_dev_get_port_by_name(device.name.c_str(), &port->id_) != 0)
      return failure(interface, device, "is no port", ENODEV);
  }
  port->attached_ = true;
  if (auto started = port->start(mtu); !started) return tl::unexpected<std::string>(started.error());
  return port;
}

tl::expected<void, std::string> Port::start(std::uint16_t mtu) {
  rte_eth_dev_info info{};
  if (const int r = rte_eth_dev_info_get(id_, &info); r != 0)
    return failure(interface_, device_, "tells nothing", r);
  const std::string pool_name = fmt::format("pool{}", id_);
  pool_ = rte_pktmbuf_pool_create(pool_name.c_str(), pool_buffers(device_.kind), 256, 0, kBufferBytes,
                                  SOCKET_ID_ANY);
  if (pool_ == nullptr) return failure(interface_, device_, "no memory for its packet buffers", rte_errno);

  rte_eth_conf configuration{};
  // A tag that the hardware takes away costs us a comparison and saves nothing: leave tags in the frame.
  if (const int r = rte_eth_dev_configure(id_, 1, 1, &configuration); r != 0)
    return failure(interface_, device_, "can't be configured", r);
  // Drivers without an MTU of their own (memif, pcap) refuse this, and need it not.
  if (mtu != 1500) rte_eth_dev_set_mtu(id_, mtu);
  std::uint16_t receive_descriptors = 2048;
  std::uint16_t transmit_descriptors = 1024;
  if (const int r = rte_eth_dev_adjust_nb_rx_tx_desc(id_, &receive_descriptors, &transmit_descriptors);
      r != 0)
    return failure(interface_, device_, "refuses its queue lengths", r);
  if (const int r = rte_eth_rx_queue_setup(id_, 0, receive_descriptors, SOCKET_ID_ANY, nullptr, pool_);
      r != 0)
    return failure(interface_, device_, "has no receive queue", r);
  if (const int r = rte_eth_tx_queue_setup(id_, 0, transmit_descriptors, SOCKET_ID_ANY, nullptr); r != 0)
    return failure(interface_, device_, "has no transmit queue", r);
  if (const int r = rte_eth_dev_start(id_); r != 0)
    return failure(interface_, device_, "can't be started", r);
  // All groups come in by this: af_packet and af_xdp know no multicast filter. memif and pcap know no
  // promiscuity, and hand over everything anyhow.
  rte_eth_promiscuous_enable(id_);
  rte_ether_addr address{};
  if (rte_eth_macaddr_get(id_, &address) == 0) std::copy_n(address.addr_bytes, 6, mac_.begin());
  if (device_.kind == DeviceKind::af_packet) packet_socket_ = find_packet_socket(device_.kernel_interface);
  return {};
}

Port::~Port() {
  if (attached_) {
    rte_eth_dev_stop(id_);
    rte_eth_dev_info info{};
    const bool known = rte_eth_dev_info_get(id_, &info) == 0;
    rte_eth_dev_close(id_);
    if (known && info.device != nullptr) rte_dev_remove(info.device);
  }
  if (pool_ != nullptr) rte_mempool_free(pool_);
}

std::uint16_t Port::receive(std::array<rte_mbuf*, kBurst>& burst) noexcept {
  return rte_eth_rx_burst(id_, 0, burst.data(), kBurst);
}

std::uint16_t Port::transmit(rte_mbuf** packets, std::uint16_t count) noexcept {
  return rte_eth_tx_burst(id_, 0, packets, count);
}

bool Port::link_up() const noexcept {
  if (!device_.kernel_interface.empty()) {
    const int flags = kernel_flags(device_.kernel_interface);
    return flags >= 0 && (flags & IFF_UP) != 0 && (flags & IFF_RUNNING) != 0;
  }
  rte_eth_link link{};
  return rte_eth_link_get_nowait(id_, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

Port::Errors Port::errors() noexcept {
  tpacket_stats ring{};
  socklen_t size = sizeof ring;
  // Reading sets the kernel's counters to 0.
  if (packet_socket_ >= 0 && ::getsockopt(packet_socket_, SOL_PACKET, PACKET_STATISTICS, &ring, &size) == 0)
    missed_ += ring.tp_drops;
  rte_eth_stats stats{};
  if (rte_eth_stats_get(id_, &stats) != 0) return {};
  return {stats.imissed + missed_, stats.ierrors, stats.rx_nombuf};
}

void Port::forget_lossy_backlog() noexcept {
  if (errors().missed == 0) return;
  std::array<rte_mbuf*, kBurst> burst;
  // No queue is longer than this; what comes meanwhile is already whole.
  for (unsigned gone = 0; gone < kPacketRingFrames;) {
    const std::uint16_t n = receive(burst);
    if (n == 0) return;
    rte_pktmbuf_free_bulk(burst.data(), n);
    missed_ += n;
    gone += n;
  }
}

}  // namespace headgate::fastpath
