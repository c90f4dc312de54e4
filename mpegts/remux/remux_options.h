// What the map makes of a service that passes: its number, its names, its PIDs, what becomes of its
// conditional access. Threading: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "mpegts/packet/types.h"
#include "mpegts/remux/track_role.h"

namespace headgate::mpegts {

// ISO/IEC 13818-1:2022 2.6.16.
enum class CaHandling : std::uint8_t {
  ecm,   // the service's ECM PIDs; no CAT, no EMM
  keep,  // CAT and the EMM PIDs that it names, too
  drop,  // none of it, and no CA_descriptor in the PMT
};

// A line of the PID map.
struct PidRule {
  std::variant<Pid, TrackRole> from;
  std::optional<Pid> to;  // nothing: it is left out
  bool operator==(const PidRule&) const = default;
};

struct RemuxOptions {
  std::optional<std::uint16_t> service_id{};
  CaHandling ca = CaHandling::ecm;
  std::vector<PidRule> pids{};
  // "": the source's own.
  std::string provider{};
  std::string name{};
  bool operator==(const RemuxOptions&) const = default;
};

// Below: tables of fixed PIDs (table 2-3, EN 300 468 table 1).
inline constexpr Pid kFirstMapPid{0x0020};
inline constexpr Pid kLastMapPid{0x1FFE};

}  // namespace headgate::mpegts
