// Repetition of DVB SI by ETSI TR 101 290 V1.4.1 5.2.3: NIT, BAT, SDT, EIT present/following, RST, TDT, TOT.
// Part of StreamMonitor. Threading: owned by one thread; nothing allocates after construction.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "mpegts/monitor/indicators.h"
#include "mpegts/monitor/section_scanner.h"
#include "mpegts/packet/ts_packet.h"

namespace headgate::mpegts {

inline constexpr Pid kRstPid{0x0013};  // EN 300 468 table 1

class SiMonitor {
 public:
  SiMonitor(std::size_t sub_tables, std::int64_t start_ns);

  static constexpr bool wants(Pid pid) noexcept { return pid >= kNitPid && pid <= kTdtPid; }
  void on_packet(const TsPacket& packet, std::int64_t now_ns, IndicatorCounts& counts) noexcept;
  void on_time(std::int64_t now_ns, IndicatorCounts& counts) noexcept;
  bool judged(Indicator indicator, std::int64_t now_ns) const noexcept;

 private:
  // A table that must be there: of the stream itself.
  struct Presence {
    Indicator indicator;
    std::uint8_t table_id;
    std::int64_t limit_ns;
    std::int64_t last_ns = 0;
    bool came = false;
    bool late = false;
  };
  // One section of one sub-table.
  struct Entry {
    std::uint64_t key = 0;
    std::int64_t first_ns = 0;
    std::int64_t last_ns = 0;
    std::uint8_t table_id = 0;
    bool alone = false;  // counted as EIT_PF_error
  };
  void on_section(Pid pid, const SectionScanner::Section& section, std::int64_t now_ns,
                  IndicatorCounts& counts) noexcept;
  void repeat(const SectionScanner::Section& section, std::int64_t now_ns, IndicatorCounts& counts) noexcept;
  void pair(Entry& entry, std::int64_t now_ns, IndicatorCounts& counts) noexcept;
  Entry* find(std::uint64_t key) noexcept;

  std::array<SectionScanner, 5> scanners_;  // from kNitPid on
  std::array<Presence, 4> presences_;
  std::vector<Entry> entries_;
  std::size_t most_entries_;
  std::int64_t start_ns_;
};

}  // namespace headgate::mpegts
