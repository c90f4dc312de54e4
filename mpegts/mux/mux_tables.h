// The tables of a ProgramMuxer: PAT, PMT and SDT of one program, whose versions rise whenever their content
// changes, and the PIDs. References: ISO/IEC 13818-1:2022 2.4.4, table 2-34 (stream_type), 2.6.18 (language);
// EN 300 468 5.2.3, 6.2.33 (service), Annex D (AC-3, Enhanced AC-3), Annex H (AAC). Threading: owned by one
// thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "mpegts/mux/program_muxer.h"
#include "mpegts/psi/versioned_table.h"

namespace headgate::mpegts {

class MuxTables {
 public:
  static constexpr Pid kPmtPid{0x1000};
  static constexpr Pid kVideoPid{0x100};
  static constexpr Pid kAudioPid{0x101};  // of a program without video too, so that video may come later

  struct Stream {
    Pid pid;
    std::uint8_t stream_id = 0;  // of its PES packets (table 2-22)
    bool operator==(const Stream&) const = default;
  };

  // Where a track goes, which follows from its place and kind alone.
  static std::vector<Stream> streams_of(const MuxProgram& program);

  void set(const MuxProgram& program);
  // Empty before set().
  std::span<const std::uint8_t> pat() const { return pat_.section(); }
  std::span<const std::uint8_t> pmt() const { return pmt_.section(); }
  std::span<const std::uint8_t> sdt() const { return sdt_.section(); }

 private:
  VersionedTable pat_;
  VersionedTable pmt_;
  VersionedTable sdt_;
};

}  // namespace headgate::mpegts
