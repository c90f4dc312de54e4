#include "control/protocol/state.h"

#include "control/protocol/state_members.h"

namespace headgate::protocol {
namespace {

using nlohmann::json;

constexpr std::pair<DatagramProtocol, std::string_view> kProtocols[] = {{DatagramProtocol::udp, "udp"},
                                                                        {DatagramProtocol::rtp, "rtp"}};
constexpr std::pair<InputWay, std::string_view> kWays[] = {{InputWay::datagrams, "datagrams"},
                                                           {InputWay::bridge, "bridge"}};
constexpr std::pair<Trouble, std::string_view> kTroubleNames[] = {
    {Trouble::no_data, "no_data"}, {Trouble::sync, "sync"},
    {Trouble::cc, "cc"},           {Trouble::pat, "pat"},
    {Trouble::pmt, "pmt"},         {Trouble::pcr, "pcr"},
    {Trouble::pid, "pid"},         {Trouble::scrambled, "scrambled"},
    {Trouble::bitrate, "bitrate"}, {Trouble::frozen, "frozen"},
    {Trouble::black, "black"},     {Trouble::silence, "silence"}};
static_assert(std::size(kTroubleNames) == kTroubles);
constexpr std::pair<IgmpMode, std::string_view> kIgmpModes[] = {
    {IgmpMode::automatic, "automatic"}, {IgmpMode::v1, "v1"}, {IgmpMode::v2, "v2"}, {IgmpMode::v3, "v3"}};
constexpr std::pair<HugepageMode, std::string_view> kHugepageModes[] = {
    {HugepageMode::automatic, "automatic"},
    {HugepageMode::required, "required"},
    {HugepageMode::never, "never"}};
constexpr std::pair<IdleMode, std::string_view> kIdleModes[] = {{IdleMode::adaptive, "adaptive"},
                                                                {IdleMode::poll, "poll"}};
constexpr std::pair<CaHandling, std::string_view> kCaHandlings[] = {
    {CaHandling::ecm, "ecm"}, {CaHandling::keep, "keep"}, {CaHandling::drop, "drop"}};
constexpr std::uint16_t kMaxPid = 0x1FFE;
constexpr std::uint16_t kMaxVlan = 4094;
constexpr std::uint8_t kMaxDscp = 63;
constexpr std::uint32_t kMaxBufferMs = 60'000;
json write(const VlanState& s) { return {{"id", s.id}, {"addresses", s.addresses}}; }

json write(const InterfaceState& s) {
  json vlans = json::array();
  for (const VlanState& vlan : s.vlans) vlans.push_back(write(vlan));
  return {{"name", s.name}, {"device", s.device},      {"mtu", s.mtu}, {"igmp", name_of(s.igmp, kIgmpModes)},
          {"vlans", vlans}, {"addresses", s.addresses}};
}

json write(const InputState& s) {
  return {{"number", s.number},
          {"url", s.url},
          {"way", name_of(s.way, kWays)},
          {"program", program_json(s.program)},
          {"buffer_ms", s.buffer_ms},
          {"protocol", name_of(s.protocol, kProtocols)},
          {"interface", s.interface},
          {"vlan", s.vlan},
          {"group", s.group},
          {"source", s.source},
          {"port", s.port}};
}

json write(const FailoverState& s) {
  json when = json::array();
  for (const Trouble trouble : s.when) when.push_back(name_of(trouble, kTroubleNames));
  return {{"after_ms", s.after_ms}, {"hold_ms", s.hold_ms}, {"back", s.back}, {"when", when}};
}

json write(const OutputState& s) {
  return {{"url", s.url},   {"protocol", name_of(s.protocol, kProtocols)},
          {"vlan", s.vlan}, {"interface", s.interface},
          {"ttl", s.ttl},   {"group", s.group},
          {"port", s.port}, {"dscp", s.dscp}};
}

json write(const std::optional<RemuxState>& s) {
  if (!s) return nullptr;
  json pids = json::array();
  for (const PidRule& rule : s->pids)
    pids.push_back({{"role", rule.role}, {"pid", rule.pid}, {"to", rule.to}});
  return {{"service_id", s->service_id},
          {"ca", name_of(s->ca, kCaHandlings)},
          {"pids", pids},
          {"provider", s->provider},
          {"name", s->name}};
}

json write(const FastpathChannel& s) {
  json inputs = json::array();
  for (const InputState& input : s.inputs) inputs.push_back(write(input));
  json outputs = json::array();
  for (const OutputState& output : s.outputs) outputs.push_back(write(output));
  return {{"id", s.id},
          {"handle", s.handle},
          {"to_bridge", s.to_bridge},
          {"failover", write(s.failover)},
          {"forced_input", s.forced_input},
          {"bitrate_bps", s.bitrate_bps},
          {"inputs", inputs},
          {"outputs", outputs},
          {"watch_standby", s.watch_standby},
          {"remux", write(s.remux)}};
}

json write(const MultiplexMemberState& s) {
  return {{"channel", s.channel},    {"service_id", s.service_id}, {"pid_block", s.pid_block},
          {"name", s.name},          {"provider", s.provider},     {"number", s.number},
          {"share_bps", s.share_bps}};
}

json write(const FastpathMultiplex& s) {
  json members = json::array();
  for (const MultiplexMemberState& member : s.members) members.push_back(write(member));
  json outputs = json::array();
  for (const OutputState& output : s.outputs) outputs.push_back(write(output));
  return {{"id", s.id},
          {"transport_stream_id", s.transport_stream_id},
          {"network_id", s.network_id},
          {"original_network_id", s.original_network_id},
          {"bitrate_bps", s.bitrate_bps},
          {"lcn", s.lcn},
          {"members", members},
          {"outputs", outputs}};
}

VlanState read_vlan(const json& value, const std::string& path) {
  const Members members(value, path, {"id", "addresses"});
  VlanState s;
  members.read("id", s.id, kMaxVlan);
  members.read_list("addresses", s.addresses, Members::string);
  return s;
}

InterfaceState read_interface(const json& value, const std::string& path) {
  const Members members(value, path, {"name", "device", "mtu", "igmp", "vlans", "addresses"});
  InterfaceState s;
  members.read("name", s.name);
  members.read("device", s.device);
  members.read("mtu", s.mtu);
  members.read("igmp", s.igmp, kIgmpModes);
  members.read_list("vlans", s.vlans, read_vlan);
  members.read_list("addresses", s.addresses, Members::string);
  return s;
}

InputState read_input(const json& value, const std::string& path) {
  const Members members(value, path,
                        {"number", "url", "way", "program", "buffer_ms", "protocol", "interface", "vlan",
                         "group", "source", "port"});
  InputState s;
  members.read("number", s.number);
  members.read("url", s.url);
  members.read("way", s.way, kWays);
  s.program = read_program(members);
  members.read("buffer_ms", s.buffer_ms, kMaxBufferMs);
  members.read("protocol", s.protocol, kProtocols);
  members.read("interface", s.interface);
  members.read("vlan", s.vlan, kMaxVlan);
  members.read("group", s.group);
  members.read("source", s.source);
  members.read("port", s.port);
  return s;
}

OutputState read_output(const json& value, const std::string& path) {
  const Members members(value, path,
                        {"url", "protocol", "interface", "vlan", "group", "port", "ttl", "dscp"});
  OutputState s;
  members.read("url", s.url);
  members.read("protocol", s.protocol, kProtocols);
  members.read("interface", s.interface);
  members.read("vlan", s.vlan, kMaxVlan);
  members.read("group", s.group);
  members.read("port", s.port);
  members.read("ttl", s.ttl);
  members.read("dscp", s.dscp, kMaxDscp);
  return s;
}

Trouble read_trouble(const json& value, const std::string& path) {
  const std::string name = Members::string(value, path);
  for (const auto& [trouble, label] : kTroubleNames) {
    if (label == name) return trouble;
  }
  fail(path, "names no trouble");
}

FailoverState read_failover(const json& value, const std::string& path) {
  const Members members(value, path, {"after_ms", "hold_ms", "back", "when"});
  FailoverState s;
  members.read("after_ms", s.after_ms, kMaxFailoverMs);
  members.read("hold_ms", s.hold_ms, kMaxFailoverMs);
  members.read("back", s.back);
  s.when.clear();
  members.read_list("when", s.when, read_trouble);
  return s;
}

PidRule read_pid_rule(const json& value, const std::string& path) {
  const Members members(value, path, {"role", "pid", "to"});
  PidRule s;
  members.read("role", s.role);
  members.read("pid", s.pid, kMaxPid);
  members.read("to", s.to, kMaxPid);
  return s;
}

std::optional<RemuxState> read_remux(const json& value, const std::string& path) {
  if (value.is_null()) return std::nullopt;
  const Members members(value, path, {"service_id", "ca", "pids", "provider", "name"});
  RemuxState s;
  members.read("service_id", s.service_id);
  members.read("ca", s.ca, kCaHandlings);
  members.read_list("pids", s.pids, read_pid_rule);
  members.read("provider", s.provider);
  members.read("name", s.name);
  return s;
}

FastpathChannel read_fastpath_channel(const json& value, const std::string& path) {
  const Members members(value, path,
                        {"id", "handle", "to_bridge", "failover", "forced_input", "bitrate_bps", "inputs",
                         "outputs", "watch_standby", "remux"});
  FastpathChannel s;
  s.id = read_id(members);
  members.read("handle", s.handle);
  members.read("to_bridge", s.to_bridge);
  s.failover = read_failover(members.get("failover"), members.at("failover"));
  members.read("forced_input", s.forced_input);
  members.read("bitrate_bps", s.bitrate_bps);
  members.read_list("inputs", s.inputs, read_input);
  members.read_list("outputs", s.outputs, read_output);
  members.read("watch_standby", s.watch_standby);
  s.remux = read_remux(members.get("remux"), members.at("remux"));
  return s;
}

MultiplexMemberState read_multiplex_member(const json& value, const std::string& path) {
  const Members members(value, path,
                        {"channel", "service_id", "pid_block", "name", "provider", "number", "share_bps"});
  MultiplexMemberState s;
  members.read("channel", s.channel);
  members.read("service_id", s.service_id);
  members.read("pid_block", s.pid_block);
  members.read("name", s.name);
  members.read("provider", s.provider);
  members.read("number", s.number);
  members.read("share_bps", s.share_bps);
  return s;
}

FastpathMultiplex read_multiplex(const json& value, const std::string& path) {
  const Members members(value, path,
                        {"id", "transport_stream_id", "network_id", "original_network_id", "bitrate_bps",
                         "lcn", "members", "outputs"});
  FastpathMultiplex s;
  s.id = read_id(members);
  members.read("transport_stream_id", s.transport_stream_id);
  members.read("network_id", s.network_id);
  members.read("original_network_id", s.original_network_id);
  members.read("bitrate_bps", s.bitrate_bps);
  members.read("lcn", s.lcn);
  members.read_list("members", s.members, read_multiplex_member);
  members.read_list("outputs", s.outputs, read_output);
  return s;
}

FastpathState read_fastpath(const json& value) {
  const Members members(value, "",
                        {"version", "generation", "node", "hugepages", "idle", "cores", "log_level",
                         "log_format", "interfaces", "channels", "multiplexes"});
  FastpathState s;
  members.read("generation", s.generation);
  members.read("node", s.node);
  members.read("hugepages", s.hugepages, kHugepageModes);
  members.read("idle", s.idle, kIdleModes);
  members.read_list("cores", s.cores, [](const json& core, const std::string& path) {
    return Members::number<std::uint32_t>(core, path);
  });
  members.read("log_level", s.log_level);
  members.read("log_format", s.log_format);
  members.read_list("interfaces", s.interfaces, read_interface);
  members.read_list("channels", s.channels, read_fastpath_channel);
  members.read_list("multiplexes", s.multiplexes, read_multiplex);
  return s;
}

TranscodeState read_transcode(const json& value) {
  const Members members(value, "", {"version", "generation", "log_level", "log_format"});
  TranscodeState s;
  members.read("generation", s.generation);
  members.read("log_level", s.log_level);
  members.read("log_format", s.log_format);
  return s;
}

}  // namespace

std::string to_json(const FastpathState& s) {
  json interfaces = json::array();
  for (const InterfaceState& interface : s.interfaces) interfaces.push_back(write(interface));
  json channels = json::array();
  for (const FastpathChannel& channel : s.channels) channels.push_back(write(channel));
  json multiplexes = json::array();
  for (const FastpathMultiplex& multiplex : s.multiplexes) multiplexes.push_back(write(multiplex));
  return dump({{"version", kStateVersion},
               {"generation", s.generation},
               {"node", s.node},
               {"hugepages", name_of(s.hugepages, kHugepageModes)},
               {"idle", name_of(s.idle, kIdleModes)},
               {"cores", s.cores},
               {"log_level", s.log_level},
               {"log_format", s.log_format},
               {"interfaces", interfaces},
               {"channels", channels},
               {"multiplexes", multiplexes}},
              1) +
         "\n";
}

std::string to_json(const TranscodeState& s) {
  return dump({{"version", kStateVersion},
               {"generation", s.generation},
               {"log_level", s.log_level},
               {"log_format", s.log_format}},
              1) +
         "\n";
}

tl::expected<FastpathState, std::string> parse_fastpath_state(const std::string& text) {
  return parse_state<FastpathState>(text, read_fastpath);
}

tl::expected<TranscodeState, std::string> parse_transcode_state(const std::string& text) {
  return parse_state<TranscodeState>(text, read_transcode);
}

}  // namespace headgate::protocol
