// What the target decoder's buffers (T-STD) of a StreamReport held, for people and for machines. Pure.
// Threading: none.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "mpegts/monitor/stream_report.h"

namespace headgate::control {

// Of a PID; null where no decoder was modelled for it.
nlohmann::json tstd_json(const mpegts::PidInfo& pid);
// Empty where none was.
std::string tstd_text(const mpegts::StreamReport& report);

}  // namespace headgate::control
