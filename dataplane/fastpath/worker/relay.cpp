// The worker's outgoing half: relay in place, copies to further outputs, the cut of a service, the bridge's
// ring, the transmit queues.
#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>

#include "dataplane/fastpath/worker/worker.h"

namespace headgate::fastpath {
namespace {

using protocol::DropReason;

constexpr std::int64_t kCutWaitNs = 20'000'000;  // a part-filled datagram leaves at this age
constexpr std::int64_t kCutCheckNs = 1'000'000;
constexpr std::int64_t kStuckNs = 5'000'000;  // a transmit queue that took nothing for so long is given up

// 90 kHz from the arrival time (RFC 2250 2): the clock of the sender's packets as we see them.
std::uint32_t rtp_stamp(std::int64_t unix_ns) noexcept {
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(unix_ns) / 100'000 * 9);
}

struct RtpFields {
  std::uint16_t sequence = 0;
  std::uint32_t timestamp = 0;
};

// RTP to RTP keeps the input's distances between sequence numbers and its times, so that what was lost before
// us is seen after us.
RtpFields next_rtp(OutputRuntime::Rtp& rtp, const InputRuntime* input, const Payload* payload,
                   std::int64_t now) noexcept {
  const bool relayed = payload != nullptr && payload->rtp;
  const InputRuntime* source = relayed ? input : nullptr;
  const std::uint32_t restarts = relayed ? input->rtp_tracker.restarts() : 0;
  const RtpFields raw =
      relayed ? RtpFields{payload->sequence, payload->timestamp} : RtpFields{rtp.sequence, rtp_stamp(now)};
  if (!rtp.started || source != rtp.source || restarts != rtp.restarts) [[unlikely]] {
    const std::uint32_t due = rtp.stamp + rtp_stamp(now) - rtp_stamp(rtp.stamp_ns);
    rtp.sequence_delta = static_cast<std::uint16_t>(rtp.sequence - raw.sequence);
    rtp.stamp_delta = rtp.started ? due - raw.timestamp : 0;
    rtp.source = source;
    rtp.restarts = restarts;
    rtp.started = true;
  }
  const RtpFields fields{static_cast<std::uint16_t>(raw.sequence + rtp.sequence_delta),
                         raw.timestamp + rtp.stamp_delta};
  rtp.sequence = static_cast<std::uint16_t>(fields.sequence + 1);
  rtp.stamp = fields.timestamp;
  rtp.stamp_ns = now;
  return fields;
}

}  // namespace

void Worker::relay(const RouteRange& range, const Payload& payload, std::span<const std::uint8_t> packets,
                   rte_mbuf* frame) noexcept {
  OutputRuntime* last = nullptr;  // gets the frame itself
  const InputRuntime* last_input = nullptr;
  for (std::uint32_t r = 0; r < range.count; ++r) {
    const Route& route = current_->routes[range.first + r];
    if (route.taps != 0) [[unlikely]]
      push_to_taps(route, packets);
    if (route.pipe != Route::kNoPipe) {
      take_to_pipe(route, packets, now_ns_);
      continue;
    }
    if (route.cut != nullptr) {
      cut(route, packets);
      continue;
    }
    if (route.to_bridge) push_to_bridge(route, packets);
    for (std::uint32_t o = 0; o < route.output_count; ++o) {
      if (last != nullptr) send_copy(*last, packets, last_input, &payload);
      last = current_->route_outputs[route.first_output + o];
      last_input = route.input;
    }
  }
  if (last == nullptr) {
    rte_pktmbuf_free(frame);
    return;
  }
  // Cut the frame down to its transport packets: what stood before and after them (padding of a short frame)
  // goes.
  const auto before =
      static_cast<std::uint16_t>(packets.data() - rte_pktmbuf_mtod(frame, const std::uint8_t*));
  frame->data_off = static_cast<std::uint16_t>(frame->data_off + before);
  frame->data_len = static_cast<std::uint16_t>(packets.size());
  frame->pkt_len = frame->data_len;
  if (frame->next != nullptr) [[unlikely]] {  // a driver that scatters (memif): the rest was trimmings
    rte_pktmbuf_free(frame->next);
    frame->next = nullptr;
    frame->nb_segs = 1;
  }
  frame->ol_flags = 0;
  frame->vlan_tci = 0;
  send(*last, frame, payload.packets, last_input, &payload);
}

void Worker::send(OutputRuntime& output, rte_mbuf* frame, std::uint8_t packets, const InputRuntime* input,
                  const Payload* payload) noexcept {
  const RtpFields rtp = output.header.rtp() ? next_rtp(output.rtp, input, payload, now_ns_) : RtpFields{};
  auto* header = reinterpret_cast<std::uint8_t*>(
      rte_pktmbuf_prepend(frame, static_cast<std::uint16_t>(output.header.size())));
  if (header == nullptr) [[unlikely]] {
    count(output.drops, DropReason::output_no_buffer);
    rte_pktmbuf_free(frame);
    return;
  }
  output.header.write(header, packets, output.ip_id++, rtp.sequence, rtp.timestamp);
  enqueue(*output.port, frame, &output);
}

void Worker::send_copy(OutputRuntime& output, std::span<const std::uint8_t> packets,
                       const InputRuntime* input, const Payload* payload) noexcept {
  rte_mbuf* copy = rte_pktmbuf_alloc(output.port->port->pool());
  if (copy == nullptr) [[unlikely]] {
    count(output.drops, payload != nullptr ? DropReason::output_no_buffer : DropReason::repack_no_buffer);
    return;
  }
  std::memcpy(rte_pktmbuf_mtod(copy, std::uint8_t*), packets.data(), packets.size());
  copy->data_len = static_cast<std::uint16_t>(packets.size());
  copy->pkt_len = copy->data_len;
  send(output, copy, static_cast<std::uint8_t>(packets.size() / mpegts::kPacketSize), input, payload);
}

void Worker::cut(const Route& route, std::span<const std::uint8_t> packets) noexcept {
  using Verdict = mpegts::ServiceFilter::Verdict;
  mpegts::ServiceFilter& filter = route.cut->filter;
  for (std::size_t at = 0; at < packets.size(); at += mpegts::kPacketSize) {
    const auto packet = packets.subspan(at).first<mpegts::kPacketSize>();
    switch (filter.on_packet(mpegts::TsPacket(packet), now_ns_)) {
      case Verdict::pass:
        append(route, packet);
        break;
      case Verdict::replace:
        append(route, filter.replacement());
        break;
      case Verdict::drop:
        break;
    }
  }
  follow_service_clock(route);
}

// Until the service is found no clock drives the timeline: another service's would move it.
void Worker::follow_service_clock(const Route& route) noexcept {
  route.input->inspector.set_timeline_pid(route.cut->filter.pcr_pid().value_or(mpegts::kNullPid));
}

void Worker::append(const Route& route, std::span<const std::uint8_t> packets) noexcept {
  Cut& cut = *route.cut;
  for (std::size_t at = 0; at + mpegts::kPacketSize <= packets.size(); at += mpegts::kPacketSize) {
    if (cut.packets == 0) cut.first_ns = now_ns_;
    std::memcpy(cut.buffer.data() + cut.packets * mpegts::kPacketSize, packets.data() + at,
                mpegts::kPacketSize);
    if (++cut.packets == ring::kMaxPacketsPerSlot) finish_cut(route);
  }
}

void Worker::finish_cut(const Route& route) noexcept {
  Cut& cut = *route.cut;
  const std::span<const std::uint8_t> packets(cut.buffer.data(), cut.packets * mpegts::kPacketSize);
  if (route.to_bridge) push_to_bridge(route, packets);
  if (route.output_count > 0) cut.leaving.inspector.on_packets(packets, now_ns_, watch_);
  for (std::uint32_t o = 0; o < route.output_count; ++o) {
    send_copy(*current_->route_outputs[route.first_output + o], packets, nullptr, nullptr);
  }
  cut.packets = 0;
}

void Worker::flush_old_cuts() noexcept {
  next_cut_check_ns_ = now_ns_ + kCutCheckNs;
  for (const std::uint32_t index : current_->cut_routes) {
    const Route& route = current_->routes[index];
    if (route.cut->packets > 0 && now_ns_ - route.cut->first_ns >= kCutWaitNs) finish_cut(route);
  }
}

// The packets that wait in a cut which the next snapshot hasn't got leave by the outputs that it had.
void Worker::finish_lost_cuts(const Snapshot& next) noexcept {
  for (const std::uint32_t index : current_->cut_routes) {
    const Route& route = current_->routes[index];
    // In a pipe the cut goes on, but its datagram doesn't.
    const bool kept = std::any_of(next.cut_routes.begin(), next.cut_routes.end(),
                                  [&](std::uint32_t other) { return next.routes[other].cut == route.cut; });
    if (!kept && route.cut->packets > 0) finish_cut(route);
  }
}

void Worker::push_to_bridge(const Route& route, std::span<const std::uint8_t> packets) noexcept {
  Inspector& inspector = route.input->inspector;
  const mpegts::Timeline::State& timeline = inspector.timeline().state();
  PipeMarks marks{timeline.valid ? ring::kSlotTimeline : std::uint16_t{0}, timeline.timeline,
                  timeline.offset};
  if (inspector.take_discontinuity()) marks.flags |= ring::kSlotDiscontinuity;
  push_to_bridge(route.handle, *route.input, packets, marks);
}

void Worker::push_to_bridge(std::uint32_t handle, InputRuntime& input, std::span<const std::uint8_t> packets,
                            const PipeMarks& marks) noexcept {
  ring::Slot& slot = *slot_;
  slot.channel = handle;
  slot.packet_count = static_cast<std::uint16_t>(packets.size() / mpegts::kPacketSize);
  const std::uint32_t number = input.number <= ring::kMaxSlotOnAir ? input.number : 0;
  slot.flags = static_cast<std::uint16_t>(marks.flags | number << ring::kSlotOnAirShift);
  slot.input = 0;
  slot.arrival_ns = now_ns_;
  slot.timeline = marks.timeline;
  slot.offset = marks.offset;
  ring_used_ = true;
  if (parts_.bridge != nullptr && parts_.bridge->push(slot, packets)) {
    ++input.ring_slots;
  } else {
    count(input.drops, DropReason::ring_full);
  }
}

// As they came: before a service is cut out. What finds no room is seen by the reader, as a gap in
// `sequence`.
void Worker::push_to_taps(const Route& route, std::span<const std::uint8_t> packets) noexcept {
  ring::Slot& slot = *slot_;
  slot.channel = 0;
  slot.input = 0;
  slot.packet_count = static_cast<std::uint16_t>(packets.size() / mpegts::kPacketSize);
  slot.flags = 0;
  slot.arrival_ns = now_ns_;
  slot.timeline = 0;
  slot.offset = 0;
  for (std::size_t i = 0; i < kMaxTaps; ++i) {
    if ((route.taps >> i & 1) != 0) static_cast<void>(current_->taps[i]->push(slot, packets));
  }
  taps_used_ = true;
}

void Worker::flush_taps() noexcept {
  taps_used_ = false;
  for (ring::Producer* tap : current_->taps) {
    if (tap != nullptr) tap->flush();
  }
}

void Worker::enqueue(PortRuntime& port, rte_mbuf* frame, OutputRuntime* output) noexcept {
  PlainDrops& drops = output != nullptr ? output->drops : port.drops;
  if (!port.link_up.load(std::memory_order_relaxed)) {
    count(drops, DropReason::output_link_down);
    rte_pktmbuf_free(frame);
    return;
  }
  if (port.pending_count == PortRuntime::kPending) flush(port);
  if (port.pending_count == PortRuntime::kPending) {
    count(drops, DropReason::output_queue_full);
    rte_pktmbuf_free(frame);
    return;
  }
  port.pending[port.pending_count] = frame;
  port.pending_output[port.pending_count++] = output;
}

void Worker::flush(PortRuntime& port) noexcept {
  // The lengths are read before: a sent buffer is the driver's.
  std::size_t done = 0;
  while (done < port.pending_count) {
    const std::size_t chunk = std::min<std::size_t>(port.pending_count - done, kBurst);
    std::array<std::uint32_t, kBurst> lengths;
    for (std::size_t i = 0; i < chunk; ++i) lengths[i] = port.pending[done + i]->pkt_len;
    const std::size_t sent =
        port.port->transmit(port.pending.data() + done, static_cast<std::uint16_t>(chunk));
    for (std::size_t i = 0; i < sent; ++i) {
      ++port.tx_packets;
      port.tx_bytes += lengths[i];
      OutputRuntime* output = port.pending_output[done + i];
      if (output == nullptr) continue;
      ++output->datagrams;
      output->ts_packets += (lengths[i] - output->header.size()) / mpegts::kPacketSize;
      output->last_packet_ns = even_ns();
    }
    done += sent;
    if (sent < chunk) break;
  }
  const std::size_t left = port.pending_count - done;
  if (done > 0) {
    std::copy_n(port.pending.begin() + done, left, port.pending.begin());
    std::copy_n(port.pending_output.begin() + done, left, port.pending_output.begin());
  }
  port.pending_count = left;
  if (left == 0 || done > 0) {
    port.stuck_since_ns = now_ns_;
  } else if (now_ns_ - port.stuck_since_ns > kStuckNs) {
    drop_pending(port, DropReason::output_queue_full);
  }
}

void Worker::drop_pending(PortRuntime& port, DropReason reason) noexcept {
  for (std::size_t i = 0; i < port.pending_count; ++i) {
    OutputRuntime* output = port.pending_output[i];
    count(output != nullptr ? output->drops : port.drops, reason);
    rte_pktmbuf_free(port.pending[i]);
  }
  port.pending_count = 0;
}

}  // namespace headgate::fastpath
