// Alarms, maintenance and health for people: at most 80 columns where names allow it. Pure. Threading: none.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "control/cli/columns.h"

namespace headgate::control {

// Of the answer to `alarms`: the roots, each with what follows from it and what to do.
std::string render_alarms(const nlohmann::json& answer, bool colour);
std::string render_maintenance(const nlohmann::json& answer);
// The roots that nobody has acknowledged or is working on, for the head of `status`, each kind with what the
// catalogue says of it; of `top`, a line each.
std::string render_alarm_lines(const nlohmann::json& alarms, std::int64_t now, bool colour,
                               std::size_t columns = kColumns, bool explain = true);

struct Health {
  int status = 3;  // 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
  std::string line;
  nlohmann::json figures;
};
// Out of the answers to `status` and `alarms`. What is acknowledged or under maintenance worries nobody.
Health judge_health(const nlohmann::json& status, const nlohmann::json& alarms);

}  // namespace headgate::control
