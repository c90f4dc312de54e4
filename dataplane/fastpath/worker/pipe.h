// A channel's way from its inputs to its outputs where that is more than a relay: buffers (Playout), the
// switch (Failover and Splicer), the bridge's copy, the constant rate. It gathers what leaves into datagrams
// of seven packets, or fewer after 20 ms, and carries the channel's timeline. References: ISO/IEC
// 13818-1:2022 2.4.3.5 (PCR); RFC 2250 2 (whole packets in a datagram). Knows no port and no ring: what
// leaves goes into a PipeSink. Times are Unix time without the steps of the system's clock (WorkerClock), and
// rise. Threading: owned by the worker thread; made and freed by the main thread. Ownership: what a plan
// names belongs to control/PipeStore and outlives it. Nothing here allocates per packet.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "control/protocol/stats_page.h"
#include "dataplane/fastpath/worker/runtime.h"
#include "dataplane/fastpath/worker/table_watch.h"
#include "mpegts/clock/playout.h"
#include "mpegts/clock/timeline.h"

namespace headgate::fastpath {

// One input's way into its pipe.
struct Feed {
  // Identity.
  InputRuntime* input = nullptr;
  Cut* cut = nullptr;                        // nullptr: all its packets
  std::size_t place = 0;                     // in the Splicer
  std::unique_ptr<mpegts::Playout> playout;  // nullptr: without a buffer

  TableWatch watch;
  // Of what the switch got, but null packets: evenly, where a buffer paces it.
  std::uint64_t packets = 0;
  RateWindow rate;
  std::uint64_t bitrate_bps = 0;
  std::int64_t last_packet_ns = 0;  // of the service's packets; 0: none yet
  std::int64_t last_arrival_ns = 0;
  // As of the last look.
  std::uint64_t packets_mark = 0;
  std::uint64_t unsynchronous_mark = 0;
  bool synchronous = true;
  std::uint64_t dropped_mark = 0;
  std::uint64_t underflows_mark = 0;
  std::uint64_t overflows_mark = 0;
  // It stands by, and the bridge is to watch it.
  bool copied = false;
  // Of the slots that the bridge sends.
  std::uint32_t next_sequence = 0;
  bool sequence_known = false;
};

// What a slot of the bridge's ring says beside its packets.
struct PipeMarks {
  std::uint16_t flags = 0;  // ring::kSlotTimeline, ring::kSlotDiscontinuity
  std::int64_t timeline = 0;
  std::int64_t offset = 0;
};

// Where a pipe's packets go, one to seven at once; they are valid during the call.
class PipeSink {
 public:
  virtual ~PipeSink() = default;
  virtual void to_bridge(const PipePlan& plan, InputRuntime& on_air, std::span<const std::uint8_t> packets,
                         const PipeMarks& marks) noexcept = 0;
  // Of an input that stands by, as they came.
  virtual void to_watch(const PipePlan& plan, InputRuntime& standby,
                        std::span<const std::uint8_t> packets) noexcept = 0;
  virtual void to_outputs(const PipePlan& plan, std::span<const std::uint8_t> packets) noexcept = 0;
  virtual void on_rate_exceeded(const PipePlan& plan, std::uint64_t packets) noexcept = 0;
};

class Pipe {
 public:
  static constexpr std::int64_t kWaitNs = 20'000'000;  // a part-filled datagram leaves at this age
  // The most that packets stay in the buffer beyond their time where they need not leave at it.
  static constexpr std::int64_t kFetchNs = 5'000'000;
  static constexpr std::int64_t kObserveNs = 20'000'000;  // between two looks at the inputs
  static constexpr std::int64_t kFillNs = 10'000'000;     // between two calls of Splicer::on_time
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
  static constexpr std::size_t kMostAtOnce = 64;  // batches, or datagrams, of a pipe in a turn

  Pipe(std::string id, std::size_t stats, std::size_t timeline)
      : channel(std::move(id)), stats_index(stats), timeline_index(timeline) {}

  // Works by `plan` from here on, which must stay until the next one or the end.
  void adopt(const PipePlan& plan, PipeSink& sink, std::int64_t now_ns) noexcept;
  // Packets of an input as they came, all of one datagram or slot.
  void take(Feed& feed, std::span<const std::uint8_t> packets, std::int64_t arrival_ns,
            std::int64_t now_ns) noexcept;
  // What is due by now leaves. Returns how many datagrams and batches.
  std::size_t on_due(std::int64_t now_ns) noexcept;
  // When to call it next.
  std::int64_t next_due_ns() const noexcept;
  // Once a millisecond or less often: old datagrams, fillers, the look at the inputs.
  void on_tick(std::int64_t now_ns) noexcept;
  std::int64_t next_tick_ns() const noexcept;
  // What is gathered leaves, full or not.
  void finish() noexcept;
  // The paced datagrams of the on_due() before are with their ports.
  void note_departures(std::int64_t now_ns) noexcept;

  void set_timeline(const mpegts::Timeline::State& state) noexcept { timeline_ = mpegts::Timeline(state); }
  const mpegts::Timeline& timeline() const noexcept { return timeline_; }
  bool started() const noexcept { return started_; }
  // Main thread: what leaves is not what its input brings, but for another's PIDs, counters and clock.
  bool rewrites() const noexcept { return rewrites_.load(std::memory_order_relaxed); }

  struct Figures {
    std::uint32_t on_air = 0;  // numbers of inputs, 0: none
    std::uint32_t wanted = 0;
    std::uint32_t forced = 0;
    std::int64_t switched_ns = 0;
    std::uint64_t switches = 0;
    std::uint64_t hard_switches = 0;
    std::uint64_t filler_packets = 0;
    std::uint64_t left_out = 0;
    std::uint64_t null_packets = 0;
    std::uint64_t rate_dropped = 0;
    std::uint64_t multiplex_dropped = 0;
    std::uint64_t crowded = 0;
  };
  Figures figures() const noexcept;
  // Of paced departures, as in protocol::ChannelStats.
  struct Lateness {
    std::array<std::uint64_t, protocol::kDepartureClasses> departures{};
    std::uint64_t sum_ns = 0;
    // Returns it, or 0 where it was early.
    std::uint64_t add(std::int64_t late_ns) noexcept {
      const auto late = static_cast<std::uint64_t>(std::max<std::int64_t>(late_ns, 0));
      std::size_t place = 0;
      while (place < protocol::kDepartureBounds.size() && late > protocol::kDepartureBounds[place]) ++place;
      ++departures[place];
      sum_ns += late;
      return late;
    }
  };
  // The latest of the paced datagrams since the last call, in ns after they were due.
  std::uint64_t take_late_max() noexcept;
  // RateSchedule's, since the last call, in ns; nothing without one.
  std::optional<std::uint64_t> take_pcr_accuracy_max() noexcept;
  const Lateness& lateness() const noexcept { return lateness_; }

  const std::string channel;
  const std::size_t stats_index;        // in StatsPage::channels
  const std::size_t timeline_index;     // in the timeline file
  RateWindow window;                    // the publisher's
  Leaving leaving;                      // what its outputs send: the worker's, and the publisher's
  const PipePlan* next_plan = nullptr;  // scratch of an adoption

 private:
  std::int64_t rise(std::int64_t time_ns) noexcept {
    if (time_ns > last_ns_) last_ns_ = time_ns;
    return last_ns_;
  }
  void cut(Feed& feed, std::span<const std::uint8_t> packets, std::int64_t arrival_ns) noexcept;
  void forward(Feed& feed, std::span<const std::uint8_t> packets, std::int64_t arrival_ns) noexcept;
  void deliver(Feed& feed, std::span<const std::uint8_t> packets, std::int64_t due_ns) noexcept;
  void emit(std::span<const std::uint8_t> packets, std::int64_t due_ns) noexcept;
  void on_pcr(const mpegts::TsPacket& packet, std::int64_t due_ns) noexcept;
  void append(const mpegts::TsPacket& packet, std::int64_t due_ns) noexcept;
  void set_on_air(Feed& feed) noexcept;
  void on_splice(std::int64_t due_ns) noexcept;
  void find_on_air() noexcept;
  void begin_choice(std::int64_t now_ns) noexcept;
  void observe(std::int64_t now_ns) noexcept;
  void choose(std::int64_t now_ns) noexcept;
  void set_rate(mpegts::RateSchedule* rate) noexcept;
  std::int64_t buffers_due_ns() const noexcept;  // of the inputs' packets that wait; kNever: none
  std::size_t pop_rate(std::int64_t now_ns) noexcept;

  const PipePlan* plan_ = nullptr;
  PipeSink* sink_ = nullptr;
  mpegts::Splicer* splicer_ = nullptr;
  mpegts::RateSchedule* rate_ = nullptr;
  Failover* failover_ = nullptr;
  Feed* on_air_ = nullptr;  // one of the plan's; nullptr: none, or it is gone
  std::uint32_t on_air_number_ = 0;
  std::size_t wanted_ = kNoIndex;  // among the plan's feeds
  std::int64_t last_ns_ = 0;
  std::int64_t switched_ns_ = 0;
  std::int64_t next_observe_ns_ = 0;
  std::int64_t next_fill_ns_ = 0;
  bool started_ = false;
  std::atomic<bool> rewrites_{false};

  mpegts::Timeline timeline_;
  std::optional<mpegts::Pid> pcr_pid_;
  std::int64_t pcr_pid_seen_ns_ = 0;

  bool gathers_ = false;
  std::uint8_t gathered_ = 0;
  std::uint16_t flags_ = 0;  // of the slot that is being gathered
  std::int64_t first_ns_ = 0;
  std::array<std::uint8_t, ring::kMaxPacketsPerSlot * mpegts::kPacketSize> buffer_{};

  // When what the last on_due() sent was due.
  std::array<std::int64_t, kMostAtOnce> departed_ns_;
  std::size_t departed_ = 0;
  Lateness lateness_;
  std::uint64_t late_max_ns_ = 0;
  // Of constant rates that this pipe had before.
  std::uint64_t former_nulls_ = 0;
  std::uint64_t former_rate_dropped_ = 0;
  std::uint64_t former_crowded_ = 0;
  std::uint64_t rate_dropped_mark_ = 0;
};

}  // namespace headgate::fastpath
