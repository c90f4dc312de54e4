// Gathers the tables of a whole stream (all programs): PAT, PMTs, SDT actual, service information, and counts
// of every table it sees. References: ISO/IEC 13818-1:2022 2.4.4, EN 300 468 5.1.3 (PIDs), table 2
// (table_ids), ATSC A/65 (PID 0x1FFB). Threading: owned by one thread. Memory: an assembler per PID with
// sections, at most 256.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "mpegts/monitor/si_collector.h"
#include "mpegts/monitor/stream_report.h"
#include "mpegts/psi/section.h"
#include "mpegts/psi/tables.h"
#include "mpegts/si/sdt.h"

namespace headgate::mpegts {

class PsiCollector final : public SectionSink {
 public:
  struct Program {
    Pid pmt_pid = kNullPid;
    std::optional<Pmt> pmt;
  };
  // What the last packet completed.
  struct Events {
    bool streams_changed = false;                 // a PMT is new or says something new
    std::vector<std::vector<std::uint8_t>> cues;  // splice information sections, unchecked
  };

  PsiCollector();
  bool wants(Pid pid) const noexcept { return assemblers_[pid.value] != nullptr; }
  Events on_packet(const TsPacket& packet, std::optional<std::int64_t> arrival_ns = std::nullopt) noexcept;

  const std::map<std::uint16_t, Program>& programs() const noexcept { return programs_; }
  const std::map<std::uint16_t, SdtService>& services() const noexcept { return services_; }
  std::optional<std::uint16_t> transport_stream_id() const noexcept { return transport_stream_id_; }
  std::optional<std::uint16_t> original_network_id() const noexcept { return original_network_id_; }
  std::uint64_t crc_errors() const noexcept { return crc_errors_; }
  SiReport si() const { return si_.report(); }
  std::vector<TableInfo> tables() const;
  bool is_pmt_pid(Pid pid) const noexcept;
  // The first program whose PMT names the PID; 0 for none.
  std::uint16_t program_of(Pid pid) const noexcept;

 private:
  void on_section(Pid pid, std::span<const std::uint8_t> section) noexcept override;
  void on_crc_error(Pid) noexcept override { ++crc_errors_; }
  void take_pat(const Pat& pat);
  void take_pmt(Pid pid, Pmt pmt);
  void take_sdt(const Sdt& sdt);
  void watch(Pid pid);
  void watch_psip();
  bool is_psip_pid(Pid pid) const noexcept;

  std::array<std::unique_ptr<SectionAssembler>, kPidCount> assemblers_;
  std::size_t watched_ = 0;
  Events events_;
  std::optional<std::int64_t> arrival_ns_;  // of the packet under way
  SiCollector si_;
  std::map<std::uint16_t, Program> programs_;
  std::map<std::uint16_t, SdtService> services_;
  std::optional<std::uint16_t> transport_stream_id_;
  std::optional<std::uint16_t> original_network_id_;
  int pat_version_ = -1;
  std::map<std::pair<std::uint16_t, std::uint8_t>, std::uint64_t> tables_;
  std::uint64_t crc_errors_ = 0;
};

}  // namespace headgate::mpegts
