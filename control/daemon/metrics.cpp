#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "control/daemon/foreign.h"
#include "control/daemon/transcode.h"
#include "control/daemon/view.h"
#include "control/daemon/watched.h"
#include "control/protocol/bridge_drops.h"

namespace headgate::control {
namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

// The text format of Prometheus, version 0.0.4: HELP and TYPE once, then all samples of a name together.
class Writer {
 public:
  void family(const std::string& name, const char* type, const char* help) {
    name_ = name;
    text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
  }
  template <typename Value>
  void sample(const Labels& labels, Value value, const char* suffix = "") {
    text_ += name_;
    text_ += suffix;
    for (std::size_t i = 0; i < labels.size(); ++i)
      text_ += fmt::format("{}{}=\"{}\"", i == 0 ? "{" : ",", labels[i].first, escaped(labels[i].second));
    if (!labels.empty()) text_ += "}";
    text_ += fmt::format(" {}\n", value);
  }
  std::string take() { return std::move(text_); }

 private:
  static std::string escaped(const std::string& from) {
    std::string to;
    for (const char c : from) {
      if (c == '\\' || c == '"') to += '\\';
      if (c == '\n')
        to += "\\n";
      else
        to += c;
    }
    return to;
  }
  std::string name_;
  std::string text_;
};

double seconds(std::uint64_t unix_ns) { return static_cast<double>(unix_ns) / 1e9; }

// Each is counted once: who acts on what is open misses nothing.
const char* standing(const Alarm& alarm) {
  if (alarm.maintenance) return "maintenance";
  if (alarm.cause != 0) return "consequence";
  return alarm.acknowledged ? "acknowledged" : "open";
}

void about_alarms(Writer& out, const std::vector<Alarm>& alarms) {
  out.family("headgate_alarms", "gauge",
             "Active alarms: open, acknowledged, explained by another, or of what is in maintenance.");
  for (const auto severity : {catalogue::Severity::warning, catalogue::Severity::critical}) {
    for (const std::string_view state : {"open", "acknowledged", "consequence", "maintenance"}) {
      const auto count = std::count_if(alarms.begin(), alarms.end(), [&](const Alarm& alarm) {
        return alarm.severity == severity && standing(alarm) == state;
      });
      out.sample({{"severity", std::string(to_string(severity))}, {"state", std::string(state)}},
                 static_cast<std::uint64_t>(count));
    }
  }
  std::set<std::pair<std::string, std::string>> active;
  for (const Alarm& alarm : alarms) active.emplace(alarm.kind, alarm.channel);
  out.family("headgate_alarm", "gauge", "1 for each kind of alarm that is active, by channel.");
  for (const auto& [kind, channel] : active) out.sample({{"kind", kind}, {"channel", channel}}, 1);
}

void about_gateway(Writer& out, const GatewayView& view) {
  out.family("headgate_build_info", "gauge", "Version of the gateway; always 1.");
  out.sample({{"version", view.version}, {"node", view.model->node.node}}, 1);
  out.family("headgate_map_differs", "gauge", "1 while the files differ from the running channel map.");
  out.sample({}, view.map_differs ? 1 : 0);
  out.family("headgate_map_files_valid", "gauge", "0 while the files on disk have errors.");
  out.sample({}, view.files_valid ? 1 : 0);
  out.family("headgate_ready", "gauge", "1 when control, fast path and bridge run the applied map.");
  out.sample({}, view.ready ? 1 : 0);
  about_alarms(out, view.alarms);
  out.family("headgate_process_up", "gauge", "1 while the process runs and answers.");
  for (const ProcessView& entry : view.processes)
    out.sample({{"process", entry.process.name}}, entry.answers ? 1 : 0);
  out.family("headgate_process_deaths_total", "counter",
             "Unexpected ends of a process that the launcher saw.");
  for (const ProcessView& entry : view.processes)
    out.sample({{"process", entry.process.name}}, entry.process.deaths);
  out.family("headgate_process_crash_loop", "gauge",
             "1 while the launcher pauses between the starts of a process.");
  for (const ProcessView& entry : view.processes)
    out.sample({{"process", entry.process.name}}, entry.process.crash_loop ? 1 : 0);
  out.family("headgate_process_start_timestamp_seconds", "gauge",
             "Start or adoption of a process that runs.");
  for (const ProcessView& entry : view.processes) {
    if (entry.process.pid != 0)
      out.sample({{"process", entry.process.name}},
                 seconds(static_cast<std::uint64_t>(entry.process.started_unix_ns)));
  }
}

// Of channels that pace, or did.
void about_departures(Writer& out, const Snapshot& snapshot) {
  out.family("headgate_departure_late_seconds", "histogram",
             "How long after its time a paced datagram was with its port.");
  for (const ChannelSnapshot& channel : snapshot.channels) {
    std::uint64_t count = 0;
    for (const std::uint64_t departures : channel.departures) count += departures;
    if (count == 0) continue;
    std::uint64_t within = 0;
    for (std::size_t i = 0; i < protocol::kDepartureBounds.size(); ++i) {
      within += channel.departures[i];
      out.sample(
          {{"channel", channel.channel}, {"le", fmt::format("{}", seconds(protocol::kDepartureBounds[i]))}},
          within, "_bucket");
    }
    out.sample({{"channel", channel.channel}, {"le", "+Inf"}}, count, "_bucket");
    out.sample({{"channel", channel.channel}}, seconds(channel.departure_late_ns), "_sum");
    out.sample({{"channel", channel.channel}}, count, "_count");
  }
}

void about_channels(Writer& out, const GatewayView& view) {
  out.family("headgate_channel_state", "gauge", "1 for the state that the channel is in, 0 for the others.");
  for (const config::Channel& channel : view.model->channels) {
    const ChannelHealth* health = view.monitor.find(channel.id);
    for (const ChannelState state : kChannelStates)
      out.sample({{"channel", channel.id}, {"state", to_string(state)}},
                 health != nullptr && health->state == state ? 1 : 0);
  }
  out.family("headgate_input_active", "gauge", "1 for the input in use.");
  for (const config::Channel& channel : view.model->channels) {
    const ChannelHealth* health = view.monitor.find(channel.id);
    for (const config::Input& input : channel.inputs)
      out.sample({{"channel", channel.id}, {"input", std::to_string(input.number)}},
                 health != nullptr && health->active_input == input.number ? 1 : 0);
  }
  out.family("headgate_failovers_total", "counter",
             "Changes of the input on air, since the fast path began.");
  for (const ChannelSnapshot& channel : view.snapshot.channels)
    out.sample({{"channel", channel.channel}}, channel.switches);
  out.family("headgate_input_forced", "gauge", "Number of the input that the operator forces; 0: automatic.");
  for (const ChannelSnapshot& channel : view.snapshot.channels)
    out.sample({{"channel", channel.channel}}, channel.forced);
  out.family("headgate_null_packets_total", "counter",
             "Null packets put in for a constant rate (remux.bitrate).");
  for (const ChannelSnapshot& channel : view.snapshot.channels)
    out.sample({{"channel", channel.channel}}, channel.null_packets);
  out.family("headgate_departure_late_max_seconds", "gauge",
             "Longest delay of a paced packet behind its time, over the last second.");
  for (const ChannelSnapshot& channel : view.snapshot.channels)
    out.sample({{"channel", channel.channel}}, seconds(channel.departure_late_max_ns));
  about_departures(out, view.snapshot);
  out.family("headgate_sessions", "gauge", "Players, and encoders that publish, by channel and protocol.");
  for (const config::Channel& channel : view.model->channels) {
    for (const auto& [protocol, sessions] : sessions_by_output(view, channel.id))
      out.sample({{"channel", channel.id}, {"output", protocol}, {"protocol", protocol}}, sessions);
    for (const config::Input& input : channel.inputs) {
      if (input.kind != config::InputKind::publish || !channel.enabled) continue;
      const auto sources = sources_of(bridge_channel(view, channel.id));
      const SourceView* source = find_source(sources, input.number);
      if (source != nullptr)
        out.sample({{"channel", channel.id}, {"output", "publish"}, {"protocol", "publish"}},
                   source->state == "receiving" ? 1 : 0);
    }
  }
}

Labels labels_of(const InputSnapshot& input) {
  return {{"channel", input.channel}, {"input", std::to_string(input.number)}};
}

struct InputCounter {
  const char* name;
  const char* help;
  std::uint64_t InputSnapshot::*value;
};

constexpr InputCounter kInputCounters[] = {
    {"headgate_input_datagrams_total", "Datagrams received.", &InputSnapshot::datagrams},
    {"headgate_input_ts_packets_total", "Transport packets received.", &InputSnapshot::ts_packets},
    {"headgate_input_bytes_total", "Bytes of transport packets received.", &InputSnapshot::bytes},
    {"headgate_input_cc_errors_total", "Continuity errors, ISO/IEC 13818-1 2.4.3.3.",
     &InputSnapshot::cc_errors},
    {"headgate_input_duplicates_total", "Legal duplicate packets.", &InputSnapshot::duplicates},
    {"headgate_input_transport_errors_total", "Packets with transport_error_indicator.",
     &InputSnapshot::transport_errors},
    {"headgate_input_sync_errors_total", "Packets that begin without 0x47.", &InputSnapshot::sync_errors},
    {"headgate_input_scrambled_packets_total", "Scrambled packets.", &InputSnapshot::scrambled},
    {"headgate_input_null_packets_total", "Null packets.", &InputSnapshot::null_packets},
    {"headgate_input_rtp_lost_total", "RTP datagrams missing by sequence number.", &InputSnapshot::rtp_lost},
    {"headgate_input_rtp_duplicates_total", "RTP datagrams received twice.", &InputSnapshot::rtp_duplicates},
    {"headgate_input_rtp_reordered_total", "RTP datagrams out of order.", &InputSnapshot::rtp_reordered},
    {"headgate_input_pcr_discontinuities_total", "PCR jumps without an indicator.",
     &InputSnapshot::pcr_discontinuities},
};

// Whether inputs bring media, and those that enter through the bridge in all words.
void about_sources(Writer& out, const GatewayView& view) {
  constexpr std::uint64_t kSilence = 2'000'000'000;
  out.family("headgate_input_up", "gauge", "1 while packets come and nothing makes the input unfit.");
  for (const InputSnapshot& input : view.snapshot.inputs) {
    const auto now = static_cast<std::uint64_t>(view.now_unix_ns);
    const bool comes = input.last_packet_unix_ns != 0 && input.last_packet_unix_ns + kSilence >= now;
    out.sample(labels_of(input), comes && input.troubles == 0 ? 1 : 0);
  }
  out.family("headgate_input_source_state", "gauge",
             "1 for the state of an input that enters through the bridge.");
  const Sources all = all_sources(view.bridge_status);
  for (const auto& [channel, sources] : all) {
    for (const SourceView& source : sources) {
      for (const char* state : {"waiting", "connecting", "receiving"})
        out.sample({{"channel", channel}, {"input", std::to_string(source.number)}, {"state", state}},
                   source.state == state ? 1 : 0);
    }
  }
  out.family("headgate_input_connections_total", "counter",
             "Connections of an input that enters through the bridge.");
  for (const auto& [channel, sources] : all) {
    for (const SourceView& source : sources)
      out.sample({{"channel", channel}, {"input", std::to_string(source.number)}}, source.connections);
  }
}

// Of inputs that have a buffer or had one.
void about_buffers(Writer& out, const Snapshot& snapshot) {
  const auto used = [](const InputSnapshot& input) {
    return (input.buffer_packets | input.buffer_level_ns | input.buffer_underflows |
            input.buffer_overflows) != 0;
  };
  const auto all = [&](auto value) {
    for (const InputSnapshot& input : snapshot.inputs) {
      if (used(input)) out.sample(labels_of(input), value(input));
    }
  };
  out.family("headgate_input_buffer_seconds", "gauge", "From the next departure to the last packet's.");
  all([](const InputSnapshot& input) { return seconds(input.buffer_level_ns); });
  out.family("headgate_input_buffer_packets", "gauge", "Transport packets in the buffer.");
  all([](const InputSnapshot& input) { return input.buffer_packets; });
  out.family("headgate_input_buffer_underflows_total", "counter", "Times that the buffer ran empty.");
  all([](const InputSnapshot& input) { return input.buffer_underflows; });
  out.family("headgate_input_buffer_overflows_total", "counter", "Times that the buffer ran full.");
  all([](const InputSnapshot& input) { return input.buffer_overflows; });
  out.family("headgate_input_clock_drift_ppb", "gauge",
             "The source's clock against ours, in parts per billion.");
  all([](const InputSnapshot& input) { return input.clock_drift_ppb; });
}

void about_inputs(Writer& out, const Snapshot& snapshot) {
  for (const InputCounter& counter : kInputCounters) {
    out.family(counter.name, "counter", counter.help);
    for (const InputSnapshot& input : snapshot.inputs) out.sample(labels_of(input), input.*counter.value);
  }
  out.family("headgate_input_bitrate_bits_per_second", "gauge",
             "Rate of 188-byte packets over the last second.");
  for (const InputSnapshot& input : snapshot.inputs) out.sample(labels_of(input), input.bitrate_bps);
  out.family("headgate_input_last_packet_timestamp_seconds", "gauge",
             "When the last datagram came; 0 before the first.");
  for (const InputSnapshot& input : snapshot.inputs)
    out.sample(labels_of(input), seconds(input.last_packet_unix_ns));
  out.family("headgate_input_pid_cc_errors_total", "counter",
             "Continuity errors by PID, for PIDs that had any.");
  for (const InputSnapshot& input : snapshot.inputs) {
    for (const PidSnapshot& pid : input.pids) {
      if (pid.cc_errors == 0) continue;
      Labels labels = labels_of(input);
      labels.emplace_back("pid", fmt::format("0x{:04x}", pid.pid));
      out.sample(labels, pid.cc_errors);
    }
  }
}

void about_outputs(Writer& out, const GatewayView& view) {
  const Snapshot& snapshot = view.snapshot;
  out.family("headgate_output_bytes_total", "counter",
             "Bytes sent: of transport packets to a push, of media to the players of a protocol.");
  for (const config::Channel& channel : view.model->channels) {
    for (const ServedOutput& output :
         served_outputs(view.model->node, channel, bridge_channel(view, channel.id))) {
      if (output.bytes) out.sample({{"channel", channel.id}, {"output", output.protocol}}, *output.bytes);
    }
  }
  for (const OutputSnapshot& output : snapshot.outputs)
    out.sample({{"channel", output.channel}, {"output", output.url}}, output.bytes);
  const auto pushes = [&](auto value) {
    for (const config::Channel& channel : view.model->channels) {
      for (const PushView& push : pushes_of(bridge_channel(view, channel.id)))
        out.sample({{"channel", channel.id}, {"output", push.url}}, value(push));
    }
  };
  pushes([](const PushView& push) { return push.bytes; });
  out.family("headgate_push_up", "gauge", "1 while a push by RTMP or SRT sends.");
  pushes([](const PushView& push) { return push.state == "sending" ? 1 : 0; });
  out.family("headgate_push_failures_total", "counter", "Connections of a push that failed or ended.");
  pushes([](const PushView& push) { return push.failures; });
  out.family("headgate_output_datagrams_total", "counter", "Datagrams sent.");
  for (const OutputSnapshot& output : snapshot.outputs)
    out.sample({{"channel", output.channel}, {"output", output.url}}, output.datagrams);
}

// Zeros too, for each reason once a place, so that a rate is defined before the first drop; of inputs and
// outputs only what has happened, to keep the page small with hundreds of channels.
void add_drops(Writer& out, const DropCounts& drops, const Labels& labels, bool zeros) {
  for (std::size_t i = 0; i < drops.size(); ++i) {
    if (drops[i] == 0 && !zeros) continue;
    Labels all = labels;
    all.emplace_back("where", std::string(protocol::kDropReasons[i].where));
    all.emplace_back("reason", std::string(protocol::kDropReasons[i].name));
    out.sample(all, drops[i]);
  }
}

// Of the hosts that speak IGMP and ARP, of slots that the bridge sent to nobody, and of tracks that the
// switch has no place for.
void add_host_drops(Writer& out, const Snapshot& snapshot) {
  for (const NetworkSnapshot& network : snapshot.networks) {
    const auto add = [&](const char* where, const char* reason, std::uint64_t count) {
      if (count != 0)
        out.sample({{"interface", network.interface},
                    {"vlan", std::to_string(network.vlan)},
                    {"where", where},
                    {"reason", reason}},
                   count);
    };
    add("parser", "host_ignored", network.ignored);
    add("output", "host_unsent", network.unsent);
  }
  std::uint64_t unknown = 0;
  for (const WorkerSnapshot& worker : snapshot.workers) unknown += worker.unknown_slots;
  if (unknown != 0) out.sample({{"where", "parser"}, {"reason", "unknown_input"}}, unknown);
  for (const ChannelSnapshot& channel : snapshot.channels) {
    if (channel.left_out != 0)
      out.sample({{"channel", channel.channel}, {"where", "parser"}, {"reason", "track_left_out"}},
                 channel.left_out);
  }
}

// What the bridge left out of an input or a push, by the reasons that it gives.
void add_way_drops(Writer& out, const GatewayView& view) {
  for (const config::Channel& channel : view.model->channels) {
    const nlohmann::json bridge = bridge_channel(view, channel.id);
    for (const SourceView& source : sources_of(bridge)) {
      for (const protocol::BridgeReason& about : protocol::kIngestDrops) {
        const auto found = source.drops.find(std::string(about.name));
        if (found == source.drops.end() || found->second == 0) continue;
        out.sample({{"channel", channel.id},
                    {"input", std::to_string(source.number)},
                    {"where", std::string(about.where)},
                    {"reason", std::string(about.name)}},
                   found->second);
      }
    }
    for (const PushView& push : pushes_of(bridge)) {
      for (const protocol::BridgeReason& about : protocol::kPushDrops) {
        if (push.skipped != 0)
          out.sample({{"channel", channel.id},
                      {"output", push.url},
                      {"where", std::string(about.where)},
                      {"reason", std::string(about.name)}},
                     push.skipped);
      }
    }
  }
}

// As for inputs: of a channel only what has happened.
void add_bridge_drops(Writer& out, const GatewayView& view) {
  for (const config::Channel& channel : view.model->channels) {
    const nlohmann::json& drops = foreign::member(foreign::channel(view.bridge_status, channel.id), "drops");
    for (const protocol::BridgeReason& about : protocol::kBridgeDrops) {
      if (const auto count = foreign::count(drops, about.name); count && *count != 0)
        out.sample({{"channel", channel.id},
                    {"where", std::string(about.where)},
                    {"reason", std::string(about.name)}},
                   *count);
    }
  }
  if (const auto count = foreign::count(foreign::member(view.bridge_status, "ring"), "unknown_channel_slots"))
    out.sample({{"where", "ring"}, {"reason", "unknown_channel"}}, *count);
}

void about_drops(Writer& out, const GatewayView& view) {
  const Snapshot& snapshot = view.snapshot;
  out.family("headgate_drops_total", "counter", "Datagrams and packets discarded, by place and reason.");
  for (const InterfaceSnapshot& interface : snapshot.interfaces)
    add_drops(out, interface.drops, {{"interface", interface.name}}, true);
  for (const InputSnapshot& input : snapshot.inputs) add_drops(out, input.drops, labels_of(input), false);
  for (const OutputSnapshot& output : snapshot.outputs)
    add_drops(out, output.drops, {{"channel", output.channel}, {"output", output.url}}, false);
  add_host_drops(out, snapshot);
  add_way_drops(out, view);
  add_bridge_drops(out, view);
}

struct HlsCounter {
  const char* name;
  const char* help;
  const char* key;
};

constexpr HlsCounter kHlsCounters[] = {
    {"headgate_hls_segments_total", "Segments finished.", "segments_total"},
    {"headgate_hls_gaps_total", "Slots listed as EXT-X-GAP.", "gaps"},
    {"headgate_hls_discontinuities_total", "Breaks of the media's timeline or of its tracks.",
     "discontinuities"},
    {"headgate_hls_gop_too_long_total", "Slots without a random access point.", "gop_too_long"},
    {"headgate_hls_late_units_total", "PES packets of sound that came after their segment was closed.",
     "late_units"},
};

void about_hls(Writer& out, const GatewayView& view) {
  for (const HlsCounter& counter : kHlsCounters) {
    out.family(counter.name, "counter", counter.help);
    for (const config::Channel& channel : view.model->channels) {
      const nlohmann::json& hls = foreign::member(foreign::channel(view.bridge_status, channel.id), "hls");
      if (const auto count = foreign::count(hls, counter.key)) out.sample({{"channel", channel.id}}, *count);
    }
  }
  out.family("headgate_bridge_ring_gaps_total", "counter", "Times that the bridge missed slots of the ring.");
  for (const config::Channel& channel : view.model->channels) {
    if (const auto count = foreign::count(foreign::channel(view.bridge_status, channel.id), "ring_gaps"))
      out.sample({{"channel", channel.id}}, *count);
  }
}

void about_http(Writer& out, const GatewayView& view) {
  const nlohmann::json& http = foreign::member(view.bridge_status, "http");
  const auto plain = [&](const char* name, const char* type, const char* help, const char* key) {
    out.family(name, type, help);
    if (const auto count = foreign::count(http, key)) out.sample({}, *count);
  };
  plain("headgate_http_connections", "gauge", "Connections that are open.", "connections");
  plain("headgate_http_accepted_total", "counter", "Connections that came, refused ones included.",
        "accepted_total");
  plain("headgate_http_requests_total", "counter", "Requests answered.", "requests_total");
  plain("headgate_http_bytes_total", "counter", "Bytes sent, headers included.", "bytes_total");
  out.family("headgate_http_responses_total", "counter", "Answers by class of status.");
  for (const char* status : {"2xx", "3xx", "4xx", "5xx"}) {
    if (const auto count = foreign::count(foreign::member(http, "responses"), status))
      out.sample({{"class", status}}, *count);
  }
  // Zeros too: a handful of lines for the whole server.
  out.family("headgate_http_refused_total", "counter",
             "Connections and requests refused or cut off, by reason.");
  for (const protocol::BridgeReason& about : protocol::kHttpRefusals) {
    if (const auto count = foreign::count(foreign::member(http, "refused"), about.name))
      out.sample({{"reason", std::string(about.name)}}, *count);
  }
  const nlohmann::json& rtmp = foreign::member(foreign::member(view.bridge_status, "rtmp"), "refused");
  out.family("headgate_rtmp_refused_total", "counter", "RTMP connections refused or cut off, by reason.");
  for (const protocol::BridgeReason& about : protocol::kRtmpRefusals) {
    if (const auto count = foreign::count(rtmp, about.name))
      out.sample({{"reason", std::string(about.name)}}, *count);
  }
  const nlohmann::json& srt = foreign::member(foreign::member(view.bridge_status, "srt"), "refused");
  out.family("headgate_srt_refused_total", "counter", "SRT callers refused or cut off, by reason.");
  for (const protocol::BridgeReason& about : protocol::kSrtRefusals) {
    if (const auto count = foreign::count(srt, about.name))
      out.sample({{"reason", std::string(about.name)}}, *count);
  }
}

void about_transcode(Writer& out, const GatewayView& view) {
  const std::vector<TranscodeJob> jobs = transcode_jobs(view.transcode_status);
  out.family("headgate_transcode_jobs", "gauge", "Jobs of the transcode process by state.");
  for (const char* state : {"running", "backing_off", "quarantined"}) {
    const auto count =
        std::count_if(jobs.begin(), jobs.end(), [&](const TranscodeJob& job) { return job.state == state; });
    out.sample({{"state", state}}, static_cast<std::uint64_t>(count));
  }
  // A channel may have several jobs of a kind: the members of a ladder.
  std::map<std::pair<std::string, std::string>, double> seconds_of;
  std::map<std::tuple<std::string, std::string, std::string>, std::uint64_t> deaths;
  for (const TranscodeJob& job : jobs) {
    seconds_of[{job.channel, job.kind}] += job.cpu_seconds;
    for (const auto& [reason, count] : job.deaths) deaths[{job.channel, job.kind, reason}] += count;
  }
  out.family("headgate_transcode_cpu_seconds_total", "counter", "CPU time of the workers of a channel.");
  for (const auto& [of, time] : seconds_of) out.sample({{"channel", of.first}, {"kind", of.second}}, time);
  out.family("headgate_transcode_restarts_total", "counter",
             "Deaths of a channel's workers by reason, after which others are started.");
  for (const auto& [of, count] : deaths) {
    const auto& [channel, kind, reason] = of;
    if (count != 0) out.sample({{"channel", channel}, {"kind", kind}, {"reason", reason}}, count);
  }
}

// Of channels that are watched.
void about_watch(Writer& out, const GatewayView& view) {
  std::vector<std::pair<std::string, WatchedChannel>> channels;
  for (const config::Channel& channel : view.model->channels) {
    if (auto about = watched(foreign::channel(view.bridge_status, channel.id)))
      channels.emplace_back(channel.id, std::move(*about));
  }
  out.family("headgate_watch_verdict", "gauge",
             "1 while enough comes to judge pictures and sound by; the rest means nothing without it.");
  for (const auto& [id, about] : channels) out.sample({{"channel", id}}, about.verdict ? 1 : 0);
  out.family("headgate_watch_luma_mean", "gauge",
             "Mean luma of the last picture that was looked at, 0 to 255.");
  for (const auto& [id, about] : channels) {
    if (about.luma_mean) out.sample({{"channel", id}}, *about.luma_mean);
  }
  const auto seen = [&](const char* name, const char* kind, const char* help) {
    out.family(name, "gauge", help);
    for (const auto& [id, about] : channels) {
      const bool is = std::any_of(about.findings.begin(), about.findings.end(),
                                  [kind](const WatchFinding& finding) { return finding.kind == kind; });
      out.sample({{"channel", id}}, is ? 1 : 0);
    }
  };
  seen("headgate_watch_black", "black", "1 while the picture is black for longer than alarms.black.");
  seen("headgate_watch_frozen", "frozen", "1 while the picture is frozen for longer than alarms.frozen.");
  seen("headgate_watch_silent", "silent", "1 while all sound is silent for longer than alarms.silence.");
  const auto heard = [&](const char* name, double SoundLevels::*level, const char* help) {
    out.family(name, "gauge", help);
    for (const auto& [id, about] : channels) {
      for (const SoundLevels& sound : about.sound)
        out.sample({{"channel", id}, {"track", fmt::format("0x{:04x}", sound.pid)}}, sound.*level);
    }
  };
  heard("headgate_sound_loudness_lufs", &SoundLevels::short_term_lufs,
        "Short-term loudness of a track (EBU R128); -70: silence.");
  heard("headgate_sound_peak_dbfs", &SoundLevels::peak_dbfs, "Highest sample of a track lately.");
  heard("headgate_sound_correlation", &SoundLevels::correlation, "Correlation of left and right, -1 to 1.");
}

void about_interfaces(Writer& out, const Snapshot& snapshot) {
  out.family("headgate_interface_up", "gauge", "1 while the link is up.");
  for (const auto& interface : snapshot.interfaces)
    out.sample({{"interface", interface.name}}, interface.link_up ? 1 : 0);
  out.family("headgate_interface_packets_total", "counter", "Frames by direction.");
  for (const auto& interface : snapshot.interfaces) {
    out.sample({{"interface", interface.name}, {"direction", "rx"}}, interface.rx_packets);
    out.sample({{"interface", interface.name}, {"direction", "tx"}}, interface.tx_packets);
  }
  out.family("headgate_interface_bytes_total", "counter", "Bytes of frames by direction.");
  for (const auto& interface : snapshot.interfaces) {
    out.sample({{"interface", interface.name}, {"direction", "rx"}}, interface.rx_bytes);
    out.sample({{"interface", interface.name}, {"direction", "tx"}}, interface.tx_bytes);
  }
  const auto labels = [](const NetworkSnapshot& network) {
    return Labels{{"interface", network.interface}, {"vlan", std::to_string(network.vlan)}};
  };
  out.family("headgate_igmp_last_query_timestamp_seconds", "gauge",
             "When a querier was last heard; 0: never.");
  for (const auto& network : snapshot.networks)
    out.sample(labels(network), seconds(network.last_query_unix_ns));
  out.family("headgate_igmp_groups", "gauge", "Groups that this host is a member of.");
  for (const auto& network : snapshot.networks) out.sample(labels(network), network.groups);
  out.family("headgate_igmp_version", "gauge", "IGMP version in force.");
  for (const auto& network : snapshot.networks) out.sample(labels(network), network.igmp_version);
}

void about_workers(Writer& out, const Snapshot& snapshot) {
  out.family("headgate_fastpath_cycles_per_packet", "gauge",
             "Cycles of polls that had packets, a packet, since the start.");
  for (std::size_t i = 0; i < snapshot.workers.size(); ++i) {
    const WorkerSnapshot& worker = snapshot.workers[i];
    if (worker.packets != 0)
      out.sample({{"worker", std::to_string(i)}},
                 static_cast<double>(worker.busy_cycles) / static_cast<double>(worker.packets));
  }
  out.family("headgate_fastpath_busy_ratio", "gauge",
             "Share of time spent in polls that had packets, since the start.");
  for (std::size_t i = 0; i < snapshot.workers.size(); ++i) {
    const WorkerSnapshot& worker = snapshot.workers[i];
    if (worker.total_cycles != 0)
      out.sample({{"worker", std::to_string(i)}},
                 static_cast<double>(worker.busy_cycles) / static_cast<double>(worker.total_cycles));
  }
  out.family("headgate_fastpath_packets_total", "counter", "Frames that a worker took in.");
  for (std::size_t i = 0; i < snapshot.workers.size(); ++i)
    out.sample({{"worker", std::to_string(i)}}, snapshot.workers[i].packets);
}

}  // namespace

std::string metrics_text(const GatewayView& view) {
  Writer out;
  about_gateway(out, view);
  about_channels(out, view);
  about_inputs(out, view.snapshot);
  about_sources(out, view);
  about_buffers(out, view.snapshot);
  about_outputs(out, view);
  about_drops(out, view);
  about_hls(out, view);
  about_http(out, view);
  about_transcode(out, view);
  about_watch(out, view);
  about_interfaces(out, view.snapshot);
  about_workers(out, view.snapshot);
  return out.take();
}

}  // namespace headgate::control
