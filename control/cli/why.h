// The answer to `why` as text for people: at most 80 columns where names allow it, a line or more a stage in
// the order of a packet's way (ok, !! bad, ?? not known, -- not concerned), then the culprit and the remedy.
// Pure. Threading: none.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

namespace headgate::control {

std::string render_why(const nlohmann::json& why, std::int64_t now_unix_ns, bool colour);

}  // namespace headgate::control
