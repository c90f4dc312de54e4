// The sessions that the bridge tells of, as control passes them on: its answer is another process's, and what
// players call themselves is anybody's. Threading: pure.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace headgate::control {

// A session with the members of the contract and no others.
nlohmann::json session_of(const nlohmann::json& foreign_session);
// The answer to `sessions`.
nlohmann::json sessions_answer(const nlohmann::json& bridge_answer);
// "rtmp-17 (player of news by rtmp, 10.0.0.5:5321)": for an event.
std::string in_words(const nlohmann::json& session);
// Why the bridge said no, or nothing, with what to do. `id`: of `kick`, else "".
std::string sessions_failure(const std::string& why, const std::string& id);

}  // namespace headgate::control
