// Makes one transport stream of constant rate out of several of one program: tables of its own (PAT, PMT,
// SDT, NIT, TDT, TOT), the members' EIT, their tracks in rows of PIDs of their own, null packets between
// them. The rate is that of the node's clock; each program keeps its own clock, whose PCRs are made anew at
// the positions they leave at (RateSchedule). Where more comes than may leave, members have their shares: who
// is over his own waits, and loses padding, then data, then audio and video; the others neither wait nor
// lose. There is no CAT: EMMs are not merged. docs/multiplex.md tells the rules. References: ISO/IEC
// 13818-1:2022 2.4.3.5, 2.4.4; EN 300 468 V1.17.1 5.1.4; TR 101 211 4.4 (repetition rates). Threading: owned
// by one thread. on_packet() and pop() allocate where a table changed, and nowhere else. Ownership: members
// belong to the caller and outlive the adoption of places without them.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "mpegts/mux/multiplex_member.h"
#include "mpegts/mux/multiplex_tables.h"
#include "mpegts/mux/rate_schedule.h"

namespace headgate::mpegts {

class Multiplexer {
 public:
  static constexpr std::int64_t kPatPmtNs = 90'000'000;    // TS 101 154 4.1.7: 100 ms
  static constexpr std::int64_t kSdtNs = 1'000'000'000;    // TR 101 211 4.4: 2 s
  static constexpr std::int64_t kNitNs = 5'000'000'000;    // 10 s
  static constexpr std::int64_t kTimeNs = 10'000'000'000;  // 30 s
  // Between two sections of a sub_table, EN 300 468 5.1.4.1.
  static constexpr std::int64_t kSectionGapNs = 25'000'000;
  static constexpr std::int64_t kMostWaitNs = 500'000'000;  // of a member over its share
  using Datagram = RateSchedule::Datagram;

  Multiplexer(const MultiplexIdentity& identity, std::uint64_t bitrate_bps);
  ~Multiplexer();
  // What a member's lane holds at most, for its constructor.
  static std::size_t most_packets(std::uint64_t bitrate_bps) noexcept;

  // From here on these are the members; at most PidBlock::kCount, each with a row and a service_id of its
  // own.
  void adopt(std::vector<MultiplexPlace> places);
  const std::vector<MultiplexPlace>& places() const noexcept;

  // `due_ns`: Unix time at which it would leave by itself; rising for each member.
  void on_packet(MultiplexMember& member, const TsPacket& packet, std::int64_t due_ns) noexcept {
    member.on_packet(packet, due_ns);
  }
  // One datagram whose departure has come. Everything due by then is there before. `utc_ns`: what TDT and TOT
  // say, which may step where `now_ns` doesn't.
  bool pop(std::int64_t now_ns, std::int64_t utc_ns, Datagram& out) noexcept;
  // Of the next datagram; INT64_MIN before the first pop().
  std::int64_t next_departure_ns() const noexcept;

  struct Counters {
    std::uint64_t packets = 0;  // all that was sent
    std::uint64_t nulls = 0;    // of them, null packets and those that carry a PCR alone
    std::uint64_t tables = 0;   // of them, PSI and SI
  };
  Counters counters() const noexcept;
  // As RateSchedule's.
  std::optional<std::uint64_t> take_pcr_accuracy_max() noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate::mpegts
