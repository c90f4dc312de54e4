// What the worker works on. A Snapshot is immutable and published by one release store; it points at runtime
// objects (inputs, outputs, cuts, ports) whose counters and state outlive it, so that an apply costs an
// unchanged channel nothing. Threading: identity members are written before the object is first published;
// all else belongs to the worker. Ownership: Gateway (control/) owns the runtime objects and frees them after
// the worker has left their last snapshot.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "control/protocol/drop_reason.h"
#include "control/protocol/state.h"
#include "dataplane/fastpath/flow/flow_table.h"
#include "dataplane/fastpath/port/port.h"
#include "dataplane/fastpath/worker/inspector.h"
#include "dataplane/fastpath/worker/output_header.h"
#include "dataplane/fastpath/worker/rtp_tracker.h"
#include "dataplane/ring/ring.h"
#include "mpegts/mux/multiplex_tables.h"
#include "mpegts/remux/service_filter.h"

namespace headgate::mpegts {
class RateSchedule;
class Splicer;
}  // namespace headgate::mpegts

namespace headgate::fastpath {

class Failover;
class Multiplex;
class Pipe;
struct Feed;

using PlainDrops = std::array<std::uint64_t, protocol::kDropReasonCount>;

inline void count(PlainDrops& drops, protocol::DropReason reason, std::uint64_t n = 1) noexcept {
  drops[static_cast<std::size_t>(reason)] += n;
}

// Copies of inputs for `headgate probe` at one time.
inline constexpr std::size_t kMaxTaps = 8;

inline constexpr std::size_t kNoIndex = ~std::size_t{0};

// Turns a rising total of packets into a rate over about a second.
class RateWindow {
 public:
  // When a second has passed: how long it was, with its rate in `bps`; the next one begins. 0 otherwise.
  std::int64_t close(std::uint64_t total, std::int64_t now_ns, std::uint64_t& bps) noexcept {
    const std::int64_t length = now_ns - mark_ns_;
    if (mark_ns_ != 0 && length >= 0 && length < kLengthNs) return 0;
    const bool closed = mark_ns_ != 0 && length > 0;
    if (closed) bps = rate_of(total - mark_, length);
    mark_ = total;
    mark_ns_ = now_ns;
    return closed ? length : 0;
  }
  // Bits a second of 188-byte packets over `ns`.
  static std::uint64_t rate_of(std::uint64_t packets, std::int64_t ns) noexcept {
    return static_cast<std::uint64_t>(static_cast<double>(packets * mpegts::kPacketSize * 8) * 1e9 /
                                      static_cast<double>(ns));
  }

 private:
  static constexpr std::int64_t kLengthNs = 1'000'000'000;
  std::uint64_t mark_ = 0;
  std::int64_t mark_ns_ = 0;
};

struct InputRuntime {
  // Identity.
  std::string channel;
  std::string url;
  std::uint32_t number = 1;
  bool rtp = false;
  std::size_t stats_index = kNoIndex;  // in StatsPage::inputs

  Inspector inspector;
  RtpTracker rtp_tracker;
  std::uint64_t datagrams = 0;
  std::uint64_t bytes = 0;
  std::uint64_t ring_slots = 0;
  std::int64_t first_packet_ns = 0;
  std::int64_t last_packet_ns = 0;
  PlainDrops drops{};
  std::uint16_t wrong_port = 0;
  std::uint32_t wrong_source = 0;
  std::uint64_t cues = 0;  // told
  RateWindow rate;
  std::uint64_t bitrate_bps = 0;

  // What the bridge says of it, as the main thread last read: bits of protocol::WatchEntry::seen, for how
  // long each has lasted, and whether the verdict is fresh.
  struct Verdict {
    std::atomic<bool> fresh{false};
    std::atomic<std::uint32_t> seen{0};
    std::array<std::atomic<std::int64_t>, 3> lasts_ns{};
  };
  Verdict verdict;

  // Of an input that goes into a pipe, as its pipe last looked.
  Pipe* pipe = nullptr;  // of the worker's snapshot; nullptr: relayed
  Feed* feed = nullptr;
  std::uint32_t troubles = 0;
  std::uint64_t buffer_packets = 0;
  std::int64_t buffer_level_ns = 0;
  std::uint64_t buffer_underflows = 0;
  std::uint64_t buffer_overflows = 0;
  std::int64_t clock_drift_ppb = 0;
};

struct PortRuntime;

// What a pipe or a cut sends, judged as it leaves: its own, where a relay's is its input's.
struct Leaving {
  Leaving() { inspector.set_monitor(Inspector::make_monitor(), Inspector::Clock::arrival); }
  Inspector inspector;
  // Of a constant rate: seconds in which a PCR lay over 500 ns from its place. The publisher's.
  std::uint64_t pcr_accuracy_errors = 0;
  bool constant_rate = false;
};

struct OutputRuntime {
  // Identity.
  std::string channel;
  std::string url;
  std::size_t stats_index = kNoIndex;
  PortRuntime* port = nullptr;
  OutputHeader header;

  const Leaving* leaving = nullptr;  // of the worker's snapshot; nullptr: it relays
  std::uint16_t ip_id = 0;
  // RTP. What is added to the numbers and times of the source belongs to it and to its restarts: from one to
  // the next, and from an input's to our own, they go on.
  struct Rtp {
    const InputRuntime* source = nullptr;  // nullptr: ourselves
    std::uint32_t restarts = 0;            // RtpTracker::restarts()
    std::uint16_t sequence_delta = 0;
    std::uint32_t stamp_delta = 0;
    bool started = false;
    std::uint16_t sequence = 0;  // of the next datagram
    std::uint32_t stamp = 0;     // of the last, which left at
    std::int64_t stamp_ns = 0;
  } rtp;
  std::uint64_t datagrams = 0;
  std::uint64_t ts_packets = 0;
  std::int64_t last_packet_ns = 0;
  PlainDrops drops{};
  RateWindow rate;
  std::uint64_t bitrate_bps = 0;
};

// The cut of one service and its packets on their way into a datagram of seven.
struct Cut {
  explicit Cut(mpegts::ServiceSelector selector, mpegts::RemuxOptions options = {})
      : filter(std::move(selector), std::move(options)) {}
  mpegts::ServiceFilter filter;
  Leaving leaving;  // where no pipe takes it
  std::uint8_t packets = 0;
  std::int64_t first_ns = 0;  // arrival of the oldest packet waiting
  std::array<std::uint8_t, 7 * mpegts::kPacketSize> buffer{};
};

// A port as its worker sees it, with the packets that its transmit queue has not taken yet.
struct PortRuntime {
  static constexpr std::size_t kPending = 1024;
  Port* port = nullptr;
  std::size_t stats_index = kNoIndex;
  std::atomic<bool> link_up{true};  // written by the main thread
  std::uint64_t rx_packets = 0;
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_packets = 0;
  std::uint64_t tx_bytes = 0;
  PlainDrops drops{};
  std::size_t pending_count = 0;
  std::int64_t stuck_since_ns = 0;
  std::array<rte_mbuf*, kPending> pending{};
  std::array<OutputRuntime*, kPending> pending_output{};  // nullptr: a frame of the host
};

// One channel's use of a flow. Two channels may take different services out of the same flow.
struct Route {
  static constexpr std::uint16_t kNoPipe = 0xFFFF;
  InputRuntime* input = nullptr;
  Cut* cut = nullptr;  // nullptr: relayed whole, or piped
  std::uint32_t handle = 0;
  std::uint32_t first_output = 0;
  std::uint16_t output_count = 0;
  std::uint16_t pipe = kNoPipe;  // where not kNoPipe: in Snapshot::pipes, whose plan says the rest
  bool to_bridge = false;
  std::uint8_t taps = 0;  // one bit for each of Snapshot::taps that takes this input
};
static_assert(sizeof(Route) == 32);

// A flow's routes, by the number that the flow table holds.
struct RouteRange {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
};

// What a channel's pipe works by. The pipe's state and what it works with outlive the plan.
struct PipePlan {
  Pipe* pipe = nullptr;
  std::vector<Feed*> feeds;       // the preferred one first
  std::size_t forced = kNoIndex;  // among feeds: by the operator
  protocol::FailoverState policy;
  Failover* failover = nullptr;
  mpegts::Splicer* splicer = nullptr;    // nullptr: one input, never more in this pipe's life
  mpegts::RateSchedule* rate = nullptr;  // nullptr: as it comes
  std::uint32_t handle = 0;
  std::uint32_t first_output = 0;  // in Snapshot::route_outputs
  std::uint32_t output_count = 0;
  bool to_bridge = false;
  std::vector<mpegts::MultiplexMember*> members;  // its places in multiplexes
  bool watch_standby = false;  // an input that was left for what was seen or heard is copied to the bridge
};

// What a multiplex works by. All that it names outlives the plan.
struct MultiplexPlan {
  Multiplex* multiplex = nullptr;
  std::vector<mpegts::MultiplexPlace> places;
  std::uint32_t first_output = 0;  // in Snapshot::route_outputs
  std::uint32_t output_count = 0;
};

struct Snapshot {
  // Of an input that comes from the bridge, in its ring's terms.
  static constexpr std::uint64_t bridge_key(std::uint32_t handle, std::uint32_t number) noexcept {
    return std::uint64_t{handle} << 32 | number;
  }

  std::uint64_t generation = 0;
  FlowTable flow_table;
  std::vector<RouteRange> flows;
  std::vector<Route> routes;
  // By group alone, port 0: for what comes to a port that nobody takes.
  FlowTable group_table;
  std::vector<std::vector<InputRuntime*>> groups;
  std::vector<std::uint32_t> cut_routes;  // those of routes that cut a service
  std::vector<OutputRuntime*> route_outputs;
  std::vector<InputRuntime*> inputs;  // all, for publishing
  std::vector<Cut*> input_cuts;       // of inputs[i], nullptr where no service is cut out
  // What services are to be called from here on.
  struct CutTexts {
    Cut* cut = nullptr;
    std::string provider;
    std::string name;
  };
  std::vector<CutTexts> cut_texts;
  // Of inputs[i]: the place in the timeline file where it drives its channel's, else kNoIndex.
  std::vector<std::size_t> input_timelines;
  std::vector<OutputRuntime*> outputs;  // all, for publishing
  std::vector<PipePlan> pipes;
  std::vector<MultiplexPlan> multiplexes;
  std::unordered_map<std::uint64_t, std::uint32_t> bridge_inputs;  // index into routes, by bridge_key()
  std::array<ring::Producer*, kMaxTaps> taps{};
  ring::Producer* bridge = nullptr;       // one made anew; nullptr: the one before goes on
  ring::Consumer* from_bridge = nullptr;  // nullptr: there is none
  std::size_t bridge_channels = 0;
  std::vector<std::uint32_t> forgotten_handles;  // channels that the bridge's ring may forget
};

}  // namespace headgate::fastpath
