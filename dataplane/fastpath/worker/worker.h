// The polling thread: receives bursts, looks up the flow, inspects, relays, cuts, copies to the bridge's
// ring. One thread on one core; no allocation, lock or system call per packet. docs/life-of-a-packet.md tells
// the story. Threading: poll() and what it calls belong to the worker thread (or to a test). publish() and
// wait_for() belong to the main thread; the two meet in two atomics. Ownership: everything pointed at belongs
// to others and outlives the worker.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "control/protocol/stats_page.h"
#include "dataplane/fastpath/worker/datagram.h"
#include "dataplane/fastpath/worker/publisher.h"
#include "dataplane/fastpath/worker/runtime.h"
#include "dataplane/ring/ring.h"

struct rte_ring;

namespace headgate::fastpath {

// Frames of the host (IGMP, ARP, ICMP): to it and from it, with the wake-up of the main thread.
struct HostQueues {
  rte_ring* to_host = nullptr;
  rte_ring* from_host = nullptr;
  int wake_fd = -1;  // an eventfd, written when to_host stops being empty
};

class Worker {
 public:
  struct Parts {
    std::vector<PortRuntime*> ports;
    HostQueues host;
    ring::Producer* bridge = nullptr;      // may be null
    protocol::StatsPage* stats = nullptr;  // may be null
    TimelineStore* timelines = nullptr;    // may be null
  };
  explicit Worker(Parts parts);
  ~Worker();

  // Main thread: what the worker works by from its next poll on. The snapshot stays the caller's.
  void publish(const Snapshot* snapshot) noexcept { next_.store(snapshot, std::memory_order_release); }
  // Main thread: true once the worker has left every older snapshot.
  bool wait_for(const Snapshot* snapshot, std::chrono::milliseconds timeout) const noexcept;

  // One turn. Returns how many frames came or went.
  std::size_t poll(std::int64_t now_unix_ns) noexcept;
  // Brings the whole counter page up to date: at the end, and in tests.
  void publish_all() noexcept { publisher_.all(now_ns_); }
  // Turns until `stop`; sleeps between them when quiet unless `never_sleep`.
  void run(const std::atomic<bool>& stop, const std::atomic<bool>& never_sleep) noexcept;

 private:
  void adopt(const Snapshot* snapshot) noexcept;
  std::size_t receive(PortRuntime& port, std::size_t index) noexcept;
  void on_frame(PortRuntime& port, std::size_t index, rte_mbuf* frame) noexcept;
  void on_datagram(PortRuntime& port, const RouteRange& range, const Frame& parsed, rte_mbuf* frame) noexcept;
  void take_in(InputRuntime& input, const Payload& payload, std::span<const std::uint8_t> packets) noexcept;
  void count_wrong_source(const FlowKey& key) noexcept;
  void to_host(PortRuntime& port, std::size_t index, rte_mbuf* frame) noexcept;
  std::size_t from_host() noexcept;

  // relay.cpp
  void relay(const RouteRange& range, const Payload& payload, std::span<const std::uint8_t> packets,
             rte_mbuf* frame) noexcept;
  void send(OutputRuntime& output, rte_mbuf* frame, std::uint8_t packets, const InputRuntime& input,
            const Payload* payload) noexcept;
  void send_copy(OutputRuntime& output, std::span<const std::uint8_t> packets, const InputRuntime& input,
                 const Payload* payload) noexcept;
  void cut(const Route& route, std::span<const std::uint8_t> packets) noexcept;
  void append(const Route& route, std::span<const std::uint8_t> packets) noexcept;
  void finish_cut(const Route& route) noexcept;
  void follow_service_clock(const Route& route) noexcept;
  void flush_old_cuts() noexcept;
  void finish_lost_cuts(const Snapshot& next) noexcept;
  void push_to_taps(const Route& route, std::span<const std::uint8_t> packets) noexcept;
  void flush_taps() noexcept;
  void push_to_bridge(const Route& route, std::span<const std::uint8_t> packets) noexcept;
  void enqueue(PortRuntime& port, rte_mbuf* frame, OutputRuntime* output) noexcept;
  void flush(PortRuntime& port) noexcept;
  void drop_pending(PortRuntime& port, protocol::DropReason reason) noexcept;

  Parts parts_;
  const Snapshot* current_ = nullptr;
  std::int64_t now_ns_ = 0;
  std::int64_t next_cut_check_ns_ = 0;
  bool ring_used_ = false;
  bool taps_used_ = false;
  bool wake_host_ = false;
  Publisher publisher_;
  std::unique_ptr<ring::Slot> slot_;
  alignas(64) std::atomic<const Snapshot*> next_{nullptr};
  alignas(64) std::atomic<const Snapshot*> adopted_{nullptr};
};

}  // namespace headgate::fastpath
