// Who is connected, as text for people. Threading: pure.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace headgate::control {

// A line each, as the gateway orders them; below it what the other end calls itself, a push's or a pull's URL
// and why its last connection ended.
std::string render_sessions(const nlohmann::json& answer, bool colour);
std::string render_kicked(const nlohmann::json& answer);

}  // namespace headgate::control
