// What an input's own PAT, PMT and SDT say now, as bytes and as values (ISO/IEC 13818-1:2022 2.4.4, EN 300
// 468 5.2.3). Follows one program: where the PAT lists several, it says so and follows none. Threading: owned
// by one thread. on_packet() allocates only where a table changed.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "mpegts/psi/section.h"
#include "mpegts/psi/tables.h"
#include "mpegts/psi/versioned_table.h"

namespace headgate::mpegts::remux {

class InputTables final : public SectionSink {
 public:
  // True where PAT or PMT say something new.
  bool on_packet(const TsPacket& packet) noexcept;

  // Programs of the PAT: 0 before it came, 2 for any number above 1.
  int programs() const noexcept { return programs_; }
  // The single program: all three tell of one stream.
  bool ready() const noexcept { return programs_ == 1 && pmt_.has_value(); }
  const Pat& pat() const noexcept { return pat_; }
  std::span<const std::uint8_t> pat_section() const noexcept { return pat_section_; }
  Pid pmt_pid() const noexcept { return pmt_pid_; }
  const Pmt& pmt() const noexcept { return *pmt_; }
  std::uint16_t program_number() const noexcept { return program_number_; }
  // kNullPid where there is none.
  Pid pcr_pid() const noexcept { return pmt_ ? pmt_->pcr_pid : kNullPid; }
  // SDT actual by section_number; empty where it did not come.
  std::span<const std::vector<std::uint8_t>> sdt() const noexcept { return sdt_.sections(); }

 private:
  void on_section(Pid pid, std::span<const std::uint8_t> section) noexcept override;
  void on_crc_error(Pid) noexcept override {}
  void take_pat(std::span<const std::uint8_t> section);
  void take_pmt(std::span<const std::uint8_t> section);

  SectionAssembler pat_assembler_{kPatPid};
  SectionAssembler pmt_assembler_{kNullPid};
  SectionAssembler sdt_assembler_{kSdtPid};
  int programs_ = 0;
  Pat pat_;
  std::vector<std::uint8_t> pat_section_;
  std::uint16_t program_number_ = 0;
  Pid pmt_pid_ = kNullPid;
  std::optional<Pmt> pmt_;
  std::vector<std::uint8_t> pmt_section_;
  TableCollector sdt_{1024};  // EN 300 468 5.1.1
  bool changed_ = false;
};

}  // namespace headgate::mpegts::remux
