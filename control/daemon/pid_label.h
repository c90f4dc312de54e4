// What a PID carries, by the bridge's tracks and by the fixed PIDs. Pure. Threading: none.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "control/daemon/snapshot.h"

namespace headgate::control {

// Null where the bridge reports no such track.
const nlohmann::json* find_track(const nlohmann::json& bridge, std::uint16_t pid);
// " (aac eng)", " (PAT)"; "" where nobody knows it.
std::string track_words(const nlohmann::json& bridge, std::uint16_t pid);
// Whether somebody misses it when it stops: one that the PMT of now does not name has gone by rights, as may
// service information and stuffing.
bool is_missed(const nlohmann::json& bridge, std::uint16_t pid);
// The track's kind, "PAT", "EIT", "null", "PCR"; "" where it is not known.
std::string pid_label(const PidSnapshot& pid, const nlohmann::json& bridge);

}  // namespace headgate::control
