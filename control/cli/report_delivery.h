// How a live stream's datagrams came, of a StreamReport. Pure. Threading: none.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "control/cli/report.h"

namespace headgate::control {

// Packets (RFC 4445 3.2): by RTP seven a datagram, lost or out of order; else by continuity counter.
std::uint64_t media_lost(const std::string& source, const mpegts::StreamReport& report,
                         const Reception& reception);
// Null and "" under a second.
nlohmann::json delivery_json(const mpegts::StreamReport& report);
std::string delivery_text(const mpegts::StreamReport& report, std::uint64_t media_lost);

}  // namespace headgate::control
