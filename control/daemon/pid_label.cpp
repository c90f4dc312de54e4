#include "control/daemon/pid_label.h"

#include <fmt/core.h>

#include <algorithm>

#include "control/daemon/foreign.h"

namespace headgate::control {
namespace {

constexpr std::uint16_t kFirstFreePid = 0x20, kNullPid = 0x1FFF;

}  // namespace

const nlohmann::json* find_track(const nlohmann::json& bridge, std::uint16_t pid) {
  const nlohmann::json& tracks = foreign::list(bridge, "tracks");
  const auto found = std::find_if(tracks.begin(), tracks.end(), [&](const nlohmann::json& track) {
    return foreign::count(track, "pid") == std::uint64_t{pid};
  });
  return found == tracks.end() ? nullptr : &*found;
}

std::string track_words(const nlohmann::json& bridge, std::uint16_t pid) {
  const nlohmann::json* track = find_track(bridge, pid);
  if (track == nullptr) {
    const std::string label = pid_label({pid}, bridge);
    return label.empty() ? "" : " (" + label + ")";
  }
  const std::string kind = foreign::text(*track, "kind"), language = foreign::text(*track, "language");
  if (kind.empty()) return "";
  return language.empty() || language == "und" ? fmt::format(" ({})", kind)
                                               : fmt::format(" ({} {})", kind, language);
}

bool is_missed(const nlohmann::json& bridge, std::uint16_t pid) {
  if (pid == 0) return true;
  if (pid < kFirstFreePid || pid == kNullPid) return false;
  return foreign::list(bridge, "tracks").empty() || find_track(bridge, pid) != nullptr;
}

// Fixed PIDs: ISO/IEC 13818-1 table 2-3, ETSI EN 300 468 table 1.
std::string pid_label(const PidSnapshot& pid, const nlohmann::json& bridge) {
  if (const nlohmann::json* track = find_track(bridge, pid.pid)) return foreign::text(*track, "kind");
  if (foreign::count(bridge, "pmt_pid") == std::uint64_t{pid.pid}) return "PMT";
  switch (pid.pid) {
    case 0x00:
      return "PAT";
    case 0x01:
      return "CAT";
    case 0x10:
      return "NIT";
    case 0x11:
      return "SDT";
    case 0x12:
      return "EIT";
    case 0x13:
      return "RST";
    case 0x14:
      return "TDT";
    case kNullPid:
      return "null";
    default:
      return pid.has_pcr ? "PCR" : "";
  }
}

}  // namespace headgate::control
