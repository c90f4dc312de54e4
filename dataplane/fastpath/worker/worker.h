// The polling thread: receives bursts and the bridge's slots, looks up the flow, inspects, relays, cuts,
// copies to the bridge's ring; lets what pipes hold leave when it is due. One thread on one core; no
// allocation, lock or system call per packet. docs/life-of-a-packet.md tells the story. Threading: poll() and
// what it calls belong to the worker thread (or to a test). publish() and wait_for() belong to the main
// thread; the two meet in two atomics. Ownership: everything pointed at belongs to others and outlives the
// worker.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "control/protocol/stats_page.h"
#include "dataplane/fastpath/worker/datagram.h"
#include "dataplane/fastpath/worker/multiplex.h"
#include "dataplane/fastpath/worker/pipe.h"
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

class Worker final : private PipeSink {
 public:
  struct Parts {
    std::vector<PortRuntime*> ports;
    HostQueues host;
    ring::Producer* bridge = nullptr;      // may be null
    protocol::StatsPage* stats = nullptr;  // may be null
    TimelineStore* timelines = nullptr;    // may be null
  };
  explicit Worker(Parts parts);
  ~Worker() override;

  // Main thread: what the worker works by from its next poll on. The snapshot stays the caller's.
  void publish(const Snapshot* snapshot) noexcept { next_.store(snapshot, std::memory_order_release); }
  // Main thread: true once the worker has left every older snapshot.
  bool wait_for(const Snapshot* snapshot, std::chrono::milliseconds timeout) const noexcept;

  // One turn. Returns how many frames and slots came or went. `steps_ns`: see WorkerClock.
  std::size_t poll(std::int64_t now_unix_ns, std::int64_t steps_ns = 0) noexcept;
  // Brings the whole counter page up to date: at the end, and in tests.
  void publish_all() noexcept {
    note_departures(even_ns());
    publisher_.all(even_ns(), steps_ns_);
  }
  // Turns until `stop`; sleeps between them when quiet unless `never_sleep`.
  void run(const std::atomic<bool>& stop, const std::atomic<bool>& never_sleep) noexcept;

 private:
  void adopt(const Snapshot* snapshot) noexcept;
  std::size_t receive(PortRuntime& port, std::size_t index) noexcept;
  void on_frame(PortRuntime& port, std::size_t index, rte_mbuf* frame) noexcept;
  void on_datagram(PortRuntime& port, const RouteRange& range, const Frame& parsed, rte_mbuf* frame) noexcept;
  void take_in(InputRuntime& input, const Payload& payload, std::span<const std::uint8_t> packets) noexcept;
  void count_wrong_source(const FlowKey& key, std::uint32_t source) noexcept;
  bool count_wrong_port(FlowKey key) noexcept;
  void to_host(PortRuntime& port, std::size_t index, rte_mbuf* frame) noexcept;
  std::size_t from_host() noexcept;

  // relay.cpp
  void relay(const RouteRange& range, const Payload& payload, std::span<const std::uint8_t> packets,
             rte_mbuf* frame) noexcept;
  // `payload`: of the input's datagram that is relayed; nullptr: packets that were gathered.
  void send(OutputRuntime& output, rte_mbuf* frame, std::uint8_t packets, const InputRuntime* input,
            const Payload* payload) noexcept;
  void send_copy(OutputRuntime& output, std::span<const std::uint8_t> packets, const InputRuntime* input,
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
  void push_to_bridge(std::uint32_t handle, InputRuntime& input, std::span<const std::uint8_t> packets,
                      const PipeMarks& marks) noexcept;
  void enqueue(PortRuntime& port, rte_mbuf* frame, OutputRuntime* output) noexcept;
  void flush(PortRuntime& port) noexcept;
  void drop_pending(PortRuntime& port, protocol::DropReason reason) noexcept;

  // pipes.cpp
  void to_bridge(const PipePlan& plan, InputRuntime& on_air, std::span<const std::uint8_t> packets,
                 const PipeMarks& marks) noexcept override;
  void to_watch(const PipePlan& plan, InputRuntime& standby,
                std::span<const std::uint8_t> packets) noexcept override;
  void to_outputs(const PipePlan& plan, std::span<const std::uint8_t> packets) noexcept override;
  void on_rate_exceeded(const PipePlan& plan, std::uint64_t packets) noexcept override;
  void finish_lost_pipes(const Snapshot& next) noexcept;
  void adopt_pipes() noexcept;
  void adopt_outputs() noexcept;
  void take_to_pipe(const Route& route, std::span<const std::uint8_t> packets,
                    std::int64_t arrival_ns) noexcept;
  std::size_t from_bridge() noexcept;
  void on_slot(const ring::Slot& slot) noexcept;
  std::size_t serve_pipes() noexcept;
  void note_departures(std::int64_t now_ns) noexcept;

  // multiplex.cpp
  void adopt_multiplexes() noexcept;
  std::size_t serve_multiplexes() noexcept;

  bool departed() const noexcept { return !departed_.empty() || multiplexes_left_; }
  std::int64_t even_ns() const noexcept { return now_ns_ - steps_ns_; }
  void watch(std::int64_t before_ns) noexcept;

  Parts parts_;
  const Snapshot* current_ = nullptr;
  std::int64_t now_ns_ = 0;
  std::int64_t steps_ns_ = 0;
  Inspector::Watch watch_;
  std::int64_t next_cut_check_ns_ = 0;
  // Of Snapshot::pipes, in even time: when each has something to send, and when it is to be looked at.
  std::vector<std::int64_t> pipe_due_ns_;
  std::vector<std::int64_t> pipe_tick_ns_;
  std::int64_t next_due_ns_ = Pipe::kNever;
  std::int64_t next_pipe_check_ns_ = 0;
  std::vector<Pipe*> departed_;  // those whose paced datagrams left in this turn and were not noted yet
  std::int64_t next_multiplex_check_ns_ = 0;
  bool multiplexes_left_ = false;  // datagrams of multiplexes left in this turn and were not noted yet
  bool ring_used_ = false;
  bool taps_used_ = false;
  bool wake_host_ = false;
  Publisher publisher_;
  std::unique_ptr<ring::Slot> slot_;
  alignas(64) std::atomic<const Snapshot*> next_{nullptr};
  alignas(64) std::atomic<const Snapshot*> adopted_{nullptr};
};

}  // namespace headgate::fastpath
