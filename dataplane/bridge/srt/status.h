// What status says of SRT: sessions, refusals, an input's or a push's connection. Threading: pure.
#pragma once

#include <map>
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace headgate::bridge::srt {

struct SessionStats;
struct Stats;
nlohmann::json to_json(const Stats& stats);
// By name, as under `details` of an input or a push.
std::map<std::string, std::string> details_of(const SessionStats& stats);

}  // namespace headgate::bridge::srt
