// The fast path's counter page copied into plain values: what status, metrics and the channel states are made
// of. Threading: values; take() reads shared memory with relaxed loads.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/model/diff.h"
#include "control/protocol/drop_reason.h"
#include "control/protocol/stats_page.h"
#include "mpegts/monitor/indicators.h"

namespace headgate::control {

using DropCounts = std::array<std::uint64_t, protocol::kDropReasonCount>;

struct PidSnapshot {
  std::uint16_t pid = 0;
  bool has_pcr = false;
  bool scrambled_now = false;
  std::uint64_t packets = 0, cc_errors = 0, scrambled = 0, bitrate_bps = 0;
};

// Of TR 101 290 5.2.
struct IndicatorSnapshot {
  mpegts::IndicatorCounts errors;
  std::uint64_t judged = 0;  // bit n: the n-th of them says something
  std::optional<std::uint64_t> of(mpegts::Indicator indicator) const {
    if ((judged >> static_cast<unsigned>(indicator) & 1U) == 0) return std::nullopt;
    return errors[indicator];
  }
};

// How the datagrams of the last second came.
struct DeliverySnapshot {
  std::uint64_t gap_min_ns = 0, gap_mean_ns = 0, gap_max_ns = 0;
  std::optional<std::uint64_t> delay_factor_ns, pcr_jitter_ns;
};

struct ServiceSnapshot {
  std::uint16_t program_number = 0;
  std::uint64_t bitrate_bps = 0;
};

// "10.20.0.9", of host order.
std::string ipv4_text(std::uint32_t address);

struct InputSnapshot {
  std::uint32_t number = 1;
  std::string channel;
  std::string url;
  std::uint64_t datagrams = 0, bytes = 0, ts_packets = 0, cc_errors = 0, duplicates = 0, transport_errors = 0;
  std::uint64_t sync_errors = 0, scrambled = 0, null_packets = 0, rtp_lost = 0, rtp_duplicates = 0,
                rtp_reordered = 0;
  std::uint64_t pcr_count = 0, pcr_discontinuities = 0, pcr_interval_max_ns = 0;
  IndicatorSnapshot tr101290;
  std::optional<DeliverySnapshot> delivery;
  std::uint64_t media_lost = 0;  // packets
  std::uint64_t last_packet_unix_ns = 0, first_packet_unix_ns = 0, joined_unix_ns = 0, bitrate_bps = 0,
                ring_slots = 0;
  std::uint64_t cues = 0;  // SCTE 35
  std::uint64_t service_state = 0, program_number = 0, services_seen = 0;
  std::uint64_t troubles = 0;  // bit n: protocol::Trouble n
  std::uint64_t buffer_packets = 0, buffer_level_ns = 0, buffer_underflows = 0, buffer_overflows = 0;
  std::int64_t clock_drift_ppb = 0;
  std::uint16_t wrong_port = 0;    // the last one of drops' wrong_port
  std::uint32_t wrong_source = 0;  // the last one of drops' wrong_source, in host order
  DropCounts drops{};
  std::uint32_t pids_beyond = 0;
  std::vector<PidSnapshot> pids;          // by PID
  std::vector<ServiceSnapshot> services;  // by program_number
};

// Of a channel with several inputs, a buffer or a constant rate.
struct ChannelSnapshot {
  std::string channel;
  std::uint64_t on_air = 0, wanted = 0, forced = 0;  // numbers of inputs; 0: none
  std::uint64_t switched_unix_ns = 0, switches = 0, hard_switches = 0, filler_packets = 0, left_out = 0;
  std::uint64_t null_packets = 0, rate_dropped = 0, departure_late_max_ns = 0, departure_late_ns = 0;
  std::array<std::uint64_t, protocol::kDepartureClasses> departures{};  // by lateness
  std::optional<std::uint64_t> pcr_accuracy_max_ns;                     // of a constant rate
  std::uint64_t multiplex_dropped = 0;                                  // of a member
  std::uint64_t members_in = 0, members_bps = 0;                        // of a multiplex
  std::uint64_t crowded = 0;                                            // of a constant rate
};

struct OutputSnapshot {
  std::string channel;
  std::string url;
  std::uint64_t datagrams = 0, bytes = 0, ts_packets = 0, last_packet_unix_ns = 0, bitrate_bps = 0;
  DropCounts drops{};
  IndicatorSnapshot tr101290;  // none judged where it relays
};

struct InterfaceSnapshot {
  std::string name;
  std::string device;
  std::string mac;
  bool link_up = false;
  std::uint64_t rx_packets = 0, rx_bytes = 0, tx_packets = 0, tx_bytes = 0;
  DropCounts drops{};
};

struct NetworkSnapshot {
  std::string interface;
  std::uint32_t vlan = 0;
  std::uint64_t igmp_version = 0, last_query_unix_ns = 0, queries = 0, last_report_unix_ns = 0, reports = 0,
                groups = 0, ignored = 0, unsent = 0;
};

struct WorkerSnapshot {
  std::uint64_t polls = 0, packets = 0, busy_cycles = 0, total_cycles = 0, tsc_hz = 0, unknown_slots = 0;
};

struct Snapshot {
  std::uint64_t epoch = 0;  // names the fast path's process; 0: no page
  std::uint64_t started_unix_ns = 0;
  std::uint64_t generation = 0;
  std::uint64_t heartbeat_unix_ns = 0;
  std::vector<WorkerSnapshot> workers;
  std::vector<InterfaceSnapshot> interfaces;
  std::vector<NetworkSnapshot> networks;
  std::vector<InputSnapshot> inputs;
  std::vector<ChannelSnapshot> channels;
  std::vector<OutputSnapshot> outputs;
};

// A cue of an input, as it came.
struct CueSnapshot {
  std::string channel;
  std::uint32_t input = 1;  // number
  std::uint16_t pid = 0;
  std::uint64_t unix_ns = 0;
  std::optional<std::uint64_t> clock_27mhz;
  std::size_t size = 0;               // of the section
  std::vector<std::uint8_t> section;  // whole, or its head
};
// Those since number `next`, which becomes the one after the last; by how many they were overwritten before
// they were read: `missed`.
std::vector<CueSnapshot> take_cues(const protocol::StatsPage& page, std::uint64_t& next,
                                   std::uint64_t& missed);

// Its times as Unix time for a process that goes by `clock_base_ns` (even_clock.h).
Snapshot take(const protocol::StatsPage& page, std::int64_t clock_base_ns);
// All its times; the epoch is a name.
void shift(Snapshot& snapshot, std::int64_t nanoseconds);

// Of channels that have a switch, a buffer or a rate, and something on air.
config::OnAir on_air(const Snapshot& snapshot);
// Null where the channel has no switch, buffer or rate, or the fast path does not run.
const ChannelSnapshot* find_channel(const Snapshot& snapshot, const std::string& channel);
// "no_data, pcr"; "" where the input is good.
std::string troubles_of(std::uint64_t troubles);
std::string troubles_of(const Snapshot& snapshot, const std::string& channel, std::uint32_t input);

}  // namespace headgate::control
