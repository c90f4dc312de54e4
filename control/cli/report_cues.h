// The splice information of a StreamReport for people and for machines. Pure. Threading: none.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "mpegts/monitor/stream_report.h"

namespace headgate::control {

nlohmann::json cues_json(const mpegts::StreamReport& report);
// A line a cue; "" where none came.
std::string cues_text(const mpegts::StreamReport& report);

}  // namespace headgate::control
