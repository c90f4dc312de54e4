// The log lines of processes that log by spdlog, on standard error: text for people, or one JSON object a
// line for collectors. (What control and the CLI print is control/launcher/log.h's.)
// Threading: set_up_log() while no other thread logs.
#pragma once

#include <string>

namespace headgate::protocol {

// Of spdlog's default logger. `process`: "bridge". `level`: debug, info, warning, error. `format`: text or
// json.
void set_up_log(const std::string& process, const std::string& level, const std::string& format);

}  // namespace headgate::protocol
