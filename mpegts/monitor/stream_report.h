// What an analysis of a transport stream found: plain values for `headgate probe` and for tests.
// References: ISO/IEC 13818-1:2022, EN 300 468, ETSI TR 101 290 V1.4.1 5.2 (the indicators' names are its
// own). Threading: values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mpegts/monitor/delivery_monitor.h"
#include "mpegts/monitor/indicators.h"
#include "mpegts/monitor/pcr_accuracy.h"
#include "mpegts/monitor/si_report.h"
#include "mpegts/psi/tables.h"
#include "mpegts/scte35/splice_info.h"
#include "mpegts/tstd/tstd_report.h"

namespace headgate::mpegts {

// What the elementary stream itself says; fields it does not have are 0 or "".
struct CodecDetails {
  std::string codec;  // RFC 6381
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t frame_rate_num = 0;
  std::uint32_t frame_rate_den = 0;
  bool interlaced = false;
  std::uint32_t sample_rate = 0;
  std::uint32_t channels = 0;
};

struct StreamInfo {
  Pid pid;
  std::uint8_t stream_type = 0;
  StreamKind kind = StreamKind::unknown;
  std::string language;
  bool present = false;    // packets were seen
  bool scrambled = false;  // more of them scrambled than clear
  std::optional<CodecDetails> codec;
};

struct ServiceInfo {
  std::uint16_t program_number = 0;
  std::string name;
  std::string provider;
  std::uint8_t service_type = 0;
  bool free_ca_mode = false;
  Pid pmt_pid = kNullPid;
  bool has_pmt = false;  // else what follows is empty
  Pid pcr_pid = kNullPid;
  std::vector<StreamInfo> streams;
  std::vector<CaSystem> ca;          // of its PMT, with the PIDs of ECMs
  std::optional<std::uint16_t> lcn;  // by the NIT of this network
  bool lcn_visible = true;
  std::string virtual_channel;  // "7.1", by ATSC's VCT
  double bitrate = 0;           // bit/s of its PMT, streams and PCR; what services share counts for each
};

struct PcrInfo {
  std::uint64_t count = 0;
  double interval_max_ms = 0;
  double interval_avg_ms = 0;
  std::uint64_t over_40ms = 0;                  // ETSI TS 101 154 and TR 101 290 of old ask for 40 ms
  std::uint64_t over_100ms = 0;                 // ISO/IEC 13818-1 2.7.2
  std::uint64_t discontinuities = 0;            // jumps: backwards or more than a second ahead, not signalled
  std::uint64_t signalled_discontinuities = 0;  // PCRs with discontinuity_indicator
  std::uint64_t wraps = 0;
  std::optional<PcrAccuracyInfo> accuracy;  // of files
  std::optional<double> jitter_ms;          // peak to peak, of arrival against PCR; needs arrival times
};

struct PidInfo {
  Pid pid;
  std::string label;  // "PAT", "PMT", a stream kind, "null", "" where nothing refers to it
  std::uint64_t packets = 0;
  std::uint64_t cc_errors = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t transport_errors = 0;
  std::uint64_t scrambled = 0;
  double bitrate = 0;  // bit/s, 0 where the duration is unknown
  std::optional<PcrInfo> pcr;
  std::optional<TstdInfo> tstd;  // of a file's video, audio and PMTs, where a decoder was modelled
};

struct TableInfo {
  Pid pid;
  std::uint8_t table_id = 0;
  std::string name;
  std::uint64_t count = 0;
};

// A splice information section and how often it came.
struct CueInfo {
  Pid pid;
  std::uint16_t program_number = 0;  // 0: of no program known
  std::uint64_t count = 0;
  double time_s = 0;              // of the first, since the beginning
  std::optional<Pts90kHz> clock;  // the program's PCR when it first came
  SpliceInfo info;
  // How far its time lies ahead of that clock, in seconds; negative: it is over.
  std::optional<double> ahead_s() const noexcept;
};

inline constexpr std::size_t kMaxCues = 256;

struct StreamReport {
  std::size_t packet_size = kPacketSize;  // of the file: 188, 192 or 204
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;  // in packets of 188
  std::uint64_t skipped_bytes = 0;
  std::uint64_t sync_losses = 0;
  std::uint64_t sync_byte_errors = 0;
  std::uint64_t transport_errors = 0;
  std::uint64_t cc_errors = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t scrambled = 0;
  std::uint64_t null_packets = 0;
  std::uint64_t crc_errors = 0;
  std::uint64_t discontinuity_indicators = 0;
  std::optional<std::uint16_t> transport_stream_id;
  std::optional<std::uint16_t> original_network_id;
  std::vector<ServiceInfo> services;     // in order of program_number
  std::vector<PidInfo> pids;             // in order of PID
  std::vector<TableInfo> tables;         // in order of PID and table_id; damaged ones not counted
  std::vector<CueInfo> cues;             // as they came; at most kMaxCues different ones
  std::uint64_t cues_beyond = 0;         // further ones
  std::uint64_t cues_damaged = 0;        // whose CRC or form is wrong
  double duration_s = 0;                 // from PCR, else from arrivals; 0 where neither says
  double bitrate = 0;                    // bit/s of 188-byte packets
  SiReport si;                           // what the tables say
  std::uint64_t cc_lost = 0;             // packets that their counters say are missing
  std::optional<DeliveryInfo> delivery;  // of datagrams, from a whole second on
  // By the stream's own time (PCR) for files, the arrival's for live streams.
  IndicatorCounts tr101290;
  std::array<bool, kIndicatorCount> unmeasured{};  // by Indicator: nothing of it could be judged here
};

}  // namespace headgate::mpegts
