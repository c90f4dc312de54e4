// Cuts one service out of a multi-program stream: PAT and SDT rewritten to it alone, its PMT, elementary
// streams, PCR and ECM PIDs and TDT/TOT passed bit-exact, everything else left out (ISO/IEC
// 13818-1:2022 2.4.4, EN 300 468 5.2.3). Follows PAT and PMT changes at run time. Used on the fast path's
// worker: on_packet() does not allocate except when a table changed. Threading: owned by one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>

#include "mpegts/packet/ts_packet.h"

namespace headgate::mpegts {

// A service by program_number, or by its name in the SDT (compared after trimming, ASCII case ignored).
struct ServiceSelector {
  std::variant<std::uint16_t, std::string> value;
  bool operator==(const ServiceSelector&) const = default;
};

class ServiceFilter {
 public:
  enum class Verdict : std::uint8_t {
    pass,     // send the packet as it is
    drop,     // not of this service
    replace,  // send replacement() instead (PAT or SDT section packets, 0 or more of them)
  };
  enum class State : std::uint8_t { waiting_for_pat, program_not_found, waiting_for_pmt, running };

  explicit ServiceFilter(ServiceSelector selector);
  ~ServiceFilter();

  Verdict on_packet(const TsPacket& packet) noexcept;
  // Valid until the next on_packet(): whole packets.
  std::span<const std::uint8_t> replacement() const noexcept;
  State state() const noexcept;
  // program_number once found.
  std::optional<std::uint16_t> program_number() const noexcept;
  std::optional<Pid> pcr_pid() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate::mpegts
