// The indicators of ETSI TR 101 290 V1.4.1 5.2 that need tables and time, of a stream of any number of
// programs: PAT, PMT, PID, CRC, PTS, CAT, and of the third priority NIT, SDT, EIT, RST, TDT, SI repetition
// and unreferenced PIDs. What each counts and its limits: indicators.h. An absence counts once until it ends.
// The caller counts what it sees of each packet itself (sync, continuity, transport_error, PCR). Threading:
// owned by one thread; no clock of its own. Memory: all from the constructor on, but for what a PMT, PAT or
// CAT with new content takes while it is read; PIDs, programs and sub-tables beyond Limits stay unjudged.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "mpegts/monitor/indicators.h"
#include "mpegts/packet/ts_packet.h"

namespace headgate::mpegts {

class StreamMonitor {
 public:
  struct Limits {
    std::size_t pids = 1024;        // of tables, streams, and unknown ones
    std::size_t programs = 256;     // PMTs: 5 KiB each
    std::size_t sub_tables = 1024;  // sections of SI that are told apart
  };
  // start_ns: from then on things are missed.
  explicit StreamMonitor(const Limits& limits, std::int64_t start_ns = 0);
  ~StreamMonitor();

  // How much of a PID on_packet() is to see: nothing; the first packet since the last on_time(); that and
  // those in which a PES packet begins; everything.
  enum class Interest : std::uint8_t { none, first, starts, all };
  // For callers that have a place of their own for each PID.
  Interest interest(Pid pid) const noexcept;
  // Whether a PMT says that this PID carries splice information (SCTE 35), for a CueTap.
  bool carries_cues(Pid pid) const noexcept;
  // Another number whenever interests may be others.
  std::uint32_t interests() const noexcept;
  // Whether on_packet() is to see this packet, for callers that have none. Not for packets with
  // transport_error.
  bool wants(const TsPacket& packet) noexcept;
  // now_ns: never goes back.
  void on_packet(const TsPacket& packet, std::int64_t now_ns) noexcept;
  // Judges what has not come; as often as absences are to be known.
  void on_time(std::int64_t now_ns) noexcept;

  const IndicatorCounts& counts() const noexcept;
  // What PAT and PMTs name, by program and PID, each once: PMT, streams, PCR. Holds until the next
  // on_packet().
  struct ProgramPid {
    std::uint16_t program_number = 0;
    Pid pid;
    auto operator<=>(const ProgramPid&) const = default;
  };
  std::span<const ProgramPid> program_pids() const noexcept;
  // False where what the indicator waits for never came and the time was too short to miss it.
  bool judged(Indicator indicator, std::int64_t now_ns) const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate::mpegts
