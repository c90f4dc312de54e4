// The indicators of ETSI TR 101 290 V1.4.1 5.2.1 to 5.2.3 in its order: names, numbers, limits. Where the
// report has both an old form and a new one (PAT_error and PAT_error_2), the new one is meant. Threading:
// constants and values.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace headgate::mpegts {

enum class Indicator : std::uint8_t {
  ts_sync_loss,
  sync_byte_error,
  pat_error,
  continuity_count_error,
  pmt_error,
  pid_error,
  transport_error,
  crc_error,
  pcr_repetition_error,
  pcr_discontinuity_indicator_error,
  pcr_accuracy_error,
  pts_error,
  cat_error,
  nit_actual_error,
  nit_other_error,
  si_repetition_error,
  buffer_error,
  unreferenced_pid,
  sdt_actual_error,
  sdt_other_error,
  eit_actual_error,
  eit_other_error,
  eit_pf_error,
  rst_error,
  tdt_error,
  empty_buffer_error,
  data_delay_error,
  kCount
};
inline constexpr std::size_t kIndicatorCount = static_cast<std::size_t>(Indicator::kCount);

// Limits. The absence of a PID is for the user to set (1.6), as is the interval of tables of other transport
// streams (10 s or more: 3.1.b, 3.5.b, 3.6.b). DEVIATES: 2.6: no time is given there for a CAT to come in;
// that of PAT and PMT is taken.
// DEVIATES: 3.1.a, 3.5.a, 3.6.a: two sections within 25 ms count only where they are the same one again:
// tables of several sections, and those of several services, are sent in one run.
inline constexpr std::chrono::milliseconds kTableLimit{500};         // 1.3.a, 1.5.a
inline constexpr std::chrono::milliseconds kPidLimit{5000};          // 1.6
inline constexpr std::chrono::milliseconds kPcrLimit{100};           // 2.3a, 2.3b
inline constexpr std::chrono::nanoseconds kPcrAccuracyLimit{500};    // 2.4
inline constexpr std::chrono::milliseconds kPtsLimit{700};           // 2.5
inline constexpr std::chrono::milliseconds kCatLimit{500};           // 2.6
inline constexpr std::chrono::milliseconds kNitLimit{10'000};        // 3.1.a
inline constexpr std::chrono::milliseconds kOtherLimit{10'000};      // 3.1.b, 3.5.b, 3.6.b
inline constexpr std::chrono::milliseconds kSectionGap{25};          // 3.1.a, 3.2, 3.5.a, 3.6.a, 3.7, 3.8
inline constexpr std::chrono::milliseconds kUnreferencedLimit{500};  // 3.4.a
inline constexpr std::chrono::milliseconds kSdtLimit{2000};          // 3.5.a
inline constexpr std::chrono::milliseconds kEitLimit{2000};          // 3.6.a
inline constexpr std::chrono::milliseconds kTdtLimit{30'000};        // 3.8; TOT too (3.2)
inline constexpr std::chrono::milliseconds kBatLimit{10'000};        // 3.2

// Whether a live stream can be judged by it: of a constant rate that is no more than received the arrival
// says nothing of 500 ns, nor of when a decoder's buffers would have each byte.
constexpr bool measured_live(Indicator indicator) noexcept {
  return indicator != Indicator::pcr_accuracy_error && indicator != Indicator::buffer_error &&
         indicator != Indicator::empty_buffer_error && indicator != Indicator::data_delay_error;
}

struct IndicatorInfo {
  Indicator indicator;
  std::string_view label;  // in JSON and metrics: never renamed
  std::string_view name;   // the report's
  std::string_view clause;
  std::uint8_t priority;
  std::string_view what;  // what is counted
};

inline constexpr std::array<IndicatorInfo, kIndicatorCount> kIndicators{{
    {Indicator::ts_sync_loss, "ts_sync_loss", "TS_sync_loss", "1.1", 1, "two wrong sync bytes in a row"},
    {Indicator::sync_byte_error, "sync_byte_error", "Sync_byte_error", "1.2", 1,
     "a packet that does not begin with 0x47"},
    {Indicator::pat_error, "pat_error", "PAT_error_2", "1.3.a", 1,
     "over 500 ms apart, another table on PID 0, or scrambled"},
    {Indicator::continuity_count_error, "continuity_count_error", "Continuity_count_error", "1.4", 1,
     "a counter that is not the next one; a packet sent more than twice"},
    {Indicator::pmt_error, "pmt_error", "PMT_error_2", "1.5.a", 1,
     "over 500 ms apart on a PID of the PAT, or scrambled"},
    {Indicator::pid_error, "pid_error", "PID_error", "1.6", 1, "video or audio of a PMT absent over 5000 ms"},
    {Indicator::transport_error, "transport_error", "Transport_error", "2.1", 2,
     "transport_error_indicator set"},
    {Indicator::crc_error, "crc_error", "CRC_error", "2.2", 2, "a table whose CRC_32 is wrong"},
    {Indicator::pcr_repetition_error, "pcr_repetition_error", "PCR_repetition_error", "2.3a", 2,
     "over 100 ms apart"},
    {Indicator::pcr_discontinuity_indicator_error, "pcr_discontinuity_indicator_error",
     "PCR_discontinuity_indicator_error", "2.3b", 2, "a step outside 0 to 100 ms that is not signalled"},
    {Indicator::pcr_accuracy_error, "pcr_accuracy_error", "PCR_accuracy_error", "2.4", 2,
     "a PCR over 500 ns from its place in a constant rate"},
    {Indicator::pts_error, "pts_error", "PTS_error", "2.5", 2, "video or audio PTS over 700 ms apart"},
    {Indicator::cat_error, "cat_error", "CAT_error", "2.6", 2,
     "scrambled packets and no CAT, or another table on PID 1"},
    {Indicator::nit_actual_error, "nit_actual_error", "NIT_actual_error", "3.1.a", 3,
     "none for 10 s, a section again within 25 ms, another table on PID 16"},
    {Indicator::nit_other_error, "nit_other_error", "NIT_other_error", "3.1.b", 3,
     "a section over 10 s after the last"},
    {Indicator::si_repetition_error, "si_repetition_error", "SI_repetition_error", "3.2", 3,
     "a section of NIT, BAT, SDT, EIT p/f, RST, TDT or TOT again too late or within 25 ms"},
    {Indicator::buffer_error, "buffer_error", "Buffer_error", "3.3", 3,
     "a buffer of the T-STD too full, or an access unit not whole at its time"},
    {Indicator::unreferenced_pid, "unreferenced_pid", "Unreferenced_PID_2", "3.4.a", 3,
     "a PID that no table names within 500 ms"},
    {Indicator::sdt_actual_error, "sdt_actual_error", "SDT_actual_error", "3.5.a", 3,
     "none for 2 s, a section again within 25 ms, another table on PID 17"},
    {Indicator::sdt_other_error, "sdt_other_error", "SDT_other_error", "3.5.b", 3,
     "a section over 10 s after the last"},
    {Indicator::eit_actual_error, "eit_actual_error", "EIT_actual_error", "3.6.a", 3,
     "present or following of a service absent 2 s or again within 25 ms, another table on PID 18"},
    {Indicator::eit_other_error, "eit_other_error", "EIT_other_error", "3.6.b", 3,
     "a section over 10 s after the last"},
    {Indicator::eit_pf_error, "eit_pf_error", "EIT_PF_error", "3.6.c", 3,
     "present without following, or following without present"},
    {Indicator::rst_error, "rst_error", "RST_error", "3.7", 3,
     "a section again within 25 ms, another table on PID 19"},
    {Indicator::tdt_error, "tdt_error", "TDT_error", "3.8", 3,
     "none for 30 s, again within 25 ms, another table on PID 20"},
    {Indicator::empty_buffer_error, "empty_buffer_error", "Empty_buffer_error", "3.9", 3,
     "a transport or multiplexing buffer not empty for over a second"},
    {Indicator::data_delay_error, "data_delay_error", "Data_delay_error", "3.10", 3,
     "data over a second in the buffers: 10 s H.264, HEVC, LATM, 60 s still pictures"},
}};

// Counts by indicator.
class IndicatorCounts {
 public:
  constexpr std::uint64_t& operator[](Indicator i) noexcept { return counts_[static_cast<std::size_t>(i)]; }
  constexpr std::uint64_t operator[](Indicator i) const noexcept {
    return counts_[static_cast<std::size_t>(i)];
  }
  bool operator==(const IndicatorCounts&) const = default;

 private:
  std::array<std::uint64_t, kIndicatorCount> counts_{};
};

}  // namespace headgate::mpegts
