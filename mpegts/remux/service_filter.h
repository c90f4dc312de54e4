// Cuts one service out of a stream and makes of it what the map says (ISO/IEC 13818-1:2022 2.4.4, EN 300 468
// 5.2.3, 5.2.4). PAT, PMT and SDT are its own: of the service alone, repeated at intervals of its own
// whatever the input's are, and their versions rise when and only when their content changes. Of the EIT the
// sections of the service pass (actual: present/following and schedule), packed anew; elementary streams, PCR
// and ECM PIDs and TDT/TOT pass bit-exact, everything else is left out. With options, PIDs (PidMap),
// service_id, texts and conditional access are the map's: packets then change in PID and continuity_counter,
// never in payload. Follows PAT and PMT changes at run time. Used on the fast path's worker: on_packet() does
// not allocate except when a table changed. Threading: owned by one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>

#include "mpegts/packet/ts_packet.h"
#include "mpegts/remux/remux_options.h"

namespace headgate::mpegts {

// The one with the lowest program_number, until it goes.
struct LowestService {
  bool operator==(const LowestService&) const = default;
};

// A service by program_number, or by its name in the SDT (compared after trimming, ASCII case ignored).
struct ServiceSelector {
  std::variant<std::uint16_t, std::string, LowestService> value;
  bool operator==(const ServiceSelector&) const = default;
};

class ServiceFilter {
 public:
  // Of its tables. TS 101 154 4.1.7 allows PAT and PMT 100 ms, TR 101 211 4.4 the SDT 2 s; they leave with
  // the input's next packet. EN 300 468 5.1.4 asks for 25 ms between two sections of a table.
  static constexpr std::int64_t kTablesEveryNs = 90'000'000;
  static constexpr std::int64_t kSdtEveryNs = 1'000'000'000;
  static constexpr std::int64_t kSectionGapNs = 25'000'000;
  // Of the CAT, for which no standard has an interval: receivers wait for it at a change of service.
  static constexpr std::int64_t kCatEveryNs = 250'000'000;
  // Where no SDT has come for so long behind the PMT, one is made for the texts of the map.
  static constexpr std::int64_t kSdtPatienceNs = 4'000'000'000;

  enum class Verdict : std::uint8_t {
    pass,     // send the packet as it is
    drop,     // not of this service, or left out by the map
    replace,  // send replacement() instead: packets of tables, and last the packet where it passes
  };
  enum class State : std::uint8_t { waiting_for_pat, program_not_found, waiting_for_pmt, running };

  explicit ServiceFilter(ServiceSelector selector, RemuxOptions options = {});
  ~ServiceFilter();

  // `now_ns`: rising; what the intervals of the tables are counted by.
  Verdict on_packet(const TsPacket& packet, std::int64_t now_ns) noexcept;
  // Valid until the next on_packet(): whole packets.
  std::span<const std::uint8_t> replacement() const noexcept;
  State state() const noexcept;
  // The source's, once found.
  std::optional<std::uint16_t> program_number() const noexcept;
  std::optional<Pid> pcr_pid() const noexcept;
  // Of the PAT, as far as it has come.
  std::size_t services() const noexcept;
  // Other texts from here on, "": the source's own. Costs receivers nothing but another version of the SDT.
  void set_texts(const std::string& provider, const std::string& name);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate::mpegts
