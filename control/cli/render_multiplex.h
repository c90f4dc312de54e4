// Multiplexes on the screen. Threading: pure.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace headgate::control {

// Its line in the status of the gateway.
std::string multiplex_text(const nlohmann::json& multiplex, bool colour);
// `headgate status MULTIPLEX`.
std::string render_multiplex(const nlohmann::json& multiplex, bool colour);

}  // namespace headgate::control
