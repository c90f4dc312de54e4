// Carries the worker's plain counters into the shared page, some inputs, outputs and pipes a turn, each about
// every 200 ms, with relaxed stores; computes the rates; saves the timelines once a second. Threading: worker
// thread.
#pragma once

#include <cstdint>
#include <vector>

#include "control/protocol/stats_page.h"
#include "dataplane/fastpath/worker/runtime.h"
#include "dataplane/fastpath/worker/timeline_store.h"

namespace headgate::fastpath {

class Publisher {
 public:
  Publisher(protocol::StatsPage* page, TimelineStore* timelines, const std::vector<PortRuntime*>& ports);

  void adopt(const Snapshot* snapshot) noexcept;
  // Publishes the next few, when it is time.
  // Times without the steps of the clock, `steps_ns`, as in WorkerClock.
  void turn(std::int64_t now_ns, std::int64_t steps_ns) noexcept;
  // Publishes everything: at the end, and in tests.
  void all(std::int64_t now_ns, std::int64_t steps_ns) noexcept;
  // Of the page; the clock's own without one.
  std::int64_t clock_base_ns() const noexcept;
  // Of the bridge, for a channel or an input that isn't there.
  void count_unknown_slot() noexcept { ++unknown_slots_; }
  void count_turn(std::size_t packets, std::uint64_t busy_cycles, std::uint64_t cycles) noexcept;

 private:
  void publish(InputRuntime& input, const Cut* cut, std::size_t timeline_place, std::int64_t now) noexcept;
  void publish(Multiplex& multiplex, std::int64_t now) noexcept;
  void publish(Pipe& pipe, std::int64_t now) noexcept;
  void publish_pids(InputRuntime& input, protocol::InputStats& stats, std::int64_t window_ns) noexcept;
  void publish_cues(InputRuntime& input, const Cut* cut, protocol::InputStats& stats,
                    std::int64_t now) noexcept;
  void publish(OutputRuntime& output, std::int64_t now) noexcept;
  void publish_ports_and_worker(std::int64_t now) noexcept;
  void step(std::int64_t now) noexcept;

  protocol::StatsPage* page_;
  TimelineStore* timelines_;
  std::vector<PortRuntime*> ports_;
  const Snapshot* snapshot_ = nullptr;
  std::size_t cursor_ = 0;  // inputs, outputs, pipes, then ports and worker
  std::int64_t steps_ns_ = 0;
  std::uint64_t unknown_slots_ = 0;
  std::int64_t next_ns_ = 0;
  std::uint64_t polls_ = 0;
  std::uint64_t packets_ = 0;
  std::uint64_t busy_cycles_ = 0;
  std::uint64_t total_cycles_ = 0;
};

}  // namespace headgate::fastpath
