#include "dataplane/fastpath/control/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "dataplane/fastpath/host/address.h"

namespace headgate::fastpath {
namespace {

template <std::size_t N>
void copy_text(std::array<char, N>& to, const std::string& text) {
  to.fill(0);
  text.copy(to.data(), N - 1);
}

// A free place of the counter page, its counters 0 and its names set; kNoIndex when all are taken (it then
// just isn't shown). In use from the last store on.
template <typename Entry, std::size_t N, typename Fill>
std::size_t take_place(std::array<Entry, N>& entries, Fill fill) {
  for (std::size_t i = 0; i < N; ++i) {
    if (entries[i].in_use.load(std::memory_order_acquire) != 0) continue;
    std::memset(static_cast<void*>(&entries[i]), 0, sizeof(Entry));
    fill(entries[i]);
    entries[i].in_use.store(1, std::memory_order_release);
    return i;
  }
  return kNoIndex;
}

std::string input_key(const protocol::FastpathChannel& channel, const protocol::InputState& input) {
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}", channel.id, input.number, input.url,
                     static_cast<int>(input.protocol), input.interface, input.vlan, input.group, input.source,
                     input.port);
}

std::string output_key(const protocol::FastpathChannel& channel, const protocol::OutputState& output) {
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}", channel.id, output.url,
                     static_cast<int>(output.protocol), output.interface, output.vlan, output.group,
                     output.port, output.ttl, output.dscp);
}

std::string program_text(const protocol::Program& program) {
  if (const auto* number = std::get_if<std::uint16_t>(&program)) return fmt::format("#{}", *number);
  return std::get<std::string>(program);
}

// FNV-1a: the SSRC follows from the map alone, so that two nodes send alike.
std::uint32_t hash_of(const std::string& text) {
  std::uint32_t hash = 2166136261U;
  for (const char c : text) hash = (hash ^ static_cast<std::uint8_t>(c)) * 16777619U;
  return hash;
}

// The primary is the input with the lowest number.
const protocol::InputState* primary_of(const protocol::FastpathChannel& channel) {
  const auto lowest = std::min_element(channel.inputs.begin(), channel.inputs.end(),
                                       [](const auto& a, const auto& b) { return a.number < b.number; });
  return lowest == channel.inputs.end() ? nullptr : &*lowest;
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
  return FlowTable::build(flows, snapshot.flow_table);
}

}  // namespace

Registry::Registry(std::vector<Interface> interfaces, protocol::StatsPage* stats, TimelineStore* timelines)
    : interfaces_(std::move(interfaces)), stats_(stats), timelines_(timelines) {}

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

tl::expected<void, std::string> Registry::validate(const protocol::FastpathState& state) const {
  // By source: two sources of a group may speak differently, but who takes any source meets both.
  using Protocols = std::map<std::string, protocol::DatagramProtocol>;
  std::map<std::tuple<std::string, std::uint16_t, std::string, std::uint16_t>, Protocols> taken;
  for (const protocol::FastpathChannel& channel : state.channels) {
    const auto refuse = [&](const std::string& why) {
      return tl::unexpected<std::string>(fmt::format("channel {}: {}", channel.id, why));
    };
    for (const protocol::InputState& input : channel.inputs) {
      if (auto found = find_interface(input.interface, input.vlan); !found) return refuse(found.error());
      if (!parse_ipv4(input.group)) return refuse(fmt::format("input {} has no IPv4 address", input.url));
      if (!input.source.empty() && !parse_ipv4(input.source))
        return refuse(fmt::format("input {}: the source {} is no IPv4 address", input.url, input.source));
      Protocols& protocols = taken[{input.interface, input.vlan, input.group, input.port}];
      protocols.try_emplace(input.source, input.protocol);
      const bool clash = std::any_of(protocols.begin(), protocols.end(), [&](const auto& other) {
        const bool meets = other.first == input.source || other.first.empty() || input.source.empty();
        return meets && other.second != input.protocol;
      });
      if (clash)
        return refuse(fmt::format("input {}: the same group and port is taken as udp and as rtp", input.url));
    }
    for (const protocol::OutputState& output : channel.outputs) {
      if (auto found = find_interface(output.interface, output.vlan); !found) return refuse(found.error());
      const auto group = parse_ipv4(output.group);
      if (!group || !group->is_multicast())
        return refuse(fmt::format("output {}: {} is no multicast group", output.url, output.group));
    }
  }
  return {};
}

Registry::InputHolder& Registry::input_for(const protocol::FastpathChannel& channel,
                                           const protocol::InputState& input, bool primary) {
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
  runtime.rtp = input.protocol == protocol::DatagramProtocol::rtp;
  if (stats_ != nullptr) {
    runtime.stats_index = take_place(stats_->inputs, [&](protocol::InputStats& stats) {
      stats.number = input.number;
      copy_text(stats.channel, channel.id);
      copy_text(stats.url, input.url);
    });
  }
  if (timelines_ != nullptr && primary) {
    runtime.timeline_index = timelines_->find_or_add(channel.id);
    if (const auto saved = timelines_->load(runtime.timeline_index))
      runtime.inspector.restore_timeline(*saved);
  }
  holder.membership = {*find_interface(input.interface, input.vlan), input.vlan,
                       parse_ipv4(input.group)->value,
                       input.source.empty() ? 0 : parse_ipv4(input.source)->value};
  return holder;
}

OutputRuntime* Registry::output_for(const protocol::FastpathChannel& channel,
                                    const protocol::OutputState& output) {
  const auto [at, fresh] = outputs_.try_emplace(output_key(channel, output));
  if (!fresh) return at->second.get();
  made_.outputs.push_back(at->first);
  at->second = std::make_unique<OutputRuntime>();
  OutputRuntime& runtime = *at->second;
  const std::size_t interface = *find_interface(output.interface, output.vlan);
  runtime.channel = channel.id;
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
  address.ssrc = hash_of(channel.id + "\n" + output.url);
  runtime.header = OutputHeader(address);
  if (stats_ != nullptr) {
    runtime.stats_index = take_place(stats_->outputs, [&](protocol::OutputStats& stats) {
      copy_text(stats.channel, channel.id);
      copy_text(stats.url, output.url);
    });
  }
  return &runtime;
}

Cut* Registry::cut_for(const protocol::InputState& input, const InputKey& key) {
  if (!input.program) return nullptr;
  const auto [at, fresh] = cuts_.try_emplace(key + "\n" + program_text(*input.program));
  if (!fresh) return at->second.get();
  made_.cuts.push_back(at->first);
  at->second = std::make_unique<Cut>(mpegts::ServiceSelector{*input.program});
  return at->second.get();
}

void Registry::add_channel(const protocol::FastpathChannel& channel, FlowMap& flows, Built& built) {
  Snapshot& snapshot = *built.snapshot;
  const auto first_output = static_cast<std::uint32_t>(snapshot.route_outputs.size());
  for (const protocol::OutputState& output : channel.outputs) {
    snapshot.route_outputs.push_back(output_for(channel, output));
    snapshot.outputs.push_back(snapshot.route_outputs.back());
  }
  const protocol::InputState* primary = primary_of(channel);
  for (const protocol::InputState& input : channel.inputs) {
    const bool carries = &input == primary;
    InputHolder& holder = input_for(channel, input, carries);
    Route route;
    route.input = holder.runtime.get();
    route.cut = carries ? cut_for(input, input_key(channel, input)) : nullptr;
    route.handle = channel.handle;
    route.first_output = first_output;
    route.output_count = carries ? static_cast<std::uint32_t>(channel.outputs.size()) : 0;
    route.to_bridge = carries && channel.to_bridge;
    flows[holder.membership][input.port].push_back(route);
    snapshot.inputs.push_back(route.input);
    snapshot.input_cuts.push_back(route.cut);
    if (Ipv4{holder.membership.group}.is_multicast()) built.memberships.insert(holder.membership);
  }
}

tl::expected<Registry::Built, std::string> Registry::build(const protocol::FastpathState& state) {
  if (auto valid = validate(state); !valid) return tl::unexpected<std::string>(valid.error());
  made_ = {};
  Built built;
  built.snapshot = std::make_unique<Snapshot>();
  Snapshot& snapshot = *built.snapshot;
  snapshot.generation = state.generation;
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
  snapshot.bridge_channels = handles.size();
  for (const std::uint32_t handle : bridge_handles_) {
    if (!handles.contains(handle)) snapshot.forgotten_handles.push_back(handle);
  }
  bridge_handles_ = std::move(handles);
  return built;
}

void Registry::undo() {
  for (const std::string& key : made_.inputs) {
    free_place(*inputs_.at(key).runtime);
    inputs_.erase(key);
  }
  for (const std::string& key : made_.outputs) {
    free_place(*outputs_.at(key));
    outputs_.erase(key);
  }
  for (const std::string& key : made_.cuts) cuts_.erase(key);
  made_ = {};
}

void Registry::free_place(const InputRuntime& input) {
  if (input.stats_index != kNoIndex)
    stats_->inputs[input.stats_index].in_use.store(0, std::memory_order_release);
}

void Registry::free_place(const OutputRuntime& output) {
  if (output.stats_index != kNoIndex)
    stats_->outputs[output.stats_index].in_use.store(0, std::memory_order_release);
}

void Registry::release_unused(const Snapshot& current) {
  const std::set<const void*> inputs(current.inputs.begin(), current.inputs.end());
  const std::set<const void*> outputs(current.outputs.begin(), current.outputs.end());
  const std::set<const void*> cuts(current.input_cuts.begin(), current.input_cuts.end());
  std::erase_if(inputs_, [&](const auto& entry) {
    const InputRuntime* runtime = entry.second.runtime.get();
    if (inputs.contains(runtime)) return false;
    free_place(*runtime);
    return true;
  });
  std::erase_if(outputs_, [&](const auto& entry) {
    const OutputRuntime* runtime = entry.second.get();
    if (outputs.contains(runtime)) return false;
    free_place(*runtime);
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
}

void Registry::note_joins(std::int64_t unix_ns) {
  for (const auto& [key, holder] : inputs_) {
    if (holder.runtime->stats_index == kNoIndex || !Ipv4{holder.membership.group}.is_multicast()) continue;
    auto& joined = stats_->inputs[holder.runtime->stats_index].joined_unix_ns;
    if (joined.load(std::memory_order_relaxed) == 0)
      joined.store(static_cast<std::uint64_t>(unix_ns), std::memory_order_relaxed);
  }
}

std::map<Membership, std::uint64_t> Registry::arrivals() const {
  std::map<Membership, std::uint64_t> came;
  for (const auto& [key, holder] : inputs_) {
    std::uint64_t& total = came[holder.membership];
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
