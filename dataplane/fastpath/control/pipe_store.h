// The pipes and what they work with: buffers, the switch, the constant rate, the choice between inputs. What
// is the same in two states keeps its object and so its state. Threading: main thread. Ownership: owns all
// that a PipePlan names, but inputs and cuts; objects are freed by release_unused(), once the worker has left
// their snapshots.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "control/protocol/state.h"
#include "control/protocol/stats_page.h"
#include "dataplane/fastpath/switch/failover.h"
#include "dataplane/fastpath/worker/pipe.h"
#include "dataplane/fastpath/worker/timeline_store.h"
#include "mpegts/mux/rate_schedule.h"
#include "mpegts/remux/splicer.h"

namespace headgate::fastpath {

class PipeStore {
 public:
  // The spares outlive it.
  PipeStore(protocol::StatsPage* stats, TimelineStore* timelines, SpareTables* spares)
      : stats_(stats), timelines_(timelines), spares_(spares) {}

  // Whether the channel is more than a relay. One that has a single input left stays in its pipe as long as
  // that input goes on under what the switch made of it. `key`: of the only input, as below.
  bool needs_pipe(const protocol::FastpathChannel& channel, const std::string& key) const;
  // What an input's buffer holds at most: its time and a second more, at one and a half times the channel's
  // rate, or at 40 Mb/s where that is open.
  static std::size_t buffer_packets(const protocol::FastpathChannel& channel,
                                    const protocol::InputState& input);

  // An input of the channel, the preferred one first. `key`: the same for the same input, alone its own.
  struct Source {
    const protocol::InputState* state = nullptr;
    InputRuntime* runtime = nullptr;
    Cut* cut = nullptr;
    std::string key;
  };
  // Outputs and bridge are left to the caller.
  // `remux`: the same where the map makes the same of the inputs: what the switch made of them goes on.
  PipePlan plan_for(const protocol::FastpathChannel& channel, const std::vector<Source>& sources,
                    const std::string& remux);
  // For pipes with many PIDs that found no spare table.
  void serve_wide_tables();
  // Forgets what was made since release_unused().
  void undo();
  // Frees what `current` doesn't use.
  void release_unused(const Snapshot& current);

 private:
  // Of one channel.
  struct Holder {
    std::unique_ptr<Pipe> pipe;
    std::map<std::string, std::unique_ptr<mpegts::Splicer>> splicers;
    std::map<std::string, std::unique_ptr<Feed>> feeds;
    std::map<std::string, std::unique_ptr<Failover>> failovers;
    std::map<std::uint64_t, std::unique_ptr<mpegts::RateSchedule>> rates;
  };

  Holder& holder_for(const protocol::FastpathChannel& channel);
  static std::vector<Feed*> feeds_for(const protocol::FastpathChannel& channel,
                                      const std::vector<Source>& sources, Holder& holder);
  void keep_only(const std::set<const void*>& used);

  protocol::StatsPage* stats_;
  TimelineStore* timelines_;
  SpareTables* spares_;
  std::map<std::string, Holder> holders_;
  std::set<const void*> live_;  // what the snapshot that runs uses
};

}  // namespace headgate::fastpath
