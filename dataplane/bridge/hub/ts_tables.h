// Follows the tables of one channel's packets for TsFeed: the sections in force and their counters, so that
// they can be sent in front of packets of a moment ago, and the PID whose random access points count.
// References: ISO/IEC 13818-1:2022 2.4.3.3 (continuity_counter), 2.4.3.5 (random_access_indicator), 2.4.4
// (PAT, PMT). Threading: owned by one thread. Memory: kMaxPrograms sections of at most 1 KiB, and an
// assembler each.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "mpegts/packet/ts_packet.h"
#include "mpegts/psi/section.h"
#include "mpegts/psi/tables.h"

namespace headgate::bridge::hub {

class TsTables : private mpegts::SectionSink {
 public:
  static constexpr std::size_t kMaxPrograms = 64;

  TsTables();
  ~TsTables() override;

  void on_packet(const mpegts::TsPacket& packet);
  void on_gap();

  // Whether a random access point of the service begins in this packet: of its video, without video of its
  // sound. The service is the lowest with video, else the lowest with sound. random_access_indicator says it,
  // also of scrambled streams; without it the sequence header or parameter set at the beginning of a PES
  // packet.
  bool begins_random_access(const mpegts::TsPacket& packet) const;
  // The counters before the packets that follow; packets() continues them.
  struct Mark {
    struct Table {
      mpegts::Pid pid;
      std::uint8_t continuity = 0;
      std::vector<std::uint8_t> section;
    };
    std::vector<Table> tables;
  };
  Mark mark() const;
  // This packet, which was taken before the mark was made, is to come behind what packets() makes.
  static void rewind(Mark& mark, const mpegts::TsPacket& packet);
  // Whole transport packets of the tables of that moment: PAT first, numbered so that the next of each PID
  // goes on without an error.
  static std::vector<std::uint8_t> packets(const Mark& mark);

 private:
  struct Program {
    std::uint16_t number = 0;
    mpegts::Pid pid;
    mpegts::SectionAssembler assembler;
    std::vector<std::uint8_t> section;
    std::optional<mpegts::Pmt> pmt;
    std::uint8_t continuity = 0;
  };

  void on_section(mpegts::Pid pid, std::span<const std::uint8_t> section) noexcept override;
  void on_crc_error(mpegts::Pid) noexcept override {}
  void take_pat(std::span<const std::uint8_t> section);
  void choose();

  mpegts::SectionAssembler pat_assembler_{mpegts::kPatPid};
  std::vector<std::uint8_t> pat_;
  std::uint8_t pat_continuity_ = 0;
  std::vector<std::unique_ptr<Program>> programs_;  // by number
  mpegts::Pid watched_ = mpegts::kNullPid;
  mpegts::StreamKind watched_kind_ = mpegts::StreamKind::unknown;
  std::vector<bool> is_pmt_;
};

}  // namespace headgate::bridge::hub
