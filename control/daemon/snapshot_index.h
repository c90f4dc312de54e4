// The entries of a snapshot by their channel, for who looks at many channels: of thousands, searching the
// snapshot for each is most of the work. Threading: a value, which refers to the snapshot.
#pragma once

#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "control/daemon/snapshot.h"

namespace headgate::control {

class SnapshotIndex {
 public:
  // Made where a function that takes one is given a snapshot.
  SnapshotIndex(const Snapshot& of);

  // In the snapshot's order.
  std::span<const InputSnapshot* const> inputs(std::string_view channel) const;
  std::span<const OutputSnapshot* const> outputs(std::string_view channel) const;
  // Null where the channel has no switch, buffer or rate, or the fast path does not run.
  const ChannelSnapshot* channel(std::string_view channel) const;
  const Snapshot& snapshot() const noexcept { return snapshot_; }

 private:
  template <typename Entry>
  using Groups = std::unordered_map<std::string_view, std::vector<const Entry*>>;

  const Snapshot& snapshot_;
  Groups<InputSnapshot> inputs_;
  Groups<OutputSnapshot> outputs_;
  std::unordered_map<std::string_view, const ChannelSnapshot*> channels_;
};

}  // namespace headgate::control
