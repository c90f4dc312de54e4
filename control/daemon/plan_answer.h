// A plan in the answers of plan, apply and history. Threading: pure.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>
#include <tl/expected.hpp>

#include "config/model/diff.h"
#include "control/daemon/history.h"

namespace headgate::control {

nlohmann::json plan_json(const config::Plan& plan);
// "1 added, 2 changed"
std::string summary(const config::Plan& plan);
// By name, a few of each: "+ film; ~ sport: push, name; - old; log.format".
std::string changes(const config::Plan& plan);

nlohmann::json history_json(const History& history);
// What a map of the history changed: beside the one before it.
tl::expected<nlohmann::json, std::string> history_change(const History& history, std::uint32_t number);

}  // namespace headgate::control
