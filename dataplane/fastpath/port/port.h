// One DPDK port: opened with one receive and one transmit queue, promiscuous, its packet buffers in a pool of
// its own. Pools are small on purpose: buffers that stay in the L3 cache halve the cost of a packet.
// Threading: made and destroyed by the main thread while no worker polls it; receive() and transmit() belong
// to one worker thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include <tl/expected.hpp>

#include "dataplane/fastpath/port/device.h"

struct rte_mbuf;
struct rte_mempool;

namespace headgate::fastpath {

inline constexpr unsigned kPoolBuffers = 8191;      // a mempool is leanest at 2^n - 1
inline constexpr unsigned kXdpPoolBuffers = 16383;  // fill ring, transmit ring and what is under way
inline constexpr unsigned kBufferBytes = 2176;      // 128 of headroom and a frame of 2,048
inline constexpr unsigned kBurst = 32;

// Nominal memory of one port's pool, for EalOptions::memory_mib.
std::size_t pool_memory_mib(DeviceKind kind);

class Port {
 public:
  // Error: names interface and device and says what to do.
  static tl::expected<std::unique_ptr<Port>, std::string> open(const std::string& interface,
                                                               const Device& device, std::uint16_t mtu);
  ~Port();
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  std::uint16_t receive(std::array<rte_mbuf*, kBurst>& burst) noexcept;
  // How many were taken; the rest still belong to the caller.
  std::uint16_t transmit(rte_mbuf** packets, std::uint16_t count) noexcept;

  const std::string& interface() const noexcept { return interface_; }
  const std::array<std::uint8_t, 6>& mac() const noexcept { return mac_; }
  rte_mempool* pool() const noexcept { return pool_; }
  // Asks the kernel where the device is one of its interfaces (af_packet and af_xdp never report a lost
  // carrier).
  bool link_up() const noexcept;
  struct Errors {
    std::uint64_t missed = 0;
    std::uint64_t errors = 0;
    std::uint64_t no_buffer = 0;
  };
  Errors errors() noexcept;
  // Main thread, before the first receive(): a queue that ran over while we started holds frames from before
  // a hole. They are discarded, and counted as missed like those in the hole, so that a stream begins whole.
  void forget_lossy_backlog() noexcept;

 private:
  Port() = default;
  tl::expected<void, std::string> start(std::uint16_t mtu);

  std::string interface_;
  Device device_;
  std::uint16_t id_ = 0xFFFF;
  rte_mempool* pool_ = nullptr;
  std::array<std::uint8_t, 6> mac_{};
  bool attached_ = false;
  int packet_socket_ = -1;    // af_packet: the driver's, which closes it
  std::uint64_t missed_ = 0;  // that the driver doesn't tell of
};

}  // namespace headgate::fastpath
