#include "dataplane/fastpath/control/registry.h"

#include <fmt/format.h>

#include <algorithm>

#include "dataplane/fastpath/control/remux_options.h"
#include "dataplane/fastpath/control/stats_place.h"
#include "dataplane/fastpath/host/address.h"

namespace headgate::fastpath {
namespace {

std::string input_key(const protocol::FastpathChannel& channel, const protocol::InputState& input) {
  if (input.way == protocol::InputWay::bridge)
    return fmt::format("{}\n{}\n{}\nbridge", channel.id, input.number, input.url);
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}", channel.id, input.number, input.url,
                     static_cast<int>(input.protocol), input.interface, input.vlan, input.group, input.source,
                     input.port);
}

std::string output_key(const std::string& id, const protocol::OutputState& output) {
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}", id, output.url, static_cast<int>(output.protocol),
                     output.interface, output.vlan, output.group, output.port, output.ttl, output.dscp);
}

std::string program_text(const protocol::Program& program) {
  if (const auto* number = std::get_if<std::uint16_t>(&program)) return fmt::format("#{}", *number);
  return std::get<std::string>(program);
}

// What can't change while it runs: all but texts.
std::string remux_key(const std::optional<protocol::RemuxState>& remux) {
  if (!remux) return "";
  std::string key = fmt::format("\n{} {}", remux->service_id, static_cast<int>(remux->ca));
  for (const protocol::PidRule& rule : remux->pids)
    key += fmt::format("\n{} {} {}", rule.role, rule.pid, rule.to);
  return key;
}

// Of an input with the service that is cut out of it.
std::string cut_key(const std::string& input_key, const protocol::InputState& input,
                    const protocol::FastpathChannel& channel) {
  return input_key + (input.program ? "\n" + program_text(*input.program) : "") + remux_key(channel.remux);
}

// FNV-1a: the SSRC follows from the map alone, so that two nodes send alike.
std::uint32_t hash_of(const std::string& text) {
  std::uint32_t hash = 2166136261U;
  for (const char c : text) hash = (hash ^ static_cast<std::uint8_t>(c)) * 16777619U;
  return hash;
}

bool add_groups(const FlowMap& map, Snapshot& snapshot) {
  std::vector<Flow> flows;
  std::map<Membership, std::uint32_t> places;
  for (const auto& [membership, ports] : map) {
    constexpr std::uint32_t kMulticast = 0xE0000000U, kMulticastMask = 0xF0000000U;
    if ((membership.group & kMulticastMask) != kMulticast) continue;  // whatever else is sent to our address
    Membership group = membership;
    group.source = 0;
    const auto [place, fresh] = places.try_emplace(group, static_cast<std::uint32_t>(snapshot.groups.size()));
    if (fresh) {
      const FlowKey key{group.group, 0, group.vlan, static_cast<std::uint8_t>(group.interface)};
      flows.push_back({key, 0, place->second});
      snapshot.groups.emplace_back();
    }
    for (const auto& [port, routes] : ports) {
      for (const Route& route : routes) snapshot.groups[place->second].push_back(route.input);
    }
  }
  return FlowTable::build(flows, snapshot.group_table);
}

bool add_flows(const FlowMap& map, Snapshot& snapshot) {
  std::vector<Flow> flows;
  for (const auto& [membership, ports] : map) {
    for (const auto& [port, routes] : ports) {
      const auto first = static_cast<std::uint32_t>(snapshot.routes.size());
      snapshot.routes.insert(snapshot.routes.end(), routes.begin(), routes.end());
      // The table gives the flow of the very source: who takes the group from any source is served by it too.
      Membership any = membership;
      any.source = 0;
      const auto any_source = membership.source != 0 ? map.find(any) : map.end();
      if (any_source != map.end()) {
        if (const auto same_port = any_source->second.find(port); same_port != any_source->second.end())
          snapshot.routes.insert(snapshot.routes.end(), same_port->second.begin(), same_port->second.end());
      }
      const auto count = static_cast<std::uint32_t>(snapshot.routes.size()) - first;
      const FlowKey key{membership.group, port, membership.vlan,
                        static_cast<std::uint8_t>(membership.interface)};
      flows.push_back({key, membership.source, static_cast<std::uint32_t>(snapshot.flows.size())});
      snapshot.flows.push_back({first, count});
    }
  }
  for (std::size_t i = 0; i < snapshot.routes.size(); ++i) {
    if (snapshot.routes[i].cut != nullptr) snapshot.cut_routes.push_back(static_cast<std::uint32_t>(i));
  }
  return FlowTable::build(flows, snapshot.flow_table) && add_groups(map, snapshot);
}

}  // namespace

Registry::Registry(std::vector<Interface> interfaces, protocol::StatsPage* stats, TimelineStore* timelines)
    : interfaces_(std::move(interfaces)),
      stats_(stats),
      timelines_(timelines),
      pipes_(stats, timelines, &spare_tables_),
      multiplexes_(stats, &spare_tables_) {}

Registry::~Registry() = default;

tl::expected<std::size_t, std::string> Registry::find_interface(const std::string& name,
                                                                std::uint16_t vlan) const {
  for (std::size_t i = 0; i < interfaces_.size(); ++i) {
    const protocol::InterfaceState& state = interfaces_[i].state;
    if (state.name != name) continue;
    const bool known = vlan == 0 || std::any_of(state.vlans.begin(), state.vlans.end(),
                                                [&](const protocol::VlanState& v) { return v.id == vlan; });
    if (!known) return tl::unexpected<std::string>(fmt::format("interface {} has no VLAN {}", name, vlan));
    return i;
  }
  return tl::unexpected<std::string>(fmt::format("there is no interface {}", name));
}

std::uint32_t Registry::source_address(std::size_t interface, std::uint16_t vlan) const {
  const protocol::InterfaceState& state = interfaces_[interface].state;
  const auto first_of = [](const std::vector<std::string>& addresses) -> std::uint32_t {
    for (const std::string& text : addresses) {
      if (const auto address = parse_ipv4(text, true)) return address->value;
    }
    return 0;
  };
  if (vlan == 0) return first_of(state.addresses);
  for (const protocol::VlanState& v : state.vlans) {
    if (v.id == vlan) return first_of(v.addresses);
  }
  return 0;
}

bool Registry::needs_pipe(const protocol::FastpathChannel& channel) const {
  if (channel.inputs.empty()) return false;
  if (members_.contains(channel.id)) return true;
  const protocol::InputState& first = channel.inputs.front();
  return pipes_.needs_pipe(channel, cut_key(input_key(channel, first), first, channel));
}

Registry::InputHolder& Registry::input_for(const protocol::FastpathChannel& channel,
                                           const protocol::InputState& input) {
  const auto [at, fresh] = inputs_.try_emplace(input_key(channel, input));
  InputHolder& holder = at->second;
  if (!fresh) return holder;
  made_.inputs.push_back(at->first);
  holder.runtime = std::make_unique<InputRuntime>();
  InputRuntime& runtime = *holder.runtime;
  runtime.inspector.set_spare_tables(&spare_tables_);
  runtime.channel = channel.id;
  runtime.url = input.url;
  runtime.number = input.number;
  const bool datagrams = input.way == protocol::InputWay::datagrams;
  runtime.inspector.set_monitor(Inspector::make_monitor(),
                                datagrams ? Inspector::Clock::arrival : Inspector::Clock::stream);
  runtime.inspector.keep_cues();
  runtime.rtp = datagrams && input.protocol == protocol::DatagramProtocol::rtp;
  if (stats_ != nullptr) {
    runtime.stats_index = take_place(stats_->inputs, [&](protocol::InputStats& stats) {
      stats.number = input.number;
      copy_text(stats.channel, channel.id);
      copy_text(stats.url, input.url);
    });
  }
  if (datagrams) {
    holder.membership = {*find_interface(input.interface, input.vlan), input.vlan,
                         parse_ipv4(input.group)->value,
                         input.source.empty() ? 0 : parse_ipv4(input.source)->value};
  }
  return holder;
}

// Of a channel without a pipe. One that has just lost its pipe gets its timeline from there, by the worker.
void Registry::drive_timeline(const protocol::FastpathChannel& channel, InputHolder& holder, bool fresh) {
  if (timelines_ == nullptr || holder.timeline_index != kNoIndex) return;
  holder.timeline_index = timelines_->find_or_add(channel.id);
  if (!fresh) return;
  if (const auto saved = timelines_->load(holder.timeline_index))
    holder.runtime->inspector.restore_timeline(*saved);
}

OutputRuntime* Registry::output_for(const std::string& id, const protocol::OutputState& output) {
  const auto [at, fresh] = outputs_.try_emplace(output_key(id, output));
  if (!fresh) return at->second.get();
  made_.outputs.push_back(at->first);
  at->second = std::make_unique<OutputRuntime>();
  OutputRuntime& runtime = *at->second;
  const std::size_t interface = *find_interface(output.interface, output.vlan);
  runtime.channel = id;
  runtime.url = output.url;
  runtime.port = interfaces_[interface].port;
  OutputHeader::Address address;
  address.source_mac = runtime.port->port->mac();
  address.vlan = output.vlan;
  address.source = source_address(interface, output.vlan);
  address.group = parse_ipv4(output.group)->value;
  address.port = output.port;
  address.ttl = output.ttl;
  address.dscp = output.dscp;
  address.rtp = output.protocol == protocol::DatagramProtocol::rtp;
  address.ssrc = hash_of(id + "\n" + output.url);
  runtime.header = OutputHeader(address);
  if (stats_ != nullptr) {
    runtime.stats_index = take_place(stats_->outputs, [&](protocol::OutputStats& stats) {
      copy_text(stats.channel, id);
      copy_text(stats.url, output.url);
    });
  }
  return &runtime;
}

Cut* Registry::cut_for(const protocol::FastpathChannel& channel, const protocol::InputState& input,
                       const InputKey& key, Snapshot& snapshot) {
  if (!input.program && !channel.remux) return nullptr;
  const auto [at, fresh] = cuts_.try_emplace(cut_key(key, input, channel));
  if (fresh) {
    made_.cuts.push_back(at->first);
    mpegts::ServiceSelector selector{mpegts::LowestService{}};
    if (input.program) std::visit([&](const auto& program) { selector.value = program; }, *input.program);
    mpegts::RemuxOptions options;
    if (channel.remux) options = *remux_options(*channel.remux);
    at->second = std::make_unique<Cut>(std::move(selector), std::move(options));
    at->second->leaving.inspector.set_spare_tables(&spare_tables_);
  }
  Cut* cut = at->second.get();
  if (channel.remux) snapshot.cut_texts.push_back({cut, channel.remux->provider, channel.remux->name});
  return cut;
}

void Registry::add_channel(const protocol::FastpathChannel& channel, FlowMap& flows, Built& built) {
  Snapshot& snapshot = *built.snapshot;
  Route route;
  route.handle = channel.handle;
  route.first_output = static_cast<std::uint32_t>(snapshot.route_outputs.size());
  route.output_count = static_cast<std::uint16_t>(channel.outputs.size());
  route.to_bridge = channel.to_bridge;
  for (const protocol::OutputState& output : channel.outputs) {
    snapshot.route_outputs.push_back(output_for(channel.id, output));
    snapshot.outputs.push_back(snapshot.route_outputs.back());
  }
  if (needs_pipe(channel)) {
    add_pipe(channel, route, flows, built);
  } else if (!channel.inputs.empty()) {
    add_relay(channel, route, flows, built);
  }
}

void Registry::add_relay(const protocol::FastpathChannel& channel, Route route, FlowMap& flows,
                         Built& built) {
  const protocol::InputState& input = channel.inputs.front();
  const std::string key = input_key(channel, input);
  const bool fresh = !inputs_.contains(key);
  InputHolder& holder = input_for(channel, input);
  drive_timeline(channel, holder, fresh);
  route.input = holder.runtime.get();
  route.cut = cut_for(channel, input, key, *built.snapshot);
  add_input(holder, route.cut, holder.timeline_index, built);
  flows[*holder.membership][input.port].push_back(route);
}

void Registry::add_pipe(const protocol::FastpathChannel& channel, Route route, FlowMap& flows, Built& built) {
  Snapshot& snapshot = *built.snapshot;
  route.pipe = static_cast<std::uint16_t>(snapshot.pipes.size());
  std::vector<const protocol::InputState*> inputs;
  for (const protocol::InputState& input : channel.inputs) inputs.push_back(&input);
  std::sort(inputs.begin(), inputs.end(), [](const auto* a, const auto* b) { return a->number < b->number; });
  std::vector<PipeStore::Source> sources;
  for (const protocol::InputState* input : inputs) {
    const std::string key = input_key(channel, *input);
    InputHolder& holder = input_for(channel, *input);
    Cut* cut = cut_for(channel, *input, key, snapshot);
    sources.push_back({input, holder.runtime.get(), cut, cut_key(key, *input, channel)});
    add_input(holder, cut, kNoIndex, built);
    route.input = holder.runtime.get();
    if (holder.membership) {
      flows[*holder.membership][input->port].push_back(route);
    } else {
      built.bridge_routes.push_back(route);
    }
  }
  PipePlan plan = pipes_.plan_for(channel, sources, remux_key(channel.remux));
  plan.handle = channel.handle;
  plan.first_output = route.first_output;
  plan.output_count = route.output_count;
  plan.to_bridge = channel.to_bridge;
  plan.watch_standby = channel.watch_standby;
  if (const auto members = members_.find(channel.id); members != members_.end())
    plan.members = members->second;
  snapshot.pipes.push_back(std::move(plan));
}

void Registry::add_multiplex(const protocol::FastpathMultiplex& multiplex, Snapshot& snapshot) {
  MultiplexPlan plan = multiplexes_.plan_for(multiplex, members_);
  plan.first_output = static_cast<std::uint32_t>(snapshot.route_outputs.size());
  plan.output_count = static_cast<std::uint32_t>(multiplex.outputs.size());
  for (const protocol::OutputState& output : multiplex.outputs) {
    snapshot.route_outputs.push_back(output_for(multiplex.id, output));
    snapshot.outputs.push_back(snapshot.route_outputs.back());
  }
  snapshot.multiplexes.push_back(std::move(plan));
}

void Registry::add_input(InputHolder& holder, Cut* cut, std::size_t timeline_index, Built& built) {
  built.snapshot->inputs.push_back(holder.runtime.get());
  built.snapshot->input_cuts.push_back(cut);
  built.snapshot->input_timelines.push_back(timeline_index);
  if (holder.membership && Ipv4{holder.membership->group}.is_multicast())
    built.memberships.insert(*holder.membership);
}

tl::expected<Registry::Built, std::string> Registry::build(const protocol::FastpathState& state) {
  members_.clear();
  for (const protocol::FastpathMultiplex& multiplex : state.multiplexes) {
    for (const protocol::MultiplexMemberState& member : multiplex.members) members_[member.channel];
  }
  if (auto valid = validate(state); !valid) return tl::unexpected<std::string>(valid.error());
  made_ = {};
  Built built;
  built.snapshot = std::make_unique<Snapshot>();
  Snapshot& snapshot = *built.snapshot;
  snapshot.generation = state.generation;
  for (const protocol::FastpathMultiplex& multiplex : state.multiplexes) add_multiplex(multiplex, snapshot);
  FlowMap flows;
  std::set<std::uint32_t> handles;
  for (const protocol::FastpathChannel& channel : state.channels) {
    if (channel.to_bridge) handles.insert(channel.handle);
    add_channel(channel, flows, built);
  }
  if (!add_flows(flows, snapshot)) {
    undo();
    return tl::unexpected<std::string>("two inputs that the flow table can't tell apart");
  }
  for (const Route& route : built.bridge_routes) {
    snapshot.bridge_inputs[Snapshot::bridge_key(route.handle, route.input->number)] =
        static_cast<std::uint32_t>(snapshot.routes.size());
    snapshot.routes.push_back(route);
  }
  snapshot.bridge_channels = handles.size();
  for (const std::uint32_t handle : bridge_handles_) {
    if (!handles.contains(handle)) snapshot.forgotten_handles.push_back(handle);
  }
  bridge_handles_ = std::move(handles);
  return built;
}

// Feeds name inputs and cuts: the pipes go first, here and below.
void Registry::undo() {
  pipes_.undo();
  multiplexes_.undo();
  for (const std::string& key : made_.inputs) {
    free_stats(*inputs_.at(key).runtime);
    inputs_.erase(key);
  }
  for (const std::string& key : made_.outputs) {
    free_stats(*outputs_.at(key));
    outputs_.erase(key);
  }
  for (const std::string& key : made_.cuts) cuts_.erase(key);
  made_ = {};
}

void Registry::free_stats(const InputRuntime& input) {
  if (stats_ != nullptr) free_place(stats_->inputs, input.stats_index);
}

void Registry::free_stats(const OutputRuntime& output) {
  if (stats_ != nullptr) free_place(stats_->outputs, output.stats_index);
}

void Registry::release_unused(const Snapshot& current) {
  pipes_.release_unused(current);
  multiplexes_.release_unused(current);
  const std::set<const void*> inputs(current.inputs.begin(), current.inputs.end());
  const std::set<const void*> outputs(current.outputs.begin(), current.outputs.end());
  const std::set<const void*> cuts(current.input_cuts.begin(), current.input_cuts.end());
  std::erase_if(inputs_, [&](const auto& entry) {
    const InputRuntime* runtime = entry.second.runtime.get();
    if (inputs.contains(runtime)) return false;
    free_stats(*runtime);
    return true;
  });
  std::erase_if(outputs_, [&](const auto& entry) {
    const OutputRuntime* runtime = entry.second.get();
    if (outputs.contains(runtime)) return false;
    free_stats(*runtime);
    return true;
  });
  std::erase_if(cuts_, [&](const auto& entry) { return !cuts.contains(entry.second.get()); });
}

void Registry::serve_wide_tables() {
  spare_tables_.refill();
  for (const auto& [key, holder] : inputs_) {
    Inspector& inspector = holder.runtime->inspector;
    if (inspector.wants_wide()) inspector.offer_wide(std::make_unique<WideTable>());
  }
  pipes_.serve_wide_tables();
  multiplexes_.serve_wide_tables();
}

void Registry::note_joins(std::int64_t unix_ns) {
  for (const auto& [key, holder] : inputs_) {
    const bool joins = holder.membership && Ipv4{holder.membership->group}.is_multicast();
    if (holder.runtime->stats_index == kNoIndex || !joins) continue;
    auto& joined = stats_->inputs[holder.runtime->stats_index].joined_unix_ns;
    if (joined.load(std::memory_order_relaxed) == 0)
      joined.store(static_cast<std::uint64_t>(unix_ns), std::memory_order_relaxed);
  }
}

std::map<Membership, std::uint64_t> Registry::arrivals() const {
  std::map<Membership, std::uint64_t> came;
  for (const auto& [key, holder] : inputs_) {
    if (!holder.membership) continue;
    std::uint64_t& total = came[*holder.membership];
    if (holder.runtime->stats_index == kNoIndex) continue;
    const protocol::InputStats& stats = stats_->inputs[holder.runtime->stats_index];
    total += stats.datagrams.load(std::memory_order_relaxed);
    for (std::size_t reason = 0; reason < stats.drops.size(); ++reason) {
      // Another source's datagrams say nothing of this membership.
      if (reason != static_cast<std::size_t>(protocol::DropReason::wrong_source))
        total += stats.drops[reason].load(std::memory_order_relaxed);
    }
  }
  return came;
}

}  // namespace headgate::fastpath
