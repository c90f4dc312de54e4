// The fast path's counters in shared memory (run_dir/fastpath/stats): written by its worker with relaxed
// stores, mapped read-only by control, so that reading never disturbs a worker. Fixed layout, entries found
// by name. An entry is in use while `in_use` is 1; its names are written before that (release) and don't
// change meanwhile. Times go on evenly: they are Unix time by the clock as it stood when the page was made,
// whatever became of that clock since; `clock_base_ns` less, they are CLOCK_MONOTONIC. Counters go on rising
// over an apply; they start at 0 with a new fast path process (epoch changes). Threading: one writer process;
// any number of readers.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <tl/expected.hpp>

#include "control/protocol/page_file.h"

#include "control/protocol/drop_reason.h"

namespace headgate::protocol {

inline constexpr std::uint64_t kStatsMagic = 0x3174617453676448;  // "HdgStat1"
inline constexpr std::uint32_t kStatsVersion = 8;
inline constexpr std::size_t kMaxPidStats = 128;
inline constexpr std::size_t kMaxServiceStats = 64;
inline constexpr std::size_t kMaxInputs = 2048;
inline constexpr std::size_t kMaxOutputs = 4096;
inline constexpr std::size_t kMaxChannels = 2048;  // with several inputs, a buffer or a constant rate
inline constexpr std::size_t kMaxInterfaces = 16;
inline constexpr std::size_t kMaxNetworks = 64;  // interface x VLAN
inline constexpr std::size_t kCueSlots = 256;
inline constexpr std::size_t kMaxCueSection = 512;

// Upper bounds of the classes by which departures are counted, in ns after their time; one more class holds
// what is beyond.
inline constexpr std::array<std::uint64_t, 9> kDepartureBounds{
    10'000, 20'000, 50'000, 100'000, 200'000, 500'000, 1'000'000, 5'000'000, 50'000'000};
inline constexpr std::size_t kDepartureClasses = kDepartureBounds.size() + 1;

using Counter = std::atomic<std::uint64_t>;
using Drops = std::array<Counter, kDropReasonCount>;

// The indicators of TR 101 290 5.2, in the order of mpegts::Indicator, with room for more.
inline constexpr std::size_t kMaxIndicators = 32;
struct IndicatorStats {
  std::array<Counter, kMaxIndicators> errors;
  Counter judged;  // bit n: errors[n] says something
};

struct PidStats {
  std::atomic<std::uint16_t> pid;
  std::atomic<std::uint8_t> has_pcr;
  std::atomic<std::uint8_t> scrambled_now;
  std::uint32_t reserved;
  Counter packets;
  Counter cc_errors;
  Counter scrambled;
  Counter bitrate_bps;  // over about the last second, 188-byte packets
};

struct ServiceStats {
  std::atomic<std::uint32_t> program_number;
  std::atomic<std::uint32_t> bitrate_bps;  // of its PMT, streams and PCR, over about the last second
};

struct alignas(64) InputStats {
  std::atomic<std::uint32_t> in_use;
  std::uint32_t number;  // 1 = primary
  std::array<char, 72> channel;
  std::array<char, 184> url;
  Counter datagrams;
  Counter bytes;  // of TS packets
  Counter ts_packets;
  Counter cc_errors;
  Counter duplicates;
  Counter transport_errors;  // TEI
  Counter sync_errors;       // packets without 0x47
  Counter sync_losses;       // TR 101 290 1.1
  Counter scrambled;
  Counter null_packets;
  Counter rtp_lost;
  Counter rtp_duplicates;
  Counter rtp_reordered;
  Counter pcr_count;
  Counter pcr_discontinuities;
  Counter pcr_interval_max_ns;    // over about the last second
  Counter pcr_repetition_errors;  // TR 101 290 2.3a
  Counter pcr_indicator_errors;   // TR 101 290 2.3b
  Counter last_packet_unix_ns;
  Counter first_packet_unix_ns;
  Counter joined_unix_ns;  // first report sent
  Counter bitrate_bps;     // over about the last second
  Counter ring_slots;      // handed to the bridge
  Counter service_state;   // ServiceFilter::State + 1, 0 without a program
  Counter program_number;
  Counter troubles;         // bit n: protocol::Trouble n lasts longer than failover.after
  Counter buffer_packets;   // in the input's buffer now; 0 without one
  Counter buffer_level_ns;  // from the next departure to the last packet's
  Counter buffer_underflows;
  Counter buffer_overflows;
  Counter clock_drift_ppb;  // two's complement: the source's clock against ours
  Counter wrong_port;       // the last one to which wrong_port came; 0: none
  Counter wrong_source;     // the last one of wrong_source, an IPv4 address in host order; 0: none
  IndicatorStats tr101290;
  // Of what comes in datagrams, mpegts::DeliveryMonitor's latest second, and one more: 0: none was measured.
  Counter gap_min_ns;
  Counter gap_mean_ns;
  Counter gap_max_ns;
  Counter delay_factor_ns;
  Counter pcr_jitter_ns;
  Counter media_lost;  // packets, RFC 4445 3.2; not one more
  Drops drops;
  std::atomic<std::uint32_t> pid_count;
  std::atomic<std::uint32_t> pids_beyond;  // PIDs seen that found no place in `pids`
  std::array<PidStats, kMaxPidStats> pids;
  Counter cues;           // SCTE 35, of the service that the channel carries: told in StatsPage::cues, and
                          // those that found no room on the way there
  Counter services_seen;  // in the PAT of an input out of which one is cut
  std::array<ServiceStats, kMaxServiceStats> services;
  std::atomic<std::uint32_t> service_count;
};

// A channel whose packets pass the switch, a buffer or the constant rate.
struct alignas(64) ChannelStats {
  std::atomic<std::uint32_t> in_use;
  std::uint32_t reserved;
  std::array<char, 72> channel;
  Counter on_air;            // number of the input; 0: none yet
  Counter wanted;            // number of the input that is to be on air
  Counter forced;            // by the operator; 0: automatic
  Counter switched_unix_ns;  // the last change
  Counter switches;
  Counter hard_switches;          // without a random access point
  Counter filler_packets;         // PAT, PMT and PCR between two inputs
  Counter left_out;               // packets of tracks that the output has no place for
  Counter null_packets;           // put in for the constant rate
  Counter rate_dropped;           // packets beyond the constant rate
  Counter departure_late_max_ns;  // of the paced output, over about the last second
  // Of every datagram that the constant rate, and every batch that the buffer, let go: how many were so late
  // when their port had them (each class without the ones before), and the sum of it.
  std::array<Counter, kDepartureClasses> departures;
  Counter departure_late_ns;
  // Of the constant rate over about the last second, and one more; 0: none was measured.
  Counter pcr_accuracy_max_ns;
  // Of a member: packets beyond its share of multiplexes. Of a multiplex: how many members its tables name,
  // and what it sends of them, over about the last second.
  Counter multiplex_dropped;
  Counter members_in;
  Counter members_bps;
  Counter crowded;  // of a constant rate: left although a decoder's transport buffer (T-STD) had no room
};

struct alignas(64) OutputStats {
  std::atomic<std::uint32_t> in_use;
  std::uint32_t reserved;
  std::array<char, 72> channel;
  std::array<char, 184> url;
  Counter datagrams;
  Counter bytes;  // of TS packets
  Counter ts_packets;
  Counter last_packet_unix_ns;
  Counter bitrate_bps;
  Drops drops;
  IndicatorStats tr101290;  // none judged: what leaves is what came in
};

struct alignas(64) InterfaceStats {
  std::atomic<std::uint32_t> in_use;
  std::atomic<std::uint32_t> link_up;
  std::array<char, 40> name;
  std::array<char, 88> device;
  std::array<std::uint8_t, 8> mac;
  Counter rx_packets;
  Counter rx_bytes;
  Counter tx_packets;
  Counter tx_bytes;
  Drops drops;  // what belongs to no channel
};

// One interface and VLAN: the multicast host's view.
struct alignas(64) NetworkStats {
  std::atomic<std::uint32_t> in_use;
  std::uint32_t vlan;
  std::array<char, 40> interface;
  Counter igmp_version;  // in force: 1, 2, 3
  Counter last_query_unix_ns;
  Counter queries;
  Counter last_report_unix_ns;
  Counter reports;
  Counter groups;
  Counter arp_replies;
  Counter icmp_replies;
  Counter ignored;  // frames for the host that nothing there takes
  Counter unsent;   // frames of the host for which there was no buffer or no room on the way to the worker
};

struct alignas(64) WorkerStats {
  std::atomic<std::uint32_t> in_use;
  std::uint32_t reserved;
  Counter polls;
  Counter packets;
  Counter busy_cycles;  // spent in polls that had packets
  Counter total_cycles;
  Counter tsc_hz;
  Counter unknown_slots;  // of the bridge, for a channel or an input that isn't there
};

// One of the latest cues of all inputs: number n stands in slot n % kCueSlots, whole while `sequence` is
// 2 n + 2 before and after it was read.
struct CueSlot {
  std::atomic<std::uint64_t> sequence;
  std::atomic<std::uint32_t> input;  // index in StatsPage::inputs
  std::atomic<std::uint16_t> pid;
  std::atomic<std::uint16_t> size;     // of the section; more than kMaxCueSection: only its head is here
  std::atomic<std::uint64_t> unix_ns;  // as it was told, within 0.2 s of its coming
  std::atomic<std::uint64_t> clock;    // the service's, 27 MHz, as it came, and one more; 0: none yet
  std::array<std::atomic<std::uint64_t>, kMaxCueSection / 8> section;  // its bytes in their order
};

struct StatsPage {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t pid;
  std::atomic<std::uint64_t> epoch;       // Unix ns at start
  std::atomic<std::uint64_t> generation;  // of the applied state
  std::atomic<std::uint64_t> heartbeat_unix_ns;
  std::int64_t clock_base_ns;  // Unix time less CLOCK_MONOTONIC at start
  std::array<WorkerStats, 8> workers;
  std::array<InterfaceStats, kMaxInterfaces> interfaces;
  std::array<NetworkStats, kMaxNetworks> networks;
  std::array<InputStats, kMaxInputs> inputs;
  std::array<ChannelStats, kMaxChannels> channels;
  std::array<OutputStats, kMaxOutputs> outputs;
  Counter cues_told;  // of all inputs: the next cue's number
  std::array<CueSlot, kCueSlots> cues;
};

// A mapping of the page; unmapped on destruction. The file is allocated whole, so that a full run_dir is an
// error at the start and nobody's SIGBUS later.
class StatsMapping {
 public:
  // Writer: makes a new file and renames it over an old one. Reader: fails where it is absent or of another
  // version.
  static tl::expected<StatsMapping, std::string> create(const std::string& path);
  // Writer: a page that nobody else sees, for a run_dir without room: counting goes on, showing doesn't.
  static tl::expected<StatsMapping, std::string> create_unshared();
  static tl::expected<StatsMapping, std::string> open_read_only(const std::string& path);
  StatsPage* page() noexcept { return static_cast<StatsPage*>(file_.memory()); }
  const StatsPage* page() const noexcept { return static_cast<const StatsPage*>(file_.memory()); }
  // Reader: the file was replaced by a new process; open again.
  bool stale(const std::string& path) const noexcept { return file_.stale(path); }

 private:
  explicit StatsMapping(PageFile file) noexcept : file_(std::move(file)) {}
  PageFile file_;
};

}  // namespace headgate::protocol
