// The maps that were applied, and what each changed.
#include <fmt/core.h>

#include "control/cli/columns.h"
#include "control/cli/render.h"
#include "control/cli/render_json.h"
#include "control/cli/render_values.h"

namespace headgate::control {

using nlohmann::json;

std::string values_text(const json& change, const char* name) {
  std::string text;
  for (const json& value : change.value(name, json::array())) {
    const auto before = text_of(value, "before"), after = text_of(value, "after");
    text += "    " + text_of(value, "key") + ": ";
    if (before.empty())
      text += after + " added\n";
    else
      text += before + (after.empty() ? " removed\n" : " -> " + after + "\n");
  }
  return text;
}

std::string render_history(const json& answer, std::size_t columns) {
  std::string text = "   MAP  APPLIED              BY                CHANGES\n";
  const json& entries = answer.at("history");
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    // Maps of older gateways tell only how many.
    std::string changes = text_of(*entry, "changes");
    if (changes.empty()) changes = text_of(*entry, "summary");
    if (entry->at("restores").is_number())
      changes += fmt::format(" (rollback to {})", count(*entry, "restores"));
    const std::string head =
        fmt::format("{} {:>4}  {}  {}  ", entry->value("applied", false) ? "*" : " ", count(*entry, "number"),
                    local_time(entry->at("unix_ns").get<std::int64_t>()), padded(text_of(*entry, "who"), 16));
    text += wrapped(head, changes, 8, columns);
  }
  return text;
}

std::string render_history_change(const json& answer) {
  const json& plan = answer.at("plan");
  std::string text =
      fmt::format("map {}, applied {} by {}, beside map {}\n", answer.at("number").get<std::uint32_t>(),
                  local_time(answer.at("unix_ns").get<std::int64_t>()), text_of(answer, "who"),
                  answer.at("before").get<std::uint32_t>());
  for (const json& id : plan.at("added")) text += fmt::format("+ {}\n", id.get<std::string>());
  for (const json& change : plan.at("changed"))
    text += fmt::format("~ {}: {}\n", text_of(change, "id"), join(change.at("keys"))) +
            values_text(change, "values");
  for (const json& id : plan.at("removed")) text += fmt::format("- {}\n", id.get<std::string>());
  for (const json& change : plan.at("renditions"))
    text += fmt::format("~ rendition {}: {} -> {}\n", text_of(change, "id"), text_of(change, "before"),
                        text_of(change, "after"));
  for (const json& key : plan.at("node_keys"))
    text += fmt::format("~ node file: {}\n", key.get<std::string>());
  return text + values_text(plan, "node_values") + fmt::format("{}\n", text_of(answer, "summary"));
}

}  // namespace headgate::control
