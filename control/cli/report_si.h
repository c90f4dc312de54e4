// What the tables of a StreamReport say, for people and for machines. Pure. Threading: none.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "mpegts/monitor/stream_report.h"

namespace headgate::control {

nlohmann::json si_json(const mpegts::StreamReport& report);
// Networks, bouquets, events, time and conditional access, a line each; "" where no such table came.
std::string si_text(const mpegts::StreamReport& report);
nlohmann::json ca_json(const std::vector<mpegts::CaSystem>& systems);
// "Nagravision 0x1802 (PID 0x0640)"
std::string ca_text(const std::vector<mpegts::CaSystem>& systems);

}  // namespace headgate::control
