#include "control/reconcile/build_states.h"

#include <algorithm>
#include <chrono>

#include <nlohmann/json.hpp>

#include "control/reconcile/multiplex_places.h"

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

template <class Rep, class Period>
std::uint32_t in_ms(std::chrono::duration<Rep, Period> time) {
  return static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
}

protocol::InputState convert(const config::Input& from) {
  protocol::InputState to;
  to.number = from.number;
  to.url = from.url;
  to.program = from.program;
  if (config::by_bridge(from)) {
    to.way = protocol::InputWay::bridge;
    return to;
  }
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

protocol::SourceKind convert(config::InputKind kind) {
  switch (kind) {
    case config::InputKind::srt_caller:
      return protocol::SourceKind::srt_caller;
    case config::InputKind::srt_listener:
      return protocol::SourceKind::srt_listener;
    case config::InputKind::rtmp:
      return protocol::SourceKind::rtmp;
    case config::InputKind::http_ts:
      return protocol::SourceKind::http_ts;
    case config::InputKind::hls:
      return protocol::SourceKind::hls;
    case config::InputKind::file:
      return protocol::SourceKind::file;
    case config::InputKind::publish:
    case config::InputKind::datagrams:
      break;
  }
  return protocol::SourceKind::publish;
}

protocol::BridgeInput bridge_input(const config::Input& from) {
  protocol::BridgeInput to;
  to.number = from.number;
  to.url = from.url;
  to.kind = convert(from.kind);
  to.address = from.address;
  to.key = from.key;
  to.passphrase = from.passphrase;
  to.stream_id = from.stream_id;
  to.latency_ms = in_ms(from.latency);
  to.grace_ms = in_ms(from.grace);
  return to;
}

protocol::BridgePush bridge_push(const config::Push& from) {
  protocol::BridgePush to;
  to.url = from.url;
  to.kind = from.kind == config::PushKind::srt ? protocol::PushKind::srt : protocol::PushKind::rtmp;
  to.address = from.address;
  to.stream = from.stream;
  to.passphrase = from.passphrase;
  to.stream_id = from.stream_id;
  to.latency_ms = in_ms(from.latency);
  return to;
}

protocol::FailoverState convert(const config::Failover& from) {
  protocol::FailoverState to;
  to.after_ms = in_ms(from.after);
  to.hold_ms = in_ms(from.hold);
  to.back = from.back;
  to.when.clear();
  // Both lists are in one order.
  for (const config::Trouble trouble : from.when) to.when.push_back(static_cast<protocol::Trouble>(trouble));
  return to;
}
static_assert(config::kTroubleNames.size() == protocol::kTroubles);
static_assert(static_cast<int>(config::Trouble::silence) == static_cast<int>(protocol::Trouble::silence));

protocol::AudioTranscode convert(config::AudioTranscode value) {
  switch (value) {
    case config::AudioTranscode::never:
      return protocol::AudioTranscode::never;
    case config::AudioTranscode::always:
      return protocol::AudioTranscode::always;
    case config::AudioTranscode::automatic:
      break;
  }
  return protocol::AudioTranscode::automatic;
}

protocol::WatchState watch_state(const config::Channel& from) {
  protocol::WatchState to;
  to.pictures = config::watches_pictures(from);
  to.sound = config::watches_sound(from);
  to.every_ms = in_ms(from.watch.every);
  const config::Alarms& alarms = from.alarms;
  to.black_ms = in_ms(alarms.black);
  to.frozen_ms = in_ms(alarms.frozen);
  to.still_ms = in_ms(alarms.still);
  to.silence_ms = in_ms(alarms.silence);
  to.clipping_ms = in_ms(alarms.clipping);
  to.phase_ms = in_ms(alarms.phase);
  to.loudness_ms = alarms.loudness ? in_ms(alarms.loudness_after) : 0;
  if (alarms.loudness) {
    to.loudness_min = alarms.loudness->min;
    to.loudness_max = alarms.loudness->max;
  }
  return to;
}

bool watched(const config::Channel& channel) {
  return config::watches_pictures(channel) || config::watches_sound(channel);
}

bool watches_standby(const config::Channel& channel) {
  return config::fails_over_for(channel, config::Trouble::frozen) ||
         config::fails_over_for(channel, config::Trouble::black) ||
         config::fails_over_for(channel, config::Trouble::silence);
}

std::optional<protocol::RemuxState> remux_state(const config::Channel& channel) {
  if (!config::rewrites_service(channel)) return std::nullopt;
  const config::Remux& from = channel.remux;
  protocol::RemuxState to;
  to.service_id = from.service_id.value_or(0);
  if (from.ca == config::CaHandling::keep) to.ca = protocol::CaHandling::keep;
  if (from.ca == config::CaHandling::drop) to.ca = protocol::CaHandling::drop;
  for (const config::PidRule& rule : from.pids) to.pids.push_back({rule.role, rule.pid, rule.to.value_or(0)});
  to.provider = from.provider;
  to.name = config::stream_name(channel);
  return to;
}

protocol::FastpathChannel fastpath_channel(const config::Channel& from, std::uint32_t handle) {
  protocol::FastpathChannel to;
  to.id = from.id;
  to.handle = handle;
  to.to_bridge = config::leaves_by_bridge(from) || watched(from);
  to.watch_standby = watches_standby(from);
  to.failover = convert(from.failover);
  to.bitrate_bps = from.remux.bitrate;
  to.remux = remux_state(from);
  for (const config::Input& input : from.inputs) {
    to.inputs.push_back(convert(input));
    to.inputs.back().buffer_ms = in_ms(config::buffer_of(from, input));
  }
  for (const config::Push& push : from.push) {
    if (push.enabled && !config::by_bridge(push)) to.outputs.push_back(convert(push));
  }
  return to;
}

// An encrypted stream whose passphrase can't be read any more is not served: it must never go out in clear.
template <class Srt>
bool closed(const Srt& srt) {
  return config::locked_out(srt.passphrase_file, srt.passphrase);
}

protocol::BridgeChannel bridge_channel(const config::Channel& from, std::uint32_t handle) {
  protocol::BridgeChannel to;
  to.id = from.id;
  to.handle = handle;
  to.name = from.name;
  to.program = program_of(from);
  if (from.hls) to.hls = protocol::HlsState{in_ms(from.hls->segment), from.hls->window};
  to.http_ts = from.http_ts;
  to.rtmp = from.rtmp;
  if (from.srt && !closed(*from.srt)) to.srt = protocol::SrtServeState{from.srt->passphrase};
  for (const config::Input& input : from.inputs) {
    if (config::by_bridge(input) && !config::closed(input)) to.inputs.push_back(bridge_input(input));
  }
  for (const config::Push& push : from.push) {
    if (push.enabled && config::by_bridge(push) && !config::closed(push))
      to.pushes.push_back(bridge_push(push));
  }
  to.service_id = from.remux.service_id.value_or(1);
  to.provider = from.remux.provider;
  to.transcode = convert(from.audio.transcode);
  to.watch = watch_state(from);
  return to;
}

// What is made here has a handle for as long as it is made so: what an encoder of the former kind leaves in
// its ring must not be taken for the latter's. No id has a colon.
std::string handle_name(const std::string& rendition, const protocol::RenditionMember& member) {
  return rendition + ':' + member.channel + ':' + std::to_string(member.width) + 'x' +
         std::to_string(member.height) + ':' + std::to_string(member.bitrate_bps);
}

protocol::RenditionMember convert(const config::RenditionMember& from) {
  protocol::RenditionMember to;
  to.channel = from.channel;
  to.derived = from.derived;
  to.width = from.width;
  to.height = from.height;
  to.bitrate_bps = static_cast<std::uint32_t>(from.bitrate);
  return to;
}

void update_handles(const config::Model& model, Handles& handles) {
  std::map<std::string, std::uint32_t> kept;
  const auto keep = [&](const std::string& name) {
    const auto known = handles.by_id.find(name);
    kept[name] = known != handles.by_id.end() ? known->second : handles.next++;
  };
  for (const config::Channel& channel : model.channels) keep(channel.id);
  for (const config::Rendition& rendition : model.renditions) {
    for (const config::RenditionMember& member : rendition.members) {
      if (member.derived) keep(handle_name(rendition.id, convert(member)));
    }
  }
  handles.by_id = std::move(kept);
}

protocol::RenditionState rendition_state(const config::Rendition& from, const Handles& handles) {
  protocol::RenditionState to;
  to.id = from.id;
  for (const config::RenditionMember& member : from.members) {
    protocol::RenditionMember& made = to.members.emplace_back(convert(member));
    if (made.derived) made.handle = handles.by_id.at(handle_name(from.id, made));
  }
  return to;
}

protocol::FastpathMultiplex multiplex_state(const config::Model& model, const config::Multiplex& from,
                                            Handles& handles) {
  constexpr std::uint32_t kMaxLogicalNumber = 1023;
  protocol::FastpathMultiplex to;
  to.id = from.id;
  to.transport_stream_id = from.transport_stream_id;
  to.network_id = from.network_id;
  to.original_network_id = from.original_network_id;
  to.bitrate_bps = from.bitrate;
  to.lcn = from.lcn;
  std::vector<const config::Channel*> channels;
  for (const std::string& id : from.channels) {
    const auto found = std::find_if(model.channels.begin(), model.channels.end(),
                                    [&](const config::Channel& channel) { return channel.id == id; });
    if (found != model.channels.end() && found->enabled) channels.push_back(&*found);
  }
  MultiplexPlaces places(from, channels, handles);
  for (const config::Channel* channel : channels) {
    const Handles::Place place = places.place(*channel);
    protocol::MultiplexMemberState& member = to.members.emplace_back();
    member.channel = channel->id;
    member.service_id = place.service_id;
    member.pid_block = place.pid_block;
    if (channel->name != channel->id) member.name = channel->name;
    member.provider = channel->remux.provider;
    if (channel->number && *channel->number <= kMaxLogicalNumber)
      member.number = static_cast<std::uint16_t>(*channel->number);
    member.share_bps = channel->remux.bitrate;
  }
  for (const config::Push& push : from.push) {
    if (push.enabled) to.outputs.push_back(convert(push));
  }
  return to;
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
  for (const config::RtmpsServer& server : node.rtmps) {
    if (!config::closed(server))
      states.bridge.rtmps_servers.push_back({server.listen, server.certificate, server.key});
  }
  for (const config::SrtServer& server : node.srt) {
    if (closed(server)) continue;
    states.bridge.srt_servers.push_back({server.listen, in_ms(server.latency), server.passphrase});
  }
  for (const config::Channel& channel : model.channels) {
    if (!channel.enabled) continue;
    const std::uint32_t handle = handles.by_id.at(channel.id);
    states.fastpath.channels.push_back(fastpath_channel(channel, handle));
    if (config::passes_bridge(channel) || watched(channel))
      states.bridge.channels.push_back(bridge_channel(channel, handle));
  }
  for (const config::Multiplex& multiplex : model.multiplexes)
    states.fastpath.multiplexes.push_back(multiplex_state(model, multiplex, handles));
  for (const config::Rendition& rendition : model.renditions)
    states.bridge.renditions.push_back(rendition_state(rendition, handles));
  return states;
}

std::vector<std::string> keep_forced(const protocol::FastpathState& before, protocol::FastpathState& now) {
  std::vector<std::string> gone;
  for (const protocol::FastpathChannel& old : before.channels) {
    if (old.forced_input == 0) continue;
    const auto input = std::find_if(old.inputs.begin(), old.inputs.end(), [&](const auto& candidate) {
      return candidate.number == old.forced_input;
    });
    const auto channel = std::find_if(now.channels.begin(), now.channels.end(),
                                      [&](const auto& candidate) { return candidate.id == old.id; });
    if (channel == now.channels.end() || channel->inputs.size() < 2 || input == old.inputs.end()) {
      gone.push_back(old.id);
      continue;
    }
    // Its own number first: two inputs of one URL differ by their program.
    const auto same = [&](const auto& candidate) { return candidate.url == input->url; };
    auto again = std::find_if(channel->inputs.begin(), channel->inputs.end(), [&](const auto& candidate) {
      return candidate.number == old.forced_input && same(candidate);
    });
    if (again == channel->inputs.end())
      again = std::find_if(channel->inputs.begin(), channel->inputs.end(), same);
    if (again == channel->inputs.end())
      gone.push_back(old.id);
    else
      channel->forced_input = again->number;
  }
  return gone;
}

void recover(const DesiredStates& running, Handles& handles) {
  const auto take = [&](const std::string& name, std::uint32_t handle) {
    handles.by_id.try_emplace(name, handle);
    handles.next = std::max(handles.next, handle + 1);
  };
  for (const protocol::FastpathChannel& channel : running.fastpath.channels) take(channel.id, channel.handle);
  for (const protocol::FastpathMultiplex& multiplex : running.fastpath.multiplexes) {
    for (const protocol::MultiplexMemberState& member : multiplex.members)
      handles.places.try_emplace(multiplex.id + ':' + member.channel,
                                 Handles::Place{member.service_id, member.pid_block});
  }
  for (const protocol::RenditionState& rendition : running.bridge.renditions) {
    for (const protocol::RenditionMember& member : rendition.members) {
      if (member.derived) take(handle_name(rendition.id, member), member.handle);
    }
  }
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
