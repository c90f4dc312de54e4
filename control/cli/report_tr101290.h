// The counts of TR 101 290 of a StreamReport for people and for machines. Pure. Threading: none.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "mpegts/monitor/stream_report.h"

namespace headgate::control {

// By the indicators' labels; null where nothing could be judged.
nlohmann::json tr101290_json(const mpegts::StreamReport& report);
nlohmann::json tr101290_limits_json();
std::string tr101290_text(const mpegts::StreamReport& report);

// PCR_AC of a PID; null and "" where it was not measured.
nlohmann::json accuracy_json(const mpegts::PcrInfo& pcr);
std::string accuracy_text(const mpegts::PcrInfo& pcr);

}  // namespace headgate::control
