// Own outputs (a cut service, a switch, a buffer, a constant rate) that break the first priority of TR 101
// 290 where their inputs did not: what this node adds. Threading: one owner.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "control/daemon/rising_count.h"
#include "control/daemon/seen_alarms.h"
#include "control/daemon/snapshot_index.h"

namespace headgate::control {

class OwnOutputs {
 public:
  // By channel, what was counted at its outputs in the last minute, and more often than at its inputs.
  Messages update(const config::Model& model, const SnapshotIndex& seen, std::int64_t now_unix_ns);

 private:
  struct Entry {
    std::array<RisingCount, mpegts::kIndicatorCount> out, in;
  };
  std::map<std::string, Entry> entries_;
};

}  // namespace headgate::control
