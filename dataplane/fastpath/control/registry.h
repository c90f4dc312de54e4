// From a desired state to a Snapshot. Owns the runtime objects of inputs, outputs, cuts and pipes, and their
// places in the counter page: what is the same in two states keeps its object, so that an apply costs it no
// packet and no counter. Threading: main thread. Ownership: objects are freed by release_unused(), once the
// worker has left their snapshots.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <tl/expected.hpp>

#include "control/protocol/state.h"
#include "control/protocol/stats_page.h"
#include "dataplane/fastpath/control/multiplex_store.h"
#include "dataplane/fastpath/control/pipe_store.h"
#include "dataplane/fastpath/worker/runtime.h"
#include "dataplane/fastpath/worker/timeline_store.h"

namespace headgate::fastpath {

// A group to be joined on a port and VLAN; source 0 = any.
struct Membership {
  std::size_t interface = 0;
  std::uint16_t vlan = 0;
  std::uint32_t group = 0;
  std::uint32_t source = 0;
  auto operator<=>(const Membership&) const = default;
};

// The routes of each flow, by membership and UDP port.
using FlowMap = std::map<Membership, std::map<std::uint16_t, std::vector<Route>>>;

class Registry {
 public:
  // One of FastpathState::interfaces, in the same order as the worker's ports.
  struct Interface {
    protocol::InterfaceState state;
    PortRuntime* port = nullptr;
  };
  Registry(std::vector<Interface> interfaces, protocol::StatsPage* stats, TimelineStore* timelines);
  ~Registry();

  struct Built {
    std::unique_ptr<Snapshot> snapshot;
    std::set<Membership> memberships;
    std::vector<Route> bridge_routes;  // of inputs that no flow names
  };
  // An error names the channel and changes nothing: what was made for the state is gone again.
  tl::expected<Built, std::string> build(const protocol::FastpathState& state);
  // Frees what `current` doesn't use.
  void release_unused(const Snapshot& current);
  // Refills the spare wide tables, and serves inputs that found none.
  void serve_wide_tables();
  // Writes down when the inputs that are new were joined.
  void note_joins(std::int64_t unix_ns);
  // Datagrams that came on each membership so far, good or not, as the counter page has them.
  std::map<Membership, std::uint64_t> arrivals() const;

 private:
  using InputKey = std::string;
  struct InputHolder {
    std::unique_ptr<InputRuntime> runtime;
    std::optional<Membership> membership;   // nothing: it comes from the bridge
    std::size_t timeline_index = kNoIndex;  // where it drives its channel's
  };
  // What a build has made: undone when it fails.
  struct Made {
    std::vector<std::string> inputs;
    std::vector<std::string> outputs;
    std::vector<std::string> cuts;
  };

  tl::expected<std::size_t, std::string> find_interface(const std::string& name, std::uint16_t vlan) const;
  std::uint32_t source_address(std::size_t interface, std::uint16_t vlan) const;
  bool needs_pipe(const protocol::FastpathChannel& channel) const;
  tl::expected<void, std::string> validate(const protocol::FastpathState& state) const;
  InputHolder& input_for(const protocol::FastpathChannel& channel, const protocol::InputState& input);
  void drive_timeline(const protocol::FastpathChannel& channel, InputHolder& holder, bool fresh);
  static void add_input(InputHolder& holder, Cut* cut, std::size_t timeline_index, Built& built);
  // `id`: of the channel or multiplex.
  OutputRuntime* output_for(const std::string& id, const protocol::OutputState& output);
  std::string refusal_of(const protocol::OutputState& output) const;
  void add_multiplex(const protocol::FastpathMultiplex& multiplex, Snapshot& snapshot);
  Cut* cut_for(const protocol::FastpathChannel& channel, const protocol::InputState& input,
               const InputKey& key, Snapshot& snapshot);
  void add_channel(const protocol::FastpathChannel& channel, FlowMap& flows, Built& built);
  void add_relay(const protocol::FastpathChannel& channel, Route route, FlowMap& flows, Built& built);
  void add_pipe(const protocol::FastpathChannel& channel, Route route, FlowMap& flows, Built& built);
  void undo();
  void free_stats(const InputRuntime& input);
  void free_stats(const OutputRuntime& output);

  std::vector<Interface> interfaces_;
  SpareTables spare_tables_;
  Made made_;
  protocol::StatsPage* stats_;
  TimelineStore* timelines_;
  std::map<InputKey, InputHolder> inputs_;
  std::map<std::string, std::unique_ptr<OutputRuntime>> outputs_;
  std::map<std::string, std::unique_ptr<Cut>> cuts_;
  PipeStore pipes_;
  MultiplexStore multiplexes_;
  std::map<std::string, std::vector<mpegts::MultiplexMember*>> members_;  // by channel, while building
  std::set<std::uint32_t> bridge_handles_;
};

}  // namespace headgate::fastpath
