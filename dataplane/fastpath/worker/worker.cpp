#include "dataplane/fastpath/worker/worker.h"

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>
#include <rte_ring.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "dataplane/fastpath/worker/rest.h"
#include "dataplane/fastpath/worker/worker_clock.h"

namespace headgate::fastpath {
namespace {

using protocol::DropReason;

constexpr std::size_t kPrefetchAhead = 4;  // measured best: deeper pollutes, shallower waits
constexpr std::size_t kTypicalHeaders = 42;
constexpr std::int64_t kHeldUpNs = 20'000'000;  // between two turns: longer than any nap

// The headers and the first bytes of each of seven packets.
void prefetch(const rte_mbuf* frame) noexcept {
  const auto* data = rte_pktmbuf_mtod(frame, const std::uint8_t*);
  rte_prefetch0(data);
  for (std::size_t i = 0; i < 7; ++i) rte_prefetch0(data + kTypicalHeaders + i * mpegts::kPacketSize);
}

std::span<const std::uint8_t> bytes_of(const rte_mbuf* frame) noexcept {
  return {rte_pktmbuf_mtod(frame, const std::uint8_t*), frame->data_len};
}

// As sched_setattr(2) describes it; neither glibc 2.36 nor a header that bears <sched.h> beside it has it.
struct SchedulerAttributes {
  std::uint32_t size;
  std::uint32_t policy;
  std::uint64_t flags;
  std::int32_t nice;
  std::uint32_t priority;
  std::uint64_t runtime;
  std::uint64_t deadline;
  std::uint64_t period;
};
static_assert(sizeof(SchedulerAttributes) == 48);

// From Linux 6.12 on the scheduler gives a thread that asks for short turns its core sooner, where others
// want it, too; its share stays. It needs no privilege, and older kernels take no notice.
void ask_for_short_turns() noexcept {
  constexpr std::uint64_t kTurnNs = 100'000;  // the shortest there is
  SchedulerAttributes attributes{};
  if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return;
  if (attributes.policy != SCHED_OTHER) return;  // whoever set a real-time policy knows why
  attributes.size = sizeof attributes;
  attributes.runtime = kTurnNs;
  ::syscall(SYS_sched_setattr, 0, &attributes, 0);
}

}  // namespace

Worker::Worker(Parts parts)
    : parts_(std::move(parts)),
      publisher_(parts_.stats, parts_.timelines, parts_.ports),
      slot_(std::make_unique<ring::Slot>()) {
  pipe_due_ns_.resize(protocol::kMaxChannels, Pipe::kNever);
  pipe_tick_ns_.resize(protocol::kMaxChannels, Pipe::kNever);
  departed_.reserve(protocol::kMaxChannels);
}

Worker::~Worker() {
  for (PortRuntime* port : parts_.ports) drop_pending(*port, DropReason::output_queue_full);
}

bool Worker::wait_for(const Snapshot* snapshot, std::chrono::milliseconds timeout) const noexcept {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (adopted_.load(std::memory_order_acquire) != snapshot) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return true;
}

void Worker::adopt(const Snapshot* snapshot) noexcept {
  if (current_ != nullptr) {
    finish_lost_cuts(*snapshot);
    finish_lost_pipes(*snapshot);
  }
  // What waits in the transmit queues points at outputs that may be freed after this.
  for (PortRuntime* port : parts_.ports) {
    flush(*port);
    drop_pending(*port, DropReason::output_queue_full);
  }
  current_ = snapshot;
  if (snapshot->bridge != nullptr) parts_.bridge = snapshot->bridge;
  if (parts_.bridge != nullptr) {
    parts_.bridge->set_channel_count(snapshot->bridge_channels);
    for (const std::uint32_t handle : snapshot->forgotten_handles) parts_.bridge->forget_channel(handle);
  }
  for (const Route& route : snapshot->routes) {
    if (route.cut == nullptr) route.input->inspector.set_timeline_pid(std::nullopt);
  }
  for (const auto& [cut, provider, name] : snapshot->cut_texts) cut->filter.set_texts(provider, name);
  for (const std::uint32_t index : snapshot->cut_routes) follow_service_clock(snapshot->routes[index]);
  adopt_pipes();
  adopt_multiplexes();
  adopt_outputs();
  publisher_.adopt(snapshot);
  adopted_.store(snapshot, std::memory_order_release);
}

std::size_t Worker::poll(std::int64_t now_unix_ns, std::int64_t steps_ns) noexcept {
  if (departed()) note_departures(even_ns());
  const std::int64_t before_ns = even_ns();
  now_ns_ = now_unix_ns;
  steps_ns_ = steps_ns;
  watch(before_ns);
  if (const Snapshot* next = next_.load(std::memory_order_acquire); next != current_) adopt(next);
  std::size_t work = 0;
  // Before the first snapshot nobody knows what to take: frames wait in their ports. A pcap file would lose
  // its beginning.
  if (current_ != nullptr) {
    for (std::size_t i = 0; i < parts_.ports.size(); ++i) work += receive(*parts_.ports[i], i);
    work += from_bridge();
    if (!current_->pipes.empty()) work += serve_pipes();
    if (!current_->multiplexes.empty()) work += serve_multiplexes();
  }
  work += from_host();
  if (current_ != nullptr && now_ns_ >= next_cut_check_ns_) flush_old_cuts();
  for (PortRuntime* port : parts_.ports) {
    if (port->pending_count > 0) flush(*port);
  }
  if (ring_used_) {
    parts_.bridge->flush();
    ring_used_ = false;
  }
  if (taps_used_) [[unlikely]]
    flush_taps();
  if (wake_host_) {
    ::eventfd_write(parts_.host.wake_fd, 1);
    wake_host_ = false;
  }
  return work;
}

// A worker that had no core for a while finds at once what came meanwhile: that tables seem to be late, or
// datagrams to come in a lump, is not the stream's fault.
void Worker::watch(std::int64_t before_ns) noexcept {
  const std::int64_t away = even_ns() - before_ns;
  if (away > kHeldUpNs) ++watch_.stalls;
  watch_.ns += std::clamp<std::int64_t>(away, 0, kHeldUpNs);
}

void Worker::run(const std::atomic<bool>& stop, const std::atomic<bool>& never_sleep) noexcept {
  ::prctl(PR_SET_TIMERSLACK, 1000);  // the default of 50 us would double the shortest nap
  ask_for_short_turns();
  Rest rest;
  WorkerClock clock(publisher_.clock_base_ns());
  std::uint64_t before = rte_rdtsc();
  while (!stop.load(std::memory_order_relaxed)) {
    const WorkerClock::Now now = clock.now();
    const std::size_t work = poll(now.unix_ns, now.steps_ns);
    if (departed()) note_departures(clock.now().unix_ns - steps_ns_);
    publisher_.turn(even_ns(), steps_ns_);
    const std::uint64_t worked = rte_rdtsc();
    const std::uint64_t busy = work > 0 ? worked - before : 0;
    if (work > 0) {
      rest.worked(work);
    } else if (const auto nap =
                   never_sleep.load(std::memory_order_relaxed) ? 0 : rest.next(even_ns(), next_due_ns_);
               nap > 0) {
      const timespec time{0, nap};
      ::nanosleep(&time, nullptr);
      // What a nap takes is of interest only where something must leave in time.
      if (next_due_ns_ != Pipe::kNever) rest.slept(nap, clock.now().unix_ns - now.unix_ns);
    } else {
      rte_pause();
    }
    const std::uint64_t after = rte_rdtsc();
    publisher_.count_turn(work, busy, after - before);
    before = after;
  }
}

std::size_t Worker::receive(PortRuntime& port, std::size_t index) noexcept {
  std::array<rte_mbuf*, kBurst> burst;
  const std::size_t n = port.port->receive(burst);
  for (std::size_t i = 0; i < n && i < kPrefetchAhead; ++i) prefetch(burst[i]);
  for (std::size_t i = 0; i < n; ++i) {
    if (i + kPrefetchAhead < n) prefetch(burst[i + kPrefetchAhead]);
    on_frame(port, index, burst[i]);
  }
  return n;
}

void Worker::on_frame(PortRuntime& port, std::size_t index, rte_mbuf* frame) noexcept {
  ++port.rx_packets;
  port.rx_bytes += frame->pkt_len;
  const bool stripped = (frame->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0;
  const std::uint16_t stripped_vlan = stripped ? frame->vlan_tci : std::uint16_t{0};
  // A frame longer than a buffer comes in several: none such holds one to seven packets.
  const Frame parsed = parse_frame(bytes_of(frame), stripped_vlan);
  if (parsed.kind == Frame::Kind::for_host) return to_host(port, index, frame);
  DropReason reason = parsed.reason;
  if (parsed.kind == Frame::Kind::udp) {
    reason = DropReason::no_flow;
    if (current_ != nullptr) {
      const FlowKey key{parsed.destination, parsed.port, parsed.vlan, static_cast<std::uint8_t>(index)};
      const std::uint32_t flow = current_->flow_table.find(key, parsed.source);
      if (flow < FlowTable::kWrongSource) return on_datagram(port, current_->flows[flow], parsed, frame);
      if (flow == FlowTable::kWrongSource) {
        count_wrong_source(key, parsed.source);
        rte_pktmbuf_free(frame);
        return;
      }
      if (count_wrong_port(key)) return rte_pktmbuf_free(frame);
    }
  }
  count(port.drops, reason);
  rte_pktmbuf_free(frame);
}

// Counted where it is looked for: under the channels that take the group from another source.
void Worker::count_wrong_source(const FlowKey& key, std::uint32_t source) noexcept {
  current_->flow_table.each(key, [this, source](std::uint32_t flow) {
    const RouteRange& range = current_->flows[flow];
    for (std::uint32_t i = 0; i < range.count; ++i) {
      InputRuntime& input = *current_->routes[range.first + i].input;
      count(input.drops, DropReason::wrong_source);
      input.wrong_source = source;
    }
  });
}

// Under the channels of the group, with the port; false where nobody takes the group.
bool Worker::count_wrong_port(FlowKey key) noexcept {
  const std::uint16_t port = std::exchange(key.port, std::uint16_t{0});
  const std::uint32_t group = current_->group_table.find(key, 0);
  if (group >= FlowTable::kWrongSource) return false;
  for (InputRuntime* input : current_->groups[group]) {
    count(input->drops, DropReason::wrong_port);
    input->wrong_port = port;
  }
  return true;
}

void Worker::on_datagram(PortRuntime& port, const RouteRange& range, const Frame& parsed,
                         rte_mbuf* frame) noexcept {
  const std::span<const std::uint8_t> udp =
      bytes_of(frame).subspan(parsed.payload_offset, parsed.payload_size);
  const Route* routes = current_->routes.data() + range.first;
  // One group and port carries one protocol: the map refuses a flow that is UDP here and RTP there.
  const Payload payload = parse_payload(udp, routes[0].input->rtp);
  if (!payload.good) {
    for (std::uint32_t i = 0; i < range.count; ++i) {
      count(routes[i].input->drops, payload.reason);
      if (payload.reason == DropReason::no_sync) routes[i].input->inspector.on_no_sync();
    }
    if (range.count == 0) count(port.drops, payload.reason);
    rte_pktmbuf_free(frame);
    return;
  }
  const auto packets = udp.subspan(payload.offset, payload.packets * mpegts::kPacketSize);
  for (std::uint32_t i = 0; i < range.count; ++i) take_in(*routes[i].input, payload, packets);
  relay(range, payload, packets, frame);
}

void Worker::take_in(InputRuntime& input, const Payload& payload,
                     std::span<const std::uint8_t> packets) noexcept {
  ++input.datagrams;
  input.bytes += packets.size();
  if (input.first_packet_ns == 0) input.first_packet_ns = even_ns();
  input.last_packet_ns = even_ns();
  if (payload.rtp) input.rtp_tracker.on_packet(payload.sequence, payload.ssrc);
  input.inspector.on_packets(packets, now_ns_, watch_);
}

void Worker::to_host(PortRuntime& port, std::size_t index, rte_mbuf* frame) noexcept {
  frame->port = static_cast<std::uint16_t>(index);
  if (parts_.host.to_host == nullptr || rte_ring_sp_enqueue(parts_.host.to_host, frame) != 0) {
    count(port.drops, DropReason::exception_queue_full);
    rte_pktmbuf_free(frame);
    return;
  }
  wake_host_ = true;
}

std::size_t Worker::from_host() noexcept {
  if (parts_.host.from_host == nullptr) return 0;
  std::array<void*, kBurst> frames;
  const unsigned n = rte_ring_sc_dequeue_burst(parts_.host.from_host, frames.data(), kBurst, nullptr);
  for (unsigned i = 0; i < n; ++i) {
    auto* frame = static_cast<rte_mbuf*>(frames[i]);
    PortRuntime& port = *parts_.ports[frame->port];
    enqueue(port, frame, nullptr);
  }
  return n;
}

}  // namespace headgate::fastpath
