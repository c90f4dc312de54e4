// A worker between two ports made of rings: frames go in at one ring and are read back from another, through
// DPDK's own driver. Threading: one thread; the worker is polled by the test.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "control/protocol/state.h"
#include "dataplane/fastpath/control/registry.h"
#include "dataplane/fastpath/control/taps.h"
#include "dataplane/fastpath/worker/worker.h"

struct rte_mbuf;
struct rte_ring;

namespace headgate::fastpath {

using FrameBytes = std::vector<std::uint8_t>;

// A transport packet of `pid` whose payload is filled with `fill`.
FrameBytes ts_packet(std::uint16_t pid, std::uint8_t cc, std::uint8_t fill);
FrameBytes join_bytes(const std::vector<FrameBytes>& parts);

struct DatagramOptions {
  std::uint32_t source = 0x0A140001;       // 10.20.0.1
  std::uint32_t destination = 0xEF010101;  // 239.1.1.1
  std::uint16_t port = 5000;
  std::uint16_t vlan = 0;
};
FrameBytes udp_frame(const FrameBytes& payload, const DatagramOptions& options = {});
// A packet with a PCR (27 MHz ticks) and no payload.
FrameBytes pcr_packet(std::uint16_t pid, std::uint8_t cc, std::uint64_t pcr);
FrameBytes rtp_payload(std::uint16_t sequence, std::uint32_t timestamp, const FrameBytes& ts);

class WorkerTest : public ::testing::Test {
 protected:
  WorkerTest();
  ~WorkerTest() override;

  // A state with interfaces in0 (VLAN 120 too) and out0 and no channels.
  protocol::FastpathState state() const;
  static protocol::FastpathChannel channel(const std::string& id, const std::string& group,
                                           const std::string& to);
  void apply(const protocol::FastpathState& state);
  // The same while another thread polls the worker.
  void apply_beside(const protocol::FastpathState& state);
  // What a state is refused with; "" when it isn't. The worker never sees it.
  std::string refusal(const protocol::FastpathState& state);
  // Lets `ns` pass and polls.
  void wait(std::int64_t ns);
  // All packet buffers of out0; give them back.
  std::vector<rte_mbuf*> take_buffers();
  static void give_back(const std::vector<rte_mbuf*>& buffers);
  std::size_t places_in_use();
  std::map<Membership, std::uint64_t> arrivals();
  // Puts a frame where the next poll receives it.
  void enqueue(const FrameBytes& frame, std::uint16_t stripped_vlan = 0);
  // Receives one frame (a tag that the card took off as `stripped_vlan`) and polls.
  void receive(const FrameBytes& frame, std::uint16_t stripped_vlan = 0);
  // The same for a frame that a driver delivers in two buffers.
  void receive_chained(const FrameBytes& first, const FrameBytes& second);
  // What was sent since the last call; each in one buffer, as its length says.
  std::vector<FrameBytes> sent();
  static FrameBytes payload_of(const FrameBytes& frame);
  protocol::StatsPage& stats();
  const protocol::InputStats* input(const std::string& channel, std::uint32_t number = 0);
  const protocol::ChannelStats* pipe(const std::string& channel);
  std::uint64_t input_drops(const std::string& channel, protocol::DropReason reason);
  std::uint64_t interface_drops(protocol::DropReason reason);

  std::int64_t now_ns = 1'700'000'000'000'000'000;
  std::string folder;
  std::int64_t steps_ns = 0;  // of the clock
  std::unique_ptr<ring::Producer> bridge;
  std::unique_ptr<ring::Consumer> from_bridge;  // where set, apply() names it
  std::unique_ptr<Worker> worker;
  std::unique_ptr<Taps> taps;  // where set, apply() marks them
  HostQueues queues;

 private:
  void open_port(const std::string& name, rte_ring* rx, rte_ring* tx);
  std::vector<rte_ring*> rings_;
  std::vector<std::unique_ptr<Port>> ports_;
  std::vector<std::unique_ptr<PortRuntime>> runtimes_;
  std::unique_ptr<protocol::StatsMapping> stats_;
  std::unique_ptr<TimelineStore> timelines_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<Snapshot> snapshot_;
};

}  // namespace headgate::fastpath
