// What status says of SRT: sessions, refusals. Threading: pure.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace headgate::bridge::srt {

struct Stats;
nlohmann::json to_json(const Stats& stats);

}  // namespace headgate::bridge::srt
