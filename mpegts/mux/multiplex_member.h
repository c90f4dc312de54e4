// One service on its way into a multiplex: takes a stream of one program, moves it into a row of PIDs of its
// own and lets it wait there. Of several programs the one with the lowest program_number is taken.
// References: ISO/IEC 13818-1:2022 2.4.3.3 (continuity_counter), 2.4.4 (PSI); EN 300 468 V1.17.1 5.2.3 (SDT),
// 5.2.4 (EIT). Threading: owned by one thread. Allocates in the constructor, and where a table changed.
// Used by Multiplexer alone.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "mpegts/mux/drop_rank.h"
#include "mpegts/mux/eit_queue.h"
#include "mpegts/mux/packet_lane.h"
#include "mpegts/mux/pid_block.h"
#include "mpegts/packet/ts_packet.h"
#include "mpegts/psi/section.h"
#include "mpegts/psi/tables.h"
#include "mpegts/psi/versioned_table.h"
#include "mpegts/si/sdt.h"

namespace headgate::mpegts {

// Of a table that begins at this Unix time: receivers know versions of before a restart, which could be
// others' content.
constexpr std::uint8_t first_version(std::int64_t unix_ns) noexcept {
  return static_cast<std::uint8_t>(unix_ns / 1'000'000'000 & 0x1F);
}

class MultiplexMember final : private SectionSink {
 public:
  // What doesn't change in its life.
  struct Identity {
    std::uint16_t service_id = 0;
    std::size_t pid_block = 0;  // below PidBlock::kCount
    // Of the multiplex, for the EIT.
    std::uint16_t transport_stream_id = 0;
    std::uint16_t original_network_id = 0;
    bool operator==(const Identity&) const = default;
  };
  // `most_packets`: may wait, at most.
  MultiplexMember(const Identity& identity, std::size_t most_packets);

  const Identity& identity() const noexcept { return identity_; }
  Pid pmt_pid() const noexcept { return block_.pmt(); }

  // `due_ns`: Unix time; rising.
  void on_packet(const TsPacket& packet, std::int64_t due_ns) noexcept;

  // Its PMT under its own service_id and PIDs; empty until the first one came.
  const VersionedTable& pmt() const noexcept { return pmt_; }
  // What the SDT is made of.
  struct Service {
    std::optional<SdtService> source;  // as the source describes it
    std::uint8_t service_type = 0;     // told from the tracks: table 87
    bool scrambled = false;            // a CA_descriptor says so
    bool eit_present_following = false;
    bool eit_schedule = false;
  };
  const Service& service() const noexcept { return service_; }
  // local_time_offset_descriptors and whatever else the source's TOT has.
  const Descriptors& time_offsets() const noexcept { return time_offsets_; }
  // Counts changes of pmt(), service() and time_offsets().
  std::uint64_t changes() const noexcept { return changes_; }

  PacketLane& lane() noexcept { return lane_; }
  const PacketLane& lane() const noexcept { return lane_; }
  EitQueue& eit() noexcept { return eit_; }

  struct Counters {
    std::uint64_t came = 0;  // packets of the service, tables left out
    std::uint64_t sent = 0;
    std::array<std::uint64_t, kDropRanks> dropped{};  // by DropRank: over its share
    std::uint64_t eit_dropped = 0;                    // sections that came faster than they may leave
    std::uint64_t all_dropped() const noexcept;
  };
  const Counters& counters() const noexcept { return counters_; }
  void note_sent() noexcept { ++counters_.sent; }
  std::int64_t last_packet_ns() const noexcept { return last_ns_; }  // 0: none came yet

 private:
  static constexpr std::uint8_t kDrop = 0xFF;  // above all places of a row
  static constexpr std::uint8_t kTable = 0xFE;
  // Of a place in the row.
  struct Track {
    DropRank rank = DropRank::data;
    bool cutting = false;
    bool joined = false;  // the counter goes on from where it was
    bool used = false;    // packets were sent
    std::uint8_t shift = 0;
    std::uint8_t counter = 0;  // of the latest packet
  };

  void on_section(Pid pid, std::span<const std::uint8_t> section) noexcept override;
  void on_crc_error(Pid) noexcept override {}
  void on_table(const TsPacket& packet, std::int64_t due_ns) noexcept;
  void on_pat(std::span<const std::uint8_t> section);
  void on_pmt(std::span<const std::uint8_t> section);
  void on_sdt(std::span<const std::uint8_t> section);
  void on_eit(std::span<const std::uint8_t> section) noexcept;
  void on_tot(std::span<const std::uint8_t> section);
  void take_pmt(const Pmt& pmt);
  void set_route(Pid from, Pid to, DropRank rank) noexcept;
  void send(const TsPacket& packet, std::uint8_t place, std::int64_t due_ns) noexcept;
  void send_pcr_alone(const TsPacket& packet, std::int64_t due_ns) noexcept;

  Identity identity_;
  PidBlock block_;
  PacketLane lane_;
  EitQueue eit_;

  SectionAssembler pat_assembler_{kPatPid};
  SectionAssembler sdt_assembler_{kSdtPid};
  SectionAssembler eit_assembler_{kEitPid};
  SectionAssembler tot_assembler_{kTdtPid};
  SectionAssembler pmt_assembler_{kNullPid};

  // Of the source.
  std::uint32_t pat_crc_ = 0;
  std::uint32_t pmt_crc_ = 0;
  std::array<std::uint32_t, 256> sdt_crc_{};  // by section_number
  TableCollector pat_{1024};
  std::optional<std::uint16_t> program_;
  Pid source_pmt_pid_ = kNullPid;
  Pid source_pcr_pid_ = kNullPid;
  std::array<std::uint8_t, kPidCount> route_;
  std::array<Track, PidBlock::kSize> tracks_{};

  VersionedTable pmt_;
  Service service_;
  Descriptors time_offsets_;
  std::uint64_t changes_ = 0;
  Counters counters_;
  std::int64_t last_ns_ = 0;
};

}  // namespace headgate::mpegts
