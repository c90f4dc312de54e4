// What an analysis of a transport stream found: plain values for `headgate probe` and for tests.
// References: ISO/IEC 13818-1:2022, EN 300 468, ETSI TR 101 290 V1.4.1 5.2 (the indicators' names are its
// own). Threading: values.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mpegts/psi/tables.h"

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
  std::optional<double> jitter_ms;  // peak to peak, of arrival against PCR; needs arrival times
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
};

struct TableInfo {
  Pid pid;
  std::uint8_t table_id = 0;
  std::string name;
  std::uint64_t count = 0;
};

// What is late by TR 101 290 5.2. The absence of a PID is for the user to set there.
inline constexpr std::chrono::milliseconds kTableLimit{500};  // 1.3.a, 1.5.a
inline constexpr std::chrono::milliseconds kPidLimit{5000};   // 1.6
inline constexpr std::chrono::milliseconds kPcrLimit{100};    // 2.3a
inline constexpr std::chrono::milliseconds kPtsLimit{700};    // 2.5

// Counts of TR 101 290 5.2. Times are the stream's own (PCR) for files, the arrival's for live streams.
struct Tr101290 {
  // First priority.
  std::uint64_t ts_sync_loss = 0;
  std::uint64_t sync_byte_error = 0;
  std::uint64_t pat_error = 0;  // PAT_error_2: over 0.5 s apart, another table on PID 0, or scrambled
  std::uint64_t continuity_count_error = 0;
  std::uint64_t pmt_error = 0;  // PMT_error_2: over 0.5 s apart on a PID of the PAT, or scrambled
  std::uint64_t pid_error = 0;  // video or audio of a PMT absent for 5 s
  // Second priority.
  std::uint64_t transport_error = 0;
  std::uint64_t crc_error = 0;
  std::uint64_t pcr_repetition_error = 0;               // over 100 ms; see PcrInfo for 40 ms
  std::uint64_t pcr_discontinuity_indicator_error = 0;  // consecutive PCRs outside 0..100 ms, not signalled
  std::uint64_t pts_error = 0;                          // video or audio PES with PTS over 700 ms apart
  std::uint64_t cat_error = 0;  // scrambled packets without CAT, or another table on PID 1
};

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
  std::vector<ServiceInfo> services;  // in order of program_number
  std::vector<PidInfo> pids;          // in order of PID
  std::vector<TableInfo> tables;      // in order of PID and table_id; damaged ones not counted
  double duration_s = 0;              // from PCR, else from arrivals; 0 where neither says
  double bitrate = 0;                 // bit/s of 188-byte packets
  Tr101290 tr101290;
};

}  // namespace headgate::mpegts
