// The fast path as a whole: opens what the state file names, runs the worker, answers the control protocol,
// keeps the memberships. docs/threading.md: main thread = control endpoint and hosts; one worker thread.
// Threading: main thread.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json_fwd.hpp>
#include <tl/expected.hpp>

#include "control/protocol/endpoint.h"
#include "control/protocol/run_dir.h"
#include "dataplane/fastpath/control/hosts.h"
#include "dataplane/fastpath/control/registry.h"
#include "dataplane/fastpath/control/taps.h"
#include "dataplane/fastpath/control/watch_reader.h"
#include "dataplane/fastpath/worker/worker.h"

namespace headgate::fastpath {

class Service {
 public:
  explicit Service(protocol::RunDir run_dir);
  ~Service();

  // Everything up to the first forwarded packet, by the state file in run_dir.
  tl::expected<void, std::string> start();
  // Until a signal that `signal_fd` (a signalfd) reports.
  void run(int signal_fd);
  // Leaves the groups and stops the worker.
  void stop();

 private:
  tl::expected<void, std::string> open_ports(const protocol::FastpathState& state);
  tl::expected<void, std::string> open_shared_memory(const protocol::FastpathState& state);
  void start_worker();
  void worker_main();
  tl::expected<void, std::string> apply(const protocol::FastpathState& state);
  tl::expected<protocol::FastpathState, std::string> read_state() const;
  // Publishes it and waits until the worker has left the one before.
  void switch_to(std::unique_ptr<Snapshot> snapshot);
  // A copy of an input's packets for a reader.
  tl::expected<nlohmann::json, std::string> tap(const nlohmann::json& params);
  void end_taps();
  void publish_taps();
  // service_rings.cpp: the rings to and from the bridge, whose files others may take away or make anew.
  void keep_ring();
  void keep_return_ring();
  void use_return_ring(std::unique_ptr<ring::Consumer> ring);
  std::string answer(const std::string& line);
  nlohmann::json hello() const;
  nlohmann::json status() const;
  void watch_ports();
  // Gives the worker time to send what the hosts have said.
  void flush_hosts();

  protocol::RunDir run_dir_;
  protocol::FastpathState state_;
  std::int64_t started_unix_ns_ = 0;
  int epoll_fd_ = -1;
  HostQueues queues_;
  std::vector<std::unique_ptr<Port>> ports_;
  std::vector<std::unique_ptr<PortRuntime>> port_runtimes_;
  std::unique_ptr<protocol::StatsMapping> stats_;
  std::unique_ptr<TimelineStore> timelines_;
  std::unique_ptr<ring::Producer> bridge_;
  std::size_t ring_slots_ = 0;
  bool ring_lost_ = false;  // and told
  std::unique_ptr<ring::Consumer> from_bridge_;
  std::string return_ring_error_;  // as told last
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<Hosts> hosts_;
  std::unique_ptr<Worker> worker_;
  std::unique_ptr<Taps> taps_;
  WatchReader watch_reader_{run_dir_.watch_page()};
  std::unique_ptr<Snapshot> snapshot_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> never_sleep_{false};
  std::thread thread_;
  std::unique_ptr<protocol::Endpoint> endpoint_;
};

}  // namespace headgate::fastpath
