// Chooses the service that outputs of one programme carry: the lowest with clear video, else with clear audio
// (a stream of one service needs no choice). Follows PAT and PMT at run time.
// References: ISO/IEC 13818-1:2022 2.4.4.3 (PAT), 2.4.4.8 (PMT).
// Threading: owned by one thread. Memory: at most kMaxPrograms assemblers of one section each.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "mpegts/packet/ts_packet.h"
#include "mpegts/psi/section.h"
#include "mpegts/psi/tables.h"

namespace headgate::bridge::hub {

class ProgramPicker : private mpegts::SectionSink {
 public:
  static constexpr std::size_t kMaxPrograms = 64;
  static constexpr std::int64_t kPatienceNs = 2'000'000'000;  // for PMTs and clear packets of lower services

  ProgramPicker();
  ~ProgramPicker() override;

  // Every packet of the channel. True: the service, its PMT or the PAT changed.
  bool on_packet(const mpegts::TsPacket& packet, std::int64_t arrival_ns);
  // Packets were lost: tables in progress are dropped.
  void on_gap();

  // The chosen service's PMT, null before.
  const mpegts::Pmt* pmt() const { return chosen_ ? &*chosen_->pmt : nullptr; }
  mpegts::Pid pmt_pid() const { return chosen_ ? chosen_->pid : mpegts::kNullPid; }
  std::uint16_t transport_stream_id() const { return pat_ ? pat_->transport_stream_id : std::uint16_t{0}; }
  std::size_t service_count() const { return programs_.size(); }
  std::uint64_t crc_errors() const { return crc_errors_; }

 private:
  struct Program {
    std::uint16_t number = 0;
    mpegts::Pid pid;
    std::unique_ptr<mpegts::SectionAssembler> assembler;
    std::optional<mpegts::Pmt> pmt;
  };
  enum : std::uint8_t { kPmtPid = 1, kSeenClear = 2, kSeenScrambled = 4 };

  void on_section(mpegts::Pid pid, std::span<const std::uint8_t> section) noexcept override;
  void on_crc_error(mpegts::Pid pid) noexcept override;
  void take_pat(mpegts::Pat&& pat);
  void take_pmt(mpegts::Pid pid, mpegts::Pmt&& pmt);
  void choose(std::int64_t arrival_ns);
  Program* best(bool video, bool wait_for_unseen);

  mpegts::SectionAssembler pat_assembler_;
  std::optional<mpegts::Pat> pat_;
  std::vector<Program> programs_;    // by program_number
  Program* chosen_ = nullptr;        // into programs_
  std::vector<std::uint8_t> flags_;  // per PID
  std::int64_t since_ns_ = 0;        // when the PAT in force came
  std::uint64_t crc_errors_ = 0;
  bool changed_ = false;
};

}  // namespace headgate::bridge::hub
