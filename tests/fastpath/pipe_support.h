// Channels with pipes under traffic, for tests: services that come in as datagrams or through the bridge's
// ring at the pace of their clock, a millisecond a step, and what leaves. Threading: one thread.
#pragma once

#include <deque>

#include "tests/fastpath/made_service.h"

namespace headgate::fastpath {

class PipeTest : public WorkerTest {
 protected:
  static constexpr std::int64_t kMs = 1'000'000;

  // A service on its way in.
  struct Sender {
    MadeService service;
    std::uint32_t group = 0;   // 0: through the ring
    std::uint32_t handle = 0;  // of the channel, where through the ring
    std::uint32_t number = 1;
    bool on = true;
    std::int64_t next_ns = 0;  // of the next picture
    std::deque<FrameBytes> waiting{};
  };

  void open_ring() {
    to_fastpath = *ring::Producer::open(folder + "/back", 1024);
    from_bridge = *ring::Consumer::open(folder + "/back");
  }
  protocol::FastpathChannel two_inputs(const std::string& id = "a") const {
    auto made = channel(id, "239.1.1.1", "239.2.1.1");
    made.inputs.push_back(made.inputs[0]);
    made.inputs[1].number = 2;
    made.inputs[1].group = "239.1.1.2";
    made.inputs[1].url = "udp://239.1.1.2:5000";
    made.failover.after_ms = 200;
    made.failover.hold_ms = 1000;
    return made;
  }
  std::uint64_t taken_in(const std::string& id, std::uint32_t number) {
    return input(id, number)->ts_packets.load();
  }
  static protocol::InputState bridge_input(std::uint32_t number = 1) {
    protocol::InputState input;
    input.number = number;
    input.url = "rtmp://publish/a";
    input.way = protocol::InputWay::bridge;
    return input;
  }
  // Channel "a" with one input, which comes through the ring.
  protocol::FastpathState fed_by_bridge(std::uint32_t buffer_ms = 0, std::uint64_t bitrate_bps = 0,
                                        bool to_bridge = false) {
    if (to_fastpath == nullptr) open_ring();
    auto wanted = state();
    wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1")};
    wanted.channels[0].inputs = {bridge_input()};
    wanted.channels[0].inputs[0].buffer_ms = buffer_ms;
    wanted.channels[0].bitrate_bps = bitrate_bps;
    wanted.channels[0].to_bridge = to_bridge;
    return wanted;
  }
  void push_slot(std::uint32_t handle, std::uint32_t number, const FrameBytes& packets) {
    ring::Slot slot{};
    slot.channel = handle;
    slot.input = number;
    slot.arrival_ns = now_ns;
    to_fastpath->push(slot, packets);
    to_fastpath->flush();
  }
  void send(Sender& sender, const FrameBytes& payload) {
    if (sender.group != 0) {
      enqueue(udp_frame(payload, {.destination = sender.group}));
    } else {
      push_slot(sender.handle, sender.number, payload);
    }
  }
  // Lets `ms` pass. Packets leave a sender by sevens, evenly over the picture.
  void run(int ms, std::vector<Sender*> senders) {
    for (int i = 0; i < ms; ++i) {
      for (Sender* sender : senders) step(*sender);
      wait(kMs);
      collect();
    }
  }
  void step(Sender& sender) {
    if (sender.next_ns == 0) sender.next_ns = now_ns;
    if (now_ns >= sender.next_ns) {
      sender.next_ns += MadeService::kPictureNs;
      for (FrameBytes& packet : sender.service.next()) sender.waiting.push_back(std::move(packet));
    }
    if (!sender.on) sender.waiting.clear();
    if (sender.waiting.size() < 7) return;
    std::vector<FrameBytes> seven(sender.waiting.begin(), sender.waiting.begin() + 7);
    sender.waiting.erase(sender.waiting.begin(), sender.waiting.begin() + 7);
    send(sender, join_bytes(seven));
  }
  void collect() {
    for (const FrameBytes& frame : sent()) {
      if (parse_frame(frame, 0).destination != 0xEF020101) continue;  // another channel's
      const FrameBytes payload = payload_of(frame);
      if (last_ns != 0) largest_pause_ns = std::max(largest_pause_ns, now_ns - last_ns);
      last_ns = now_ns;
      seen.take(payload, now_ns - steps_ns);
    }
  }
  void forget() {
    seen.filled.clear();
    largest_pause_ns = 0;
  }

  std::unique_ptr<ring::Producer> to_fastpath;
  SeenStream seen;
  std::int64_t last_ns = 0;
  std::int64_t largest_pause_ns = 0;
};

}  // namespace headgate::fastpath
