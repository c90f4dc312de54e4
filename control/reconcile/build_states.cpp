#include "control/reconcile/build_states.h"

#include <nlohmann/json.hpp>

namespace headgate::control {
namespace {

protocol::DatagramProtocol convert(config::DatagramProtocol value) {
  return value == config::DatagramProtocol::rtp ? protocol::DatagramProtocol::rtp
                                                : protocol::DatagramProtocol::udp;
}

protocol::IgmpMode convert(config::Igmp value) {
  switch (value) {
    case config::Igmp::v1:
      return protocol::IgmpMode::v1;
    case config::Igmp::v2:
      return protocol::IgmpMode::v2;
    case config::Igmp::v3:
      return protocol::IgmpMode::v3;
    case config::Igmp::automatic:
      break;
  }
  return protocol::IgmpMode::automatic;
}

protocol::HugepageMode convert(config::Hugepages value) {
  switch (value) {
    case config::Hugepages::required:
      return protocol::HugepageMode::required;
    case config::Hugepages::never:
      return protocol::HugepageMode::never;
    case config::Hugepages::automatic:
      break;
  }
  return protocol::HugepageMode::automatic;
}

protocol::InterfaceState convert(const config::Interface& from) {
  protocol::InterfaceState to;
  to.name = from.name;
  to.device = from.device;
  to.mtu = from.mtu;
  to.igmp = convert(from.igmp);
  to.addresses = from.addresses;
  for (const config::Vlan& vlan : from.vlans) to.vlans.push_back({vlan.id, vlan.addresses});
  return to;
}

protocol::InputState convert(const config::Input& from) {
  protocol::InputState to;
  to.number = from.number;
  to.url = from.url;
  to.program = from.program;
  to.protocol = convert(from.protocol);
  to.interface = from.interface;
  to.vlan = from.vlan;
  to.group = from.group;
  to.source = from.source;
  to.port = from.port;
  return to;
}

protocol::OutputState convert(const config::Push& from) {
  return {from.url, convert(from.protocol), from.interface, from.vlan, from.group, from.port, from.ttl,
          from.dscp};
}

std::optional<protocol::Program> program_of(const config::Channel& channel) {
  if (channel.inputs.empty()) return std::nullopt;
  return channel.inputs.front().program;
}

protocol::FastpathChannel fastpath_channel(const config::Channel& from, std::uint32_t handle) {
  protocol::FastpathChannel to;
  to.id = from.id;
  to.handle = handle;
  to.to_bridge = !config::served(from).empty();
  for (const config::Input& input : from.inputs) to.inputs.push_back(convert(input));
  for (const config::Push& push : from.push) {
    if (push.enabled) to.outputs.push_back(convert(push));
  }
  return to;
}

// An encrypted stream whose passphrase can't be read any more is not served: it must never go out in clear.
template <class Srt>
bool closed(const Srt& srt) {
  return !srt.passphrase_file.empty() && srt.passphrase.empty();
}

protocol::BridgeChannel bridge_channel(const config::Channel& from, std::uint32_t handle) {
  protocol::BridgeChannel to;
  to.id = from.id;
  to.handle = handle;
  to.name = from.name;
  to.program = program_of(from);
  if (from.hls)
    to.hls = protocol::HlsState{static_cast<std::uint32_t>(from.hls->segment.count()), from.hls->window};
  to.http_ts = from.http_ts;
  to.rtmp = from.rtmp;
  if (from.srt && !closed(*from.srt)) to.srt = protocol::SrtServeState{from.srt->passphrase};
  return to;
}

void update_handles(const config::Model& model, Handles& handles) {
  std::map<std::string, std::uint32_t> kept;
  for (const config::Channel& channel : model.channels) {
    const auto known = handles.by_id.find(channel.id);
    kept[channel.id] = known != handles.by_id.end() ? known->second : handles.next++;
  }
  handles.by_id = std::move(kept);
}

}  // namespace

std::string to_string(config::LogLevel level) {
  switch (level) {
    case config::LogLevel::trace:
      return "trace";
    case config::LogLevel::debug:
      return "debug";
    case config::LogLevel::warning:
      return "warning";
    case config::LogLevel::error:
      return "error";
    case config::LogLevel::info:
      break;
  }
  return "info";
}

DesiredStates build_states(const config::Model& model, Handles& handles, std::uint64_t generation) {
  update_handles(model, handles);
  const config::Node& node = model.node;
  DesiredStates states;
  states.fastpath.generation = states.bridge.generation = generation;
  states.fastpath.node = states.bridge.node = node.node;
  states.fastpath.log_level = states.bridge.log_level = to_string(node.log_level);
  states.fastpath.log_format = states.bridge.log_format =
      node.log_format == config::LogFormat::json ? "json" : "text";
  states.fastpath.hugepages = convert(node.fastpath.hugepages);
  states.fastpath.idle =
      node.fastpath.idle == config::Idle::poll ? protocol::IdleMode::poll : protocol::IdleMode::adaptive;
  states.fastpath.cores = node.fastpath.cores;
  for (const config::Interface& interface : node.interfaces)
    states.fastpath.interfaces.push_back(convert(interface));
  for (const config::HttpServer& server : node.http) states.bridge.http_listen.push_back(server.listen);
  for (const config::RtmpServer& server : node.rtmp) states.bridge.rtmp_listen.push_back(server.listen);
  for (const config::SrtServer& server : node.srt) {
    if (closed(server)) continue;
    states.bridge.srt_servers.push_back(
        {server.listen, static_cast<std::uint32_t>(server.latency.count()), server.passphrase});
  }
  for (const config::Channel& channel : model.channels) {
    if (!channel.enabled) continue;
    const std::uint32_t handle = handles.by_id.at(channel.id);
    states.fastpath.channels.push_back(fastpath_channel(channel, handle));
    if (!config::served(channel).empty()) states.bridge.channels.push_back(bridge_channel(channel, handle));
  }
  return states;
}

bool same_content(DesiredStates a, const DesiredStates& b) {
  a.fastpath.generation = b.fastpath.generation;
  a.bridge.generation = b.bridge.generation;
  return a == b;
}

std::string to_json(const Handles& handles) {
  return nlohmann::json{{"next", handles.next}, {"by_id", handles.by_id}}.dump(1) + "\n";
}

tl::expected<Handles, std::string> parse_handles(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  try {
    Handles handles;
    handles.next = json.at("next").get<std::uint32_t>();
    handles.by_id = json.at("by_id").get<std::map<std::string, std::uint32_t>>();
    return handles;
  } catch (const nlohmann::json::exception& error) {
    return tl::unexpected(std::string(error.what()));
  }
}

}  // namespace headgate::control
