// Answers of the gateway as text for people: at most 80 columns where names allow it, colour only where asked
// for. Pure. Threading: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

namespace headgate::control {

std::string render_status(const nlohmann::json& status, bool colour);
std::string render_channel(const nlohmann::json& channel, bool colour);
std::string render_plan(const nlohmann::json& answer, bool done);  // done: of an apply
// Which map runs after an apply or a rollback, and that the files hold another one.
std::string render_applied(const nlohmann::json& answer);
std::string render_history(const nlohmann::json& answer, std::size_t columns = std::string::npos);
std::string render_history_change(const nlohmann::json& answer);  // of one map
std::string render_switch(const nlohmann::json& answer);
// Broken where the terminal ends; by default one line, for programs that look for lines. `explain`: with what
// the catalogue says of its kind.
std::string render_event(const nlohmann::json& event, bool colour, std::size_t columns = std::string::npos,
                         bool explain = false);

std::string human_bitrate(double bits_per_second);                 // "4.02M", "" for 0
std::string human_age(std::int64_t then_ns, std::int64_t now_ns);  // "3s", "5m", "2h10m", "4d2h"; "-" for 0
std::string local_time(std::int64_t unix_ns);                      // "2026-11-22 21:04:05"

}  // namespace headgate::control
