#include "control/daemon/plan_answer.h"

#include <fmt/core.h>

namespace headgate::control {

static nlohmann::json values_json(const std::vector<config::ValueChange>& values) {
  nlohmann::json result = nlohmann::json::array();
  for (const config::ValueChange& value : values)
    result.push_back({{"key", value.key}, {"before", value.before}, {"after", value.after}});
  return result;
}

nlohmann::json plan_json(const config::Plan& plan) {
  nlohmann::json changed = nlohmann::json::array();
  for (const config::ChannelChange& change : plan.changed)
    changed.push_back({{"id", change.id},
                       {"keys", change.keys},
                       {"values", values_json(change.values)},
                       {"interrupts_media", change.interrupts_media},
                       {"interrupts_hls", change.interrupts_hls},
                       {"interrupts_viewers", change.interrupts_viewers},
                       {"interrupts_pushes", change.interrupts_pushes}});
  nlohmann::json renditions = nlohmann::json::array();
  for (const config::RenditionChange& rendition : plan.renditions)
    renditions.push_back({{"id", rendition.id},
                          {"before", rendition.before},
                          {"after", rendition.after},
                          {"interrupts_viewers", rendition.interrupts_viewers}});
  nlohmann::json multiplexes = nlohmann::json::array();
  for (const config::MultiplexChange& multiplex : plan.multiplexes)
    multiplexes.push_back({{"id", multiplex.id},
                           {"before", multiplex.before},
                           {"after", multiplex.after},
                           {"interrupts_media", multiplex.interrupts_media}});
  nlohmann::json listeners = nlohmann::json::array();
  for (const config::ListenerChange& listener : plan.listeners)
    listeners.push_back({{"key", listener.key},
                         {"address", listener.address},
                         {"closes", listener.closes},
                         {"protocols", listener.protocols},
                         {"others", listener.others}});
  return {{"added", plan.added},         {"changed", changed},
          {"removed", plan.removed},     {"untouched", plan.untouched},
          {"node_keys", plan.node_keys}, {"listeners", listeners},
          {"restarts", plan.restarts},   {"refused", plan.refused},
          {"empty", plan.empty()},       {"node_values", values_json(plan.node_values)},
          {"renditions", renditions},    {"multiplexes", multiplexes}};
}

std::string summary(const config::Plan& plan) {
  if (plan.empty()) return "other text, no change in effect";
  std::string text;
  const auto add = [&](std::size_t count, const char* what) {
    if (count != 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, what);
  };
  add(plan.added.size(), "added");
  add(plan.changed.size(), "changed");
  add(plan.removed.size(), "removed");
  add(plan.renditions.size(), plan.renditions.size() == 1 ? "rendition" : "renditions");
  add(plan.multiplexes.size(), plan.multiplexes.size() == 1 ? "multiplex" : "multiplexes");
  add(plan.node_keys.size(), plan.node_keys.size() == 1 ? "node key" : "node keys");
  return text;
}

std::string changes(const config::Plan& plan) {
  constexpr std::size_t kNamed = 4;  // of each kind
  std::string text;
  const auto add = [&](const std::string& what) { text += (text.empty() ? "" : "; ") + what; };
  const auto list = [&](const char* mark, const std::vector<std::string>& names) {
    if (names.empty()) return;
    std::string line = mark;
    for (std::size_t i = 0; i < names.size() && i < kNamed; ++i) line += (i == 0 ? "" : ", ") + names[i];
    if (names.size() > kNamed) line += fmt::format(" and {} more", names.size() - kNamed);
    add(line);
  };
  list("+ ", plan.added);
  // A few with what changed of them, many by name alone.
  if (plan.changed.size() <= 2) {
    for (const config::ChannelChange& change : plan.changed)
      list(("~ " + change.id + ": ").c_str(), change.keys);
  } else {
    std::vector<std::string> ids;
    for (const config::ChannelChange& change : plan.changed) ids.push_back(change.id);
    list("~ ", ids);
  }
  list("- ", plan.removed);
  std::vector<std::string> renditions;
  for (const config::RenditionChange& change : plan.renditions) renditions.push_back(change.id);
  list("~ rendition ", renditions);
  std::vector<std::string> multiplexes;
  for (const config::MultiplexChange& change : plan.multiplexes) multiplexes.push_back(change.id);
  list("~ multiplex ", multiplexes);
  list("~ ", plan.node_keys);
  return text;
}

static nlohmann::json entry_json(const HistoryEntry& entry) {
  nlohmann::json line = {{"number", entry.number},   {"unix_ns", entry.unix_ns}, {"who", entry.who},
                         {"summary", entry.summary}, {"changes", entry.changes}, {"restores", nullptr}};
  if (entry.restores) line["restores"] = *entry.restores;
  return line;
}

nlohmann::json history_json(const History& history) {
  const auto applied = history.applied();
  nlohmann::json entries = nlohmann::json::array();
  for (const HistoryEntry& entry : history.list()) {
    nlohmann::json line = entry_json(entry);
    line["applied"] = applied && applied->number == entry.number;
    entries.push_back(line);
  }
  return {{"history", entries}};
}

tl::expected<nlohmann::json, std::string> history_change(const History& history, std::uint32_t number) {
  const auto entry = history.find(number);
  if (!entry) return tl::unexpected(fmt::format("no map {} is kept: headgate history lists them", number));
  std::optional<std::uint32_t> before;
  for (const HistoryEntry& other : history.list()) {
    if (other.number < number) before = other.number;
  }
  if (!before) return tl::unexpected(fmt::format("map {} is the oldest one that is kept", number));
  const auto after_model = history.model(number), before_model = history.model(*before);
  if (!after_model) return tl::unexpected(fmt::format("can't read map {}: {}", number, after_model.error()));
  if (!before_model)
    return tl::unexpected(fmt::format("can't read map {}: {}", *before, before_model.error()));
  nlohmann::json answer = entry_json(*entry);
  answer["before"] = *before;
  answer["plan"] = plan_json(config::diff(**before_model, **after_model));
  return answer;
}

}  // namespace headgate::control
