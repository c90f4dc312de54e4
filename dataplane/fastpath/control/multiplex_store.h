// The multiplexes and their members: what is the same in two states keeps its object, so that an apply costs
// the members that stay no packet. Threading: main thread. Ownership: owns all that a MultiplexPlan names;
// objects are freed by release_unused(), once the worker has left their snapshots.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "control/protocol/state.h"
#include "control/protocol/stats_page.h"
#include "dataplane/fastpath/worker/multiplex.h"

namespace headgate::fastpath {

class MultiplexStore {
 public:
  MultiplexStore(protocol::StatsPage* stats, SpareTables* spares) : stats_(stats), spares_(spares) {}

  // What the fast path can't do, whatever the map allows; "": it can.
  static std::string refusal(const protocol::FastpathMultiplex& state);
  // Outputs are left to the caller. `of_channel` gets each channel's member.
  MultiplexPlan plan_for(const protocol::FastpathMultiplex& state,
                         std::map<std::string, std::vector<mpegts::MultiplexMember*>>& of_channel);
  // For those with many PIDs that found no spare table.
  void serve_wide_tables();
  // Forgets what was made since release_unused().
  void undo();
  // Frees what `current` doesn't use.
  void release_unused(const Snapshot& current);

 private:
  void keep_only(const std::set<const void*>& used);

  protocol::StatsPage* stats_;
  SpareTables* spares_;
  std::map<std::string, std::unique_ptr<Multiplex>> multiplexes_;
  std::map<std::string, std::unique_ptr<mpegts::MultiplexMember>> members_;
  std::set<const void*> live_;  // what the snapshot that runs uses
};

}  // namespace headgate::fastpath
