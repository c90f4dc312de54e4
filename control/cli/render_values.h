// Private to this folder: the values of a plan, a line each. Threading: pure.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace headgate::control {

// "    segment: 4s -> 2s", of the member `name`.
std::string values_text(const nlohmann::json& change, const char* name);

}  // namespace headgate::control
