// The transcode process's log lines on standard error: text for people, or one JSON object a line for
// collectors. Threading: while no other thread logs.
#pragma once

#include <string>

namespace headgate::transcode {

// `level`: debug, info, warning, error. `format`: text or json.
void set_up_log(const std::string& level, const std::string& format);

}  // namespace headgate::transcode
