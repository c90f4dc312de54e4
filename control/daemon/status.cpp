#include <algorithm>
#include <array>
#include <functional>
#include <span>

#include "control/daemon/foreign.h"
#include "control/daemon/multiplex_status.h"
#include "control/daemon/pid_label.h"
#include "control/daemon/stream_health.h"
#include "control/daemon/transcode.h"
#include "control/daemon/view.h"

namespace headgate::control {
namespace {

using nlohmann::json;

json drops_json(const DropCounts& drops) {
  json result = json::array();
  for (std::size_t i = 0; i < drops.size(); ++i) {
    if (drops[i] == 0) continue;
    const auto& about = protocol::kDropReasons[i];
    result.push_back(
        {{"where", about.where}, {"reason", about.name}, {"count", drops[i]}, {"sentence", about.sentence}});
  }
  return result;
}

std::uint64_t sum(const DropCounts& drops) {
  std::uint64_t total = 0;
  for (const std::uint64_t count : drops) total += count;
  return total;
}

// "h264", "aac eng", "PAT"; "" where it is not known.
std::string what_is(const PidSnapshot& pid, const json& bridge) {
  if (const json* track = find_track(bridge, pid.pid)) {
    const std::string codec = track->value("codec", ""), language = track->value("language", "");
    std::string text = codec.empty() ? track->value("kind", "") : codec;
    if (!language.empty() && language != "und") text += " " + language;
    return text;
  }
  const std::string label = pid_label(pid, bridge);
  return label == "PCR" ? "" : label;  // the PCR has a mark of its own
}

// Since when a PID that came steadily is missing, by its last packet; null: it is not.
json gone_since(const GatewayView& view, const InputSnapshot& input, std::uint16_t pid) {
  const auto lately = view.recent->inputs.find({input.channel, input.number});
  if (lately == view.recent->inputs.end()) return nullptr;
  const auto& gone = lately->second.gone;
  const auto found =
      std::find_if(gone.begin(), gone.end(), [pid](const GonePid& one) { return one.pid == pid; });
  return found == gone.end() ? json() : json(found->last_unix_ns);
}

json input_json(const GatewayView& view, const InputSnapshot& input, const json& bridge) {
  json pids = json::array();
  for (const PidSnapshot& pid : input.pids)
    pids.push_back({{"pid", pid.pid},
                    {"what", what_is(pid, bridge)},
                    {"packets", pid.packets},
                    {"cc_errors", pid.cc_errors},
                    {"scrambled", pid.scrambled},
                    {"scrambled_now", pid.scrambled_now},
                    {"has_pcr", pid.has_pcr},
                    {"bitrate_bps", pid.bitrate_bps},
                    {"gone_since_unix_ns", gone_since(view, input, pid.pid)}});
  return {{"number", input.number},
          {"url", input.url},
          {"datagrams", input.datagrams},
          {"bytes", input.bytes},
          {"ts_packets", input.ts_packets},
          {"cc_errors", input.cc_errors},
          {"duplicates", input.duplicates},
          {"transport_errors", input.transport_errors},
          {"sync_errors", input.sync_errors},
          {"scrambled", input.scrambled},
          {"null_packets", input.null_packets},
          {"rtp_lost", input.rtp_lost},
          {"rtp_duplicates", input.rtp_duplicates},
          {"rtp_reordered", input.rtp_reordered},
          {"pcr_count", input.pcr_count},
          {"pcr_discontinuities", input.pcr_discontinuities},
          {"pcr_interval_max_ns", input.pcr_interval_max_ns},
          {"tr101290", tr101290_json(input.tr101290)},
          {"delivery", delivery_json(input.delivery)},
          {"scte35_cues", input.cues},
          {"media_lost", input.media_lost},
          {"last_packet_unix_ns", input.last_packet_unix_ns},
          {"first_packet_unix_ns", input.first_packet_unix_ns},
          {"joined_unix_ns", input.joined_unix_ns},
          {"bitrate_bps", input.bitrate_bps},
          {"ring_slots", input.ring_slots},
          {"program_number", input.program_number},
          {"drops", drops_json(input.drops)},
          {"services", services_json(input.services)},
          {"pids", pids},
          {"pids_beyond", input.pids_beyond}};
}

json left_out_json(const std::vector<LeftOut>& tracks) {
  json result = json::array();
  for (const LeftOut& track : tracks)
    result.push_back({{"pid", track.pid}, {"kind", track.kind}, {"reason", track.reason}});
  return result;
}

const char* kind_of(const config::Input& input) {
  switch (input.kind) {
    case config::InputKind::publish:
      return "publish";
    case config::InputKind::srt_caller:
      return "srt_caller";
    case config::InputKind::srt_listener:
      return "srt_listener";
    case config::InputKind::rtmp:
      return "rtmp";
    case config::InputKind::http_ts:
      return "http_ts";
    case config::InputKind::hls:
      return "hls";
    case config::InputKind::file:
      return "file";
    case config::InputKind::datagrams:
      break;
  }
  return input.protocol == config::DatagramProtocol::rtp ? "rtp" : "udp";
}

json way_json(const WayView& way) {
  return {{"state", way.state},
          {"error", way.error},
          {"since_unix_ns", way.since_unix_ns},
          {"connections", way.connections},
          {"bytes", way.bytes},
          {"left_out", left_out_json(way.left_out)}};
}

json source_json(const SourceView& source) {
  json out = way_json(source);
  out.update({{"peer", source.peer},
              {"packets", source.packets},
              {"drops", source.drops},
              {"details", source.details}});
  return out;
}

// What stands beside the counters of an input: its place in the channel, its buffer, and where it enters
// through the bridge what that says of it.
void add_way(const GatewayView& view, const config::Channel& channel, const config::Input& input,
             const InputSnapshot& counters, const std::vector<SourceView>& sources, json& out) {
  const ChannelHealth* health = view.monitor.find(channel.id);
  out["kind"] = kind_of(input);
  out["active"] = health != nullptr && health->active_input == input.number;
  out["troubles"] = json::array();
  for (std::size_t i = 0; i < config::kTroubleNames.size(); ++i) {
    if ((counters.troubles >> i & 1U) != 0) out["troubles"].push_back(config::kTroubleNames[i]);
  }
  out["buffer"] = nullptr;
  if (const auto buffer = config::buffer_of(channel, input); buffer.count() != 0)
    out["buffer"] = {{"configured_ms", buffer.count()},        {"level_ns", counters.buffer_level_ns},
                     {"packets", counters.buffer_packets},     {"underflows", counters.buffer_underflows},
                     {"overflows", counters.buffer_overflows}, {"clock_drift_ppb", counters.clock_drift_ppb}};
  out["source"] = nullptr;
  if (const SourceView* source = find_source(sources, input.number)) out["source"] = source_json(*source);
  if (config::closed(input))
    out["source"] = {{"state", "closed"}, {"error", "its passphrase or key file can't be read"}};
}

json inputs_json(const GatewayView& view, const config::Channel& channel, const json& bridge) {
  json inputs = json::array();
  const auto sources = sources_of(bridge);
  for (const config::Input& input : channel.inputs) {
    const auto seen = std::find_if(
        view.snapshot.inputs.begin(), view.snapshot.inputs.end(),
        [&](const auto& entry) { return entry.number == input.number && is_input_of(channel, entry); });
    InputSnapshot counters;
    if (seen != view.snapshot.inputs.end()) {
      counters = *seen;
    } else if (!config::by_bridge(input) || !channel.enabled) {
      continue;  // the fast path has not this one
    }
    counters.number = input.number;
    counters.url = input.url;
    json entry = input_json(view, counters, bridge);
    add_way(view, channel, input, counters, sources, entry);
    inputs.push_back(std::move(entry));
  }
  return inputs;
}

// How many paced departures were at most so late, null for the bound that is none; null for a channel that
// does not pace.
json departures_json(const ChannelSnapshot& air) {
  json classes = json::array();
  std::uint64_t within = 0;
  for (std::size_t i = 0; i < air.departures.size(); ++i) {
    within += air.departures[i];
    const bool bound = i < protocol::kDepartureBounds.size();
    classes.push_back(
        {{"late_ns", bound ? json(protocol::kDepartureBounds[i]) : json()}, {"within", within}});
  }
  return within == 0 ? json() : classes;
}

// Null for a channel whose packets pass neither switch nor buffer nor rate.
json switch_json(const GatewayView& view, const std::string& id) {
  const ChannelSnapshot* air = find_channel(view.snapshot, id);
  if (air == nullptr) return nullptr;
  return {{"on_air", air->on_air},
          {"wanted", air->wanted},
          {"forced", air->forced},
          {"switched_unix_ns", air->switched_unix_ns},
          {"switches", air->switches},
          {"hard_switches", air->hard_switches},
          {"filler_packets", air->filler_packets},
          {"left_out", air->left_out},
          {"null_packets", air->null_packets},
          {"rate_dropped", air->rate_dropped},
          {"crowded", air->crowded},
          {"departure_late_max_ns", air->departure_late_max_ns},
          {"departures", departures_json(*air)}};
}

// Null in `tr101290`: it relays. A rate that nobody set is null, too.
json output_json(const OutputSnapshot& output, std::uint64_t nominal_bps) {
  const bool own = output.tr101290.judged != 0;
  return {{"url", output.url},
          {"kind", output.url.starts_with("rtp") ? "rtp" : "udp"},
          {"datagrams", output.datagrams},
          {"bytes", output.bytes},
          {"ts_packets", output.ts_packets},
          {"bitrate_bps", output.bitrate_bps},
          {"nominal_bitrate_bps", nominal_bps != 0 ? json(nominal_bps) : json()},
          {"tr101290", own ? tr101290_json(output.tr101290) : json()},
          {"last_packet_unix_ns", output.last_packet_unix_ns},
          {"drops", drops_json(output.drops)}};
}

// Pushes that the bridge sends, as it tells of them.
void add_bridge_pushes(const GatewayView& view, const config::Channel& channel, const json& bridge,
                       json& out) {
  const auto pushes = pushes_of(bridge);
  for (const config::Push& wanted : channel.push) {
    if (!channel.enabled || !wanted.enabled || !config::by_bridge(wanted)) continue;
    const auto found =
        std::find_if(pushes.begin(), pushes.end(), [&](const auto& push) { return push.url == wanted.url; });
    PushView push;
    push.state = "unknown";
    if (found != pushes.end()) push = *found;
    if (config::closed(wanted)) {
      push.state = "closed";
      push.error = "its key or passphrase file can't be read";
    }
    json entry = way_json(push);
    entry.update({{"url", wanted.url},
                  {"kind", wanted.kind == config::PushKind::srt ? "srt" : "rtmp"},
                  {"failures", push.failures},
                  {"bitrate_bps", nullptr},
                  {"skipped", push.skipped}});
    const auto rate = view.output_bitrates.find({channel.id, wanted.url});
    if (rate != view.output_bitrates.end()) entry["bitrate_bps"] = rate->second;
    out.push_back(std::move(entry));
  }
}

json serve_json(const GatewayView& view, const config::Channel& channel) {
  json result = json::array();
  for (const ServedOutput& output :
       served_outputs(view.model->node, channel, bridge_channel(view, channel.id))) {
    json entry = {{"protocol", output.protocol}, {"addresses", output.addresses},
                  {"passphrase", nullptr},       {"closed", nullptr},
                  {"sessions", nullptr},         {"bytes", nullptr},
                  {"bitrate_bps", nullptr},      {"left_out", left_out_json(output.left_out)}};
    if (!output.passphrase.empty()) entry["passphrase"] = output.passphrase;
    if (!output.closed.empty()) entry["closed"] = output.closed;
    if (output.sessions) entry["sessions"] = *output.sessions;
    if (output.bytes) entry["bytes"] = *output.bytes;
    const auto rate = view.output_bitrates.find({channel.id, output.protocol});
    if (rate != view.output_bitrates.end()) entry["bitrate_bps"] = rate->second;
    result.push_back(std::move(entry));
  }
  return result;
}

json network_json(const NetworkSnapshot& network) {
  return {{"interface", network.interface},       {"vlan", network.vlan},
          {"igmp_version", network.igmp_version}, {"last_query_unix_ns", network.last_query_unix_ns},
          {"queries", network.queries},           {"last_report_unix_ns", network.last_report_unix_ns},
          {"reports", network.reports},           {"groups", network.groups}};
}

json interfaces_json(const Snapshot& snapshot, const std::function<bool(const std::string&)>& wanted) {
  json result = json::array();
  for (const InterfaceSnapshot& interface : snapshot.interfaces) {
    if (!wanted(interface.name)) continue;
    json networks = json::array();
    for (const NetworkSnapshot& network : snapshot.networks) {
      if (network.interface == interface.name) networks.push_back(network_json(network));
    }
    result.push_back({{"name", interface.name},
                      {"device", interface.device},
                      {"mac", interface.mac},
                      {"link_up", interface.link_up},
                      {"rx_packets", interface.rx_packets},
                      {"rx_bytes", interface.rx_bytes},
                      {"tx_packets", interface.tx_packets},
                      {"tx_bytes", interface.tx_bytes},
                      {"drops", drops_json(interface.drops)},
                      {"networks", networks}});
  }
  return result;
}

json processes_json(const GatewayView& view) {
  json result = json::array();
  for (const ProcessView& entry : view.processes)
    result.push_back({{"name", entry.process.name},
                      {"state", entry.process.state},
                      {"pid", entry.process.pid},
                      {"deaths", entry.process.deaths},
                      {"started_unix_ns", entry.process.started_unix_ns},
                      {"crash_loop", entry.process.crash_loop},
                      {"answers", entry.answers},
                      {"generation", entry.generation},
                      {"version", entry.version}});
  return result;
}

json alarms_json(const std::vector<Alarm>& alarms) {
  json result = json::array();
  for (const Alarm& alarm : alarms) result.push_back(alarm_json(alarm));
  return result;
}

json webhook_json(const std::optional<WebhookView>& webhook) {
  if (!webhook) return nullptr;
  return {{"waiting", webhook->waiting},
          {"delivered", webhook->delivered},
          {"failed", webhook->failed},
          {"dropped", webhook->dropped},
          {"error", webhook->error}};
}

json map_json(const GatewayView& view) {
  json map = {{"generation", view.generation},   {"differs", view.map_differs},
              {"files_valid", view.files_valid}, {"number", nullptr},
              {"applied_unix_ns", nullptr},      {"applied_by", nullptr}};
  if (view.applied) {
    map["number"] = view.applied->number;
    map["applied_unix_ns"] = view.applied->unix_ns;
    map["applied_by"] = view.applied->who;
  }
  return map;
}

using Sessions = std::map<std::string, std::uint64_t>;  // by protocol

Sessions sessions_of_channel(const GatewayView& view, const config::Channel& channel) {
  Sessions result;
  const json& told = foreign::channel(view.bridge_status, channel.id);
  for (const ServedOutput& output : counted_outputs(channel, told)) {
    if (output.sessions) result[output.protocol] = *output.sessions;
  }
  return result;
}

std::optional<std::uint64_t> sum_of(const Sessions& sessions) {
  if (sessions.empty()) return std::nullopt;
  std::uint64_t sum = 0;
  for (const auto& [protocol, count] : sessions) sum += count;
  return sum;
}

// Of the input on air by priority; null where nothing is judged (yet).
json indicators_of_minute(const GatewayView& view, const config::Channel& channel, std::uint32_t on_air) {
  const auto input = view.recent->inputs.find({channel.id, on_air});
  if (input == view.recent->inputs.end() || input->second.indicators.judged == 0) return nullptr;
  std::array<std::uint64_t, 3> errors{};
  for (const mpegts::IndicatorInfo& info : mpegts::kIndicators)
    errors[info.priority - 1U] += input->second.indicators.errors[info.indicator];
  return {{"first", errors[0]}, {"second", errors[1]}, {"third", errors[2]}};
}

// One line of the table.
json channel_line(const GatewayView& view, const SnapshotIndex& seen, const config::Channel& channel) {
  const ChannelHealth* health = view.monitor.find(channel.id);
  const ChannelHealth unknown{ChannelState::down, "not sampled yet", view.now_unix_ns, 0};
  const ChannelHealth& now = health != nullptr ? *health : unknown;
  json line = {{"id", channel.id},           {"name", channel.name},
               {"tags", channel.tags},       {"number", nullptr},
               {"enabled", channel.enabled}, {"state", to_string(now.state)},
               {"reason", now.reason},       {"since_unix_ns", now.since_unix_ns},
               {"input", nullptr},           {"viewers", nullptr},
               {"forced", nullptr},          {"inputs_count", channel.inputs.size()}};
  if (const ChannelSnapshot* air = seen.channel(channel.id); air != nullptr && air->forced != 0)
    line["forced"] = air->forced;
  if (channel.number) line["number"] = *channel.number;
  if (now.active_input != 0) line["input"] = now.active_input;
  std::uint64_t bitrate = 0, cc_errors = 0, drops = 0, outputs = 0;
  for (const InputSnapshot* each : seen.inputs(channel.id)) {
    const InputSnapshot& input = *each;
    if (!is_input_of(channel, input)) continue;
    const bool flows = now.state != ChannelState::down && now.state != ChannelState::waiting;
    if (flows && (now.active_input == 0 || now.active_input == input.number)) bitrate += input.bitrate_bps;
    cc_errors += input.cc_errors;
    drops += sum(input.drops);
  }
  for (const config::Push& push : channel.push) outputs += channel.enabled && push.enabled ? 1U : 0U;
  line["tr101290_minute"] = indicators_of_minute(view, channel, now.active_input);
  line["bitrate_bps"] = bitrate;
  line["cc_errors"] = cc_errors;
  line["drops"] = drops;
  line["outputs"] = outputs;
  line["serves"] = config::served(channel);
  if (const auto sessions = sum_of(sessions_of_channel(view, channel))) line["viewers"] = *sessions;
  return line;
}

// The bridge knows the tracks of the last PMT that it read: those of an input that was are not shown.
json bridge_of_input(const GatewayView& view, const config::Channel& channel) {
  json bridge = bridge_channel(view, channel.id);
  const ChannelHealth* health = view.monitor.find(channel.id);
  if (health == nullptr || !bridge.is_object() || !bridge.contains("tracks") ||
      !(health->nothing_came || health->input_changed))
    return bridge;
  const auto seen = [&](const json& track) {
    return std::any_of(
        view.snapshot.inputs.begin(), view.snapshot.inputs.end(), [&](const InputSnapshot& input) {
          return is_input_of(channel, input) &&
                 (input.pids_beyond != 0 ||
                  std::any_of(input.pids.begin(), input.pids.end(),
                              [&](const PidSnapshot& pid) { return pid.pid == track.value("pid", -1); }));
        });
  };
  json tracks = json::array();
  for (const json& track : bridge["tracks"]) {
    if (!health->nothing_came && track.is_object() && seen(track)) tracks.push_back(track);
  }
  bridge["tracks"] = tracks;
  return bridge;
}

json with_pushes(json line, const config::Multiplex& multiplex,
                 std::span<const OutputSnapshot* const> outputs) {
  for (const OutputSnapshot* output : outputs)
    line["push"].push_back(output_json(*output, multiplex.bitrate));
  return line;
}

json multiplexes_json(const GatewayView& view, const SnapshotIndex& seen) {
  json result = json::array();
  for (const config::Multiplex& multiplex : view.model->multiplexes)
    result.push_back(
        with_pushes(multiplex_line(view, seen, multiplex), multiplex, seen.outputs(multiplex.id)));
  return result;
}

int badness(const json& line) {
  const auto state = line["state"].get<std::string>();
  if (state == "down") return 0;
  if (state == "degraded") return 1;
  if (state == "backup") return 2;
  if (state == "waiting") return 3;
  return state == "ok" ? 4 : 5;
}

}  // namespace

json alarm_json(const Alarm& alarm) {
  const auto* kind = catalogue::find_alarm_kind(alarm.kind);
  json by = nullptr, cause = nullptr, over = nullptr;
  if (alarm.over_since_unix_ns != 0) over = alarm.over_since_unix_ns;
  if (alarm.acknowledged) by = {{"who", alarm.acknowledged->who}, {"unix_ns", alarm.acknowledged->unix_ns}};
  if (alarm.cause != 0) cause = alarm.cause;
  return {{"id", alarm.id},
          {"kind", alarm.kind},
          {"severity", catalogue::to_string(alarm.severity)},
          {"subject", alarm.subject},
          {"channel", alarm.channel},
          {"message", alarm.message},
          {"sentence", kind == nullptr ? "" : kind->sentence},
          {"remedy", kind == nullptr ? "" : catalogue::remedy_for(*kind, alarm.channel)},
          {"since_unix_ns", alarm.since_unix_ns},
          {"over_since_unix_ns", over},
          {"acknowledged", by},
          {"maintenance", alarm.maintenance},
          {"cause", cause},
          {"consequences", alarm.consequences}};
}

json bridge_channel(const GatewayView& view, const std::string& channel) {
  return foreign::channel(view.bridge_status, channel);
}

Sessions sessions_by_output(const GatewayView& view, const std::string& id) {
  const auto& channels = view.model->channels;
  const auto channel =
      std::find_if(channels.begin(), channels.end(), [&](const auto& entry) { return entry.id == id; });
  return channel == channels.end() ? Sessions() : sessions_of_channel(view, *channel);
}

std::optional<std::uint64_t> sessions_of(const GatewayView& view, const std::string& channel) {
  return sum_of(sessions_by_output(view, channel));
}

json gateway_status(const GatewayView& view) {
  std::vector<json> lines;
  const SnapshotIndex seen(view.snapshot);
  for (const config::Channel& channel : view.model->channels)
    lines.push_back(channel_line(view, seen, channel));
  std::stable_sort(lines.begin(), lines.end(),
                   [](const json& a, const json& b) { return badness(a) < badness(b); });
  return {{"node", view.model->node.node},
          {"version", view.version},
          {"now_unix_ns", view.now_unix_ns},
          {"ready", view.ready},
          {"map", map_json(view)},
          {"alarms", alarms_json(view.alarms)},
          {"webhook", webhook_json(view.webhook)},
          {"processes", processes_json(view)},
          {"interfaces", interfaces_json(view.snapshot, [](const std::string&) { return true; })},
          {"channels", lines},
          {"multiplexes", multiplexes_json(view, seen)}};
}

json multiplex_status(const GatewayView& view, const std::string& id) {
  const config::Multiplex* multiplex = find_multiplex(*view.model, id);
  if (multiplex == nullptr) return nullptr;
  const SnapshotIndex seen(view.snapshot);
  json result = with_pushes(multiplex_line(view, seen, *multiplex), *multiplex, seen.outputs(id));
  result["now_unix_ns"] = view.now_unix_ns;
  result["transport_stream_id"] = multiplex->transport_stream_id;
  result["network_id"] = multiplex->network_id;
  result["original_network_id"] = multiplex->original_network_id;
  result["members"] = multiplex_members(view, seen, *multiplex);
  result["switch"] = switch_json(view, id);
  return result;
}

json channel_status(const GatewayView& view, const std::string& id) {
  const auto& channels = view.model->channels;
  const auto channel =
      std::find_if(channels.begin(), channels.end(), [&](const auto& entry) { return entry.id == id; });
  if (channel == channels.end()) return nullptr;
  json outputs = json::array();
  const json bridge = bridge_of_input(view, *channel);
  for (const OutputSnapshot& output : view.snapshot.outputs) {
    if (output.channel == id) outputs.push_back(output_json(output, channel->remux.bitrate));
  }
  add_bridge_pushes(view, *channel, bridge, outputs);
  json result = channel_line(view, view.snapshot, *channel);
  result["now_unix_ns"] = view.now_unix_ns;
  result["inputs"] = inputs_json(view, *channel, bridge);
  result["switch"] = switch_json(view, id);
  result["push"] = outputs;
  result["multiplexes"] = multiplexes_of(view, id);
  result["serve"] = serve_json(view, *channel);
  result["bridge"] = bridge;
  result["sound_worker"] = sound_worker(view.transcode_status, id);
  json networks = json::array();
  for (const NetworkSnapshot& network : view.snapshot.networks) {
    const bool taken_in =
        std::any_of(channel->inputs.begin(), channel->inputs.end(), [&](const config::Input& input) {
          return input.interface == network.interface && input.vlan == network.vlan;
        });
    if (taken_in) networks.push_back(network_json(network));
  }
  result["networks"] = networks;
  result["interfaces"] = interfaces_json(view.snapshot, [&](const std::string& name) {
    return std::any_of(channel->inputs.begin(), channel->inputs.end(),
                       [&](const config::Input& input) { return input.interface == name; });
  });
  result["processes"] = processes_json(view);
  return result;
}

}  // namespace headgate::control
