// The bridge's log lines on standard error: text for people, or one JSON object a line for collectors.
// Threading: set_up_log() while no other thread logs.
#pragma once

#include <string>
#include <string_view>

namespace headgate::bridge::app {

// `level`: debug, info, warning, error. `format`: text or json.
void set_up_log(const std::string& level, const std::string& format);

// A JSON string's inside: quotes, backslashes and control characters escaped, bytes that are no UTF-8
// replaced.
std::string escape_json(std::string_view text);

}  // namespace headgate::bridge::app
