// DPDK's environment layer: started once a process, before any port. Reference: DPDK 22.11 EAL guide; the
// options are explained in eal.cpp. Threading: main thread. The caller's CPU affinity is as it was when
// start_eal() returns (EAL pins its caller).
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "control/protocol/state.h"

namespace headgate::fastpath {

struct EalOptions {
  protocol::HugepageMode hugepages = protocol::HugepageMode::automatic;
  std::size_t memory_mib = 64;
  std::vector<std::string> pci_devices;  // addresses; empty: the bus is not scanned
  // Where EAL makes its folder "dpdk", which is emptied first: one that a killed process left is of no use.
  // The caller alone uses it.
  std::string runtime_dir;
  // DPDK's own lines; called from any thread. Empty: they go to standard error.
  std::function<void(int level, const std::string& line)> log;
};

struct EalInfo {
  bool hugepages = false;
  std::size_t memory_mib = 0;
};

tl::expected<EalInfo, std::string> start_eal(const EalOptions& options);

// Runs f on EAL's own interrupt thread and waits until it has: for settings that a thread can only change for
// itself.
void run_on_interrupt_thread(std::function<void()> f);

}  // namespace headgate::fastpath
