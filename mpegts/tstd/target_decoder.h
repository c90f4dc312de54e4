// The transport stream system target decoder (T-STD) of all programs of a stream whose bytes arrive by its
// PCRs, as those of a file do: per stream TB_n and what is behind it, per program TB_sys and B_sys.
// docs/tstd.md says what is modelled. Reference: ISO/IEC 13818-1:2022 2.4.2. Threading: owned by one thread.
// Memory: at most kMostStreams streams and kMostPrograms programs, each bounded.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "mpegts/psi/tables.h"
#include "mpegts/tstd/program_time.h"
#include "mpegts/tstd/stream_buffers.h"
#include "mpegts/tstd/tstd_model.h"
#include "mpegts/tstd/tstd_report.h"

namespace headgate::mpegts {

class TargetDecoder {
 public:
  static constexpr std::size_t kMostStreams = 128;
  static constexpr std::size_t kMostPrograms = 64;
  static constexpr std::size_t kMostWaiting = 16'384;  // packets of a program between two PCRs

  TargetDecoder();
  // What a PMT says now. Video and audio are modelled.
  void on_pmt(Pid pmt_pid, const Pmt& pmt);
  // In order, before the packet it stands in. number: of that packet. step: ticks since the PID's PCR before;
  // nothing: the clock jumped, or it is the first.
  void on_pcr(Pid pid, Pcr27MHz pcr, std::optional<std::uint64_t> step, std::uint64_t number);
  // duplicate: the packet before once more. lost: packets of its PID are missing before it.
  void on_packet(const TsPacket& packet, std::uint64_t number, bool duplicate, bool lost);
  // No more comes. What is behind a program's last PCR has no time and isn't judged.
  void finish();

  // Of a video or audio PID; of a PMT's PID, its program's system data.
  std::optional<TstdInfo> info(Pid pid) const;

 private:
  struct Waiting {
    StreamPacket packet;
    std::uint16_t stream;  // kSystem and above: a program's system data
  };
  struct Clock {
    ProgramTime time;
    std::vector<Waiting> waiting;
    std::vector<std::uint16_t> streams;
  };
  struct Program {
    Pid pmt_pid = kNullPid;
    Pid pcr_pid = kNullPid;
    SystemBuffers system{0};
    bool judged = false;
  };
  static constexpr std::uint16_t kNone = 0xFFFF;
  static constexpr std::uint16_t kSystem = 0x8000;

  // A stream that two programs share counts by the clock of the first, but by its own PCRs where it has some.
  void add_stream(const PmtStream& stream, Pid pcr_pid, std::uint16_t program);
  void wait(Pid pcr_pid, const StreamPacket& packet, std::uint16_t target);

  std::array<std::uint16_t, kPidCount> stream_of_;
  std::size_t pes_bytes_ = 0;
  std::vector<std::unique_ptr<StreamBuffers>> streams_;
  std::vector<Pid> clock_of_;            // the PID whose PCRs a stream has
  std::vector<std::uint16_t> owner_of_;  // the program that says what it is
  std::vector<Program> programs_;
  std::map<std::uint16_t, std::size_t> program_of_;  // by program_number
  std::map<Pid, Clock> clocks_;
};

}  // namespace headgate::mpegts
