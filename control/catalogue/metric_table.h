// The families of /metrics, a line each, in the order of the page: what they are called, what their numbers
// count, by which labels, what they mean. A family that is not here can't be emitted
// (control/daemon/metrics), and the table of docs/operations.md is made of it. Names by
// prometheus.io/docs/practices/naming: base units, counters end in _total. Threading: constants.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "mpegts/monitor/indicators.h"

namespace headgate::catalogue {

enum class MetricType : std::uint8_t { counter, gauge, histogram };

struct MetricFamily {
  static constexpr std::size_t kMaxLabels = 7;

  std::string_view name;
  MetricType type = MetricType::gauge;
  std::string_view unit;  // the name ends in it; "": a number of what the sentence says, or 0 and 1
  std::array<std::string_view, kMaxLabels> labels{};  // the first "" ends them
  std::string_view sentence;

  constexpr std::size_t label_count() const noexcept {
    std::size_t count = 0;
    while (count < kMaxLabels && !labels[count].empty()) ++count;
    return count;
  }
};

inline constexpr auto kCounter = MetricType::counter;
inline constexpr auto kGauge = MetricType::gauge;

using MetricLabels = std::array<std::string_view, MetricFamily::kMaxLabels>;
inline constexpr MetricLabels kNone{};
inline constexpr MetricLabels kByState{"state"};
inline constexpr MetricLabels kByReason{"reason"};
inline constexpr MetricLabels kByProcess{"process"};
inline constexpr MetricLabels kByChannel{"channel"};
inline constexpr MetricLabels kByInput{"channel", "input"};
inline constexpr MetricLabels kByOutput{"channel", "output"};
inline constexpr MetricLabels kByTrack{"channel", "track"};
inline constexpr MetricLabels kByDirection{"interface", "direction"};
inline constexpr MetricLabels kByNetwork{"interface", "vlan"};
inline constexpr MetricLabels kByWorker{"worker"};

inline constexpr std::array kMetricTable{
    // The gateway.
    MetricFamily{"headgate_build_info", kGauge, "", {"version", "node"}, "Version of the gateway; always 1."},
    MetricFamily{"headgate_map_differs", kGauge, "", kNone,
                 "1 while the files differ from the running channel map."},
    MetricFamily{"headgate_map_files_valid", kGauge, "", kNone, "0 while the files on disk have errors."},
    MetricFamily{"headgate_ready", kGauge, "", kNone,
                 "1 when control, fast path and bridge run the applied map."},
    MetricFamily{"headgate_alarms",
                 kGauge,
                 "",
                 {"severity", "state"},
                 "Active alarms: open, acknowledged, explained by another, or of what is in maintenance."},
    MetricFamily{"headgate_alarm",
                 kGauge,
                 "",
                 {"kind", "channel"},
                 "1 for each kind of alarm that is active, by channel."},
    MetricFamily{"headgate_webhook_waiting", kGauge, "", kNone, "Messages to alarms.webhook that wait."},
    MetricFamily{
        "headgate_webhook_messages_total",
        kCounter,
        "",
        {"result"},
        "Messages to alarms.webhook: delivered, tries that failed, dropped after 24 h or behind 1,000."},
    MetricFamily{"headgate_process_up", kGauge, "", kByProcess, "1 while the process runs and answers."},
    MetricFamily{"headgate_process_deaths_total", kCounter, "", kByProcess,
                 "Unexpected ends of a process that the launcher saw."},
    MetricFamily{"headgate_process_crash_loop", kGauge, "", kByProcess,
                 "1 while the launcher pauses between the starts of a process."},
    MetricFamily{"headgate_process_start_timestamp_seconds", kGauge, "seconds", kByProcess,
                 "Start or adoption of a process that runs."},

    // Channels.
    MetricFamily{"headgate_channel_state",
                 kGauge,
                 "",
                 {"channel", "state"},
                 "1 for the state that the channel is in, 0 for the others."},
    MetricFamily{"headgate_failovers_total", kCounter, "", kByChannel,
                 "Changes of the input on air, since the fast path began."},
    MetricFamily{"headgate_input_forced", kGauge, "", kByChannel,
                 "Number of the input that the operator forces; 0: automatic."},
    MetricFamily{"headgate_null_packets_total", kCounter, "", kByChannel,
                 "Null packets put in for a constant rate (remux.bitrate)."},
    MetricFamily{"headgate_departure_late_max_seconds", kGauge, "seconds", kByChannel,
                 "Longest delay of a paced packet behind its time, over the last second."},
    MetricFamily{"headgate_departure_late_seconds", MetricType::histogram, "seconds", kByChannel,
                 "How long after its time a paced datagram was with its port."},
    MetricFamily{"headgate_sessions",
                 kGauge,
                 "",
                 {"channel", "output", "protocol"},
                 "Players, and encoders that publish, by channel and protocol."},

    // Inputs.
    MetricFamily{"headgate_input_active", kGauge, "", kByInput, "1 for the input in use."},
    MetricFamily{"headgate_input_datagrams_total", kCounter, "", kByInput, "Datagrams received."},
    MetricFamily{"headgate_input_ts_packets_total", kCounter, "", kByInput, "Transport packets received."},
    MetricFamily{"headgate_input_bytes_total", kCounter, "bytes", kByInput,
                 "Bytes of transport packets received."},
    MetricFamily{"headgate_input_cc_errors_total", kCounter, "", kByInput,
                 "Continuity errors, ISO/IEC 13818-1 2.4.3.3."},
    MetricFamily{"headgate_input_duplicates_total", kCounter, "", kByInput, "Legal duplicate packets."},
    MetricFamily{"headgate_input_transport_errors_total", kCounter, "", kByInput,
                 "Packets with transport_error_indicator."},
    MetricFamily{"headgate_input_sync_errors_total", kCounter, "", kByInput,
                 "Packets that begin without 0x47."},
    MetricFamily{"headgate_input_scrambled_packets_total", kCounter, "", kByInput, "Scrambled packets."},
    MetricFamily{"headgate_input_null_packets_total", kCounter, "", kByInput, "Null packets."},
    MetricFamily{"headgate_input_rtp_lost_total", kCounter, "", kByInput,
                 "RTP datagrams missing by sequence number."},
    MetricFamily{"headgate_input_rtp_duplicates_total", kCounter, "", kByInput,
                 "RTP datagrams received twice."},
    MetricFamily{"headgate_input_rtp_reordered_total", kCounter, "", kByInput, "RTP datagrams out of order."},
    MetricFamily{"headgate_input_pcr_discontinuities_total", kCounter, "", kByInput,
                 "PCR jumps without an indicator."},
    MetricFamily{"headgate_input_tr101290_errors_total",
                 kCounter,
                 "",
                 {"channel", "input", "indicator"},
                 "Errors by the indicators of TR 101 290 5.2 that are measured of a live input."},
    MetricFamily{"headgate_input_scte35_cues_total", kCounter, "", kByInput,
                 "Cues (SCTE 35) of the channel's service, repetitions not counted."},
    MetricFamily{"headgate_input_arrival_interval_min_seconds", kGauge, "seconds", kByInput,
                 "Shortest time between two datagrams, over the last second."},
    MetricFamily{"headgate_input_arrival_interval_mean_seconds", kGauge, "seconds", kByInput,
                 "Mean time between two datagrams, over the last second."},
    MetricFamily{"headgate_input_arrival_interval_max_seconds", kGauge, "seconds", kByInput,
                 "Longest time between two datagrams, over the last second."},
    MetricFamily{"headgate_input_mdi_delay_factor_seconds", kGauge, "seconds", kByInput,
                 "Delay factor of the Media Delivery Index (RFC 4445 3.1), over the last second."},
    MetricFamily{
        "headgate_input_mdi_media_loss_packets_total", kCounter, "", kByInput,
        "Transport packets lost on the way (RFC 4445 3.2): by RTP sequence number, seven a datagram, "
        "lost or out of order; without RTP by continuity counter."},
    MetricFamily{"headgate_input_pcr_jitter_seconds", kGauge, "seconds", kByInput,
                 "Arrival of PCRs against their values, peak to peak, over the last second."},
    MetricFamily{"headgate_input_bytes_per_second", kGauge, "bytes_per_second", kByInput,
                 "Rate of 188-byte packets over the last second; times 8 it is the bitrate of status."},
    MetricFamily{"headgate_input_last_packet_timestamp_seconds", kGauge, "seconds", kByInput,
                 "When the last datagram came; 0 before the first."},
    MetricFamily{"headgate_input_pid_cc_errors_total",
                 kCounter,
                 "",
                 {"channel", "input", "pid"},
                 "Continuity errors by PID, for PIDs that had any, at most the 16 with the most packets."},
    MetricFamily{"headgate_input_up", kGauge, "", kByInput,
                 "1 while packets come and nothing makes the input unfit."},
    MetricFamily{"headgate_input_source_state",
                 kGauge,
                 "",
                 {"channel", "input", "state"},
                 "1 for the state of an input that enters through the bridge."},
    MetricFamily{"headgate_input_connections_total", kCounter, "", kByInput,
                 "Connections of an input that enters through the bridge."},
    MetricFamily{"headgate_input_buffer_seconds", kGauge, "seconds", kByInput,
                 "From the next departure to the last packet's."},
    MetricFamily{"headgate_input_buffer_packets", kGauge, "", kByInput, "Transport packets in the buffer."},
    MetricFamily{"headgate_input_buffer_underflows_total", kCounter, "", kByInput,
                 "Times that the buffer ran empty."},
    MetricFamily{"headgate_input_buffer_overflows_total", kCounter, "", kByInput,
                 "Times that the buffer ran full."},
    MetricFamily{"headgate_input_clock_drift_ppb", kGauge, "ppb", kByInput,
                 "The source's clock against ours, in parts per billion."},

    // Outputs.
    MetricFamily{"headgate_output_bytes_total", kCounter, "bytes", kByOutput,
                 "Bytes sent: of transport packets to a push, of media to the players of a protocol."},
    MetricFamily{"headgate_output_datagrams_total", kCounter, "", kByOutput, "Datagrams sent."},
    MetricFamily{
        "headgate_output_pcr_accuracy_max_seconds", kGauge, "seconds", kByOutput,
        "Largest error of a PCR against its position in an output of constant rate (TR 101 290 5.3.2), "
        "over the last second."},
    MetricFamily{
        "headgate_output_tr101290_errors_total",
        kCounter,
        "",
        {"channel", "output", "indicator"},
        "Errors by the indicators of TR 101 290 5.2 of an output that this node makes itself; of one "
        "that it relays, see its input."},
    MetricFamily{"headgate_push_up", kGauge, "", kByOutput, "1 while a push by RTMP or SRT sends."},
    MetricFamily{"headgate_push_failures_total", kCounter, "", kByOutput,
                 "Connections of a push that failed or ended."},

    // What is discarded.
    MetricFamily{"headgate_drops_total",
                 kCounter,
                 "",
                 {"channel", "input", "output", "interface", "vlan", "where", "reason"},
                 "Datagrams and packets discarded, by place and reason."},

    // The bridge.
    MetricFamily{"headgate_hls_segments_total", kCounter, "", kByChannel, "Segments finished."},
    MetricFamily{"headgate_hls_gaps_total", kCounter, "", kByChannel, "Slots listed as EXT-X-GAP."},
    MetricFamily{"headgate_hls_discontinuities_total", kCounter, "", kByChannel,
                 "Breaks of the media's timeline or of its tracks."},
    MetricFamily{"headgate_hls_gop_too_long_total", kCounter, "", kByChannel,
                 "Slots without a random access point."},
    MetricFamily{"headgate_hls_late_units_total", kCounter, "", kByChannel,
                 "PES packets of sound that came after their segment was closed."},
    MetricFamily{"headgate_bridge_ring_gaps_total", kCounter, "", kByChannel,
                 "Times that the bridge missed slots of the ring."},
    MetricFamily{"headgate_http_connections", kGauge, "", kNone, "Connections that are open."},
    MetricFamily{"headgate_http_accepted_total", kCounter, "", kNone,
                 "Connections that came, refused ones included."},
    MetricFamily{"headgate_http_requests_total", kCounter, "", kNone, "Requests answered."},
    MetricFamily{"headgate_http_bytes_total", kCounter, "bytes", kNone, "Bytes sent, headers included."},
    MetricFamily{"headgate_http_responses_total", kCounter, "", {"class"}, "Answers by class of status."},
    MetricFamily{"headgate_http_refused_total", kCounter, "", kByReason,
                 "Connections and requests refused or cut off, by reason."},
    MetricFamily{"headgate_rtmp_refused_total", kCounter, "", kByReason,
                 "RTMP connections refused or cut off, by reason."},
    MetricFamily{"headgate_srt_refused_total", kCounter, "", kByReason,
                 "SRT callers refused or cut off, by reason."},

    // Pictures and sound.
    MetricFamily{"headgate_transcode_jobs", kGauge, "", kByState, "Jobs of the transcode process by state."},
    MetricFamily{"headgate_transcode_cpu_seconds_total",
                 kCounter,
                 "seconds",
                 {"channel", "kind"},
                 "CPU time of the workers of a channel."},
    MetricFamily{"headgate_transcode_restarts_total",
                 kCounter,
                 "",
                 {"channel", "kind", "reason"},
                 "Deaths of a channel's workers by reason, after which others are started."},
    MetricFamily{"headgate_watch_verdict", kGauge, "", kByChannel,
                 "1 while enough comes to judge pictures and sound by; the rest means nothing without it."},
    MetricFamily{"headgate_watch_luma_mean", kGauge, "", kByChannel,
                 "Mean luma of the last picture that was looked at, 0 to 255."},
    MetricFamily{"headgate_watch_black", kGauge, "", kByChannel,
                 "1 while the picture is black for longer than alarms.black."},
    MetricFamily{"headgate_watch_frozen", kGauge, "", kByChannel,
                 "1 while the picture is frozen for longer than alarms.frozen."},
    MetricFamily{"headgate_watch_silent", kGauge, "", kByChannel,
                 "1 while all sound is silent for longer than alarms.silence."},
    MetricFamily{"headgate_sound_loudness_lufs", kGauge, "lufs", kByTrack,
                 "Short-term loudness of a track (EBU R128); -70: silence."},
    MetricFamily{"headgate_sound_peak_dbfs", kGauge, "dbfs", kByTrack, "Highest sample of a track lately."},
    MetricFamily{"headgate_sound_correlation", kGauge, "", kByTrack,
                 "Correlation of left and right, -1 to 1."},

    // Ports and workers.
    MetricFamily{"headgate_interface_up", kGauge, "", {"interface"}, "1 while the link is up."},
    MetricFamily{"headgate_interface_packets_total", kCounter, "", kByDirection, "Frames by direction."},
    MetricFamily{"headgate_interface_bytes_total", kCounter, "bytes", kByDirection,
                 "Bytes of frames by direction."},
    MetricFamily{"headgate_igmp_last_query_timestamp_seconds", kGauge, "seconds", kByNetwork,
                 "When a querier was last heard; 0: never."},
    MetricFamily{"headgate_igmp_groups", kGauge, "", kByNetwork, "Groups that this host is a member of."},
    MetricFamily{"headgate_igmp_version", kGauge, "", kByNetwork, "IGMP version in force."},
    MetricFamily{"headgate_fastpath_cycles_per_packet", kGauge, "", kByWorker,
                 "Cycles of polls that had packets, a packet, since the start."},
    MetricFamily{"headgate_fastpath_busy_ratio", kGauge, "ratio", kByWorker,
                 "Share of time spent in polls that had packets, since the start."},
    MetricFamily{"headgate_fastpath_packets_total", kCounter, "", kByWorker, "Frames that a worker took in."},
};

constexpr std::string_view to_string(MetricType type) noexcept {
  switch (type) {
    case MetricType::counter:
      return "counter";
    case MetricType::gauge:
      return "gauge";
    case MetricType::histogram:
      break;
  }
  return "histogram";
}

// A name of the table; another does not compile.
struct MetricName {
  std::size_t index = 0;
  // NOLINTNEXTLINE(google-explicit-constructor): so that the name itself can be written
  consteval MetricName(const char* name) {
    while (kMetricTable[index].name != name) {
      if (++index == kMetricTable.size()) throw "the catalogue has no such metric";
    }
  }
};

// The indicators of TR 101 290 V1.4.1 5.2 that a live stream is judged by: label `indicator`.
inline constexpr auto kIndicatorTable = [] {
  constexpr auto kCount = static_cast<std::size_t>(
      std::count_if(mpegts::kIndicators.begin(), mpegts::kIndicators.end(),
                    [](const auto& info) { return mpegts::measured_live(info.indicator); }));
  std::array<mpegts::IndicatorInfo, kCount> table{};
  std::copy_if(mpegts::kIndicators.begin(), mpegts::kIndicators.end(), table.begin(),
               [](const auto& info) { return mpegts::measured_live(info.indicator); });
  return table;
}();

}  // namespace headgate::catalogue
