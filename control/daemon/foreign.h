// Members of another process's status, whatever that holds: what is not as it should be counts as absent.
// Threading: pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace headgate::control::foreign {

// Null where there is none.
const nlohmann::json& member(const nlohmann::json& object, std::string_view name);
// Of an array; empty where there is none.
const nlohmann::json& list(const nlohmann::json& object, std::string_view name);
std::optional<std::uint64_t> count(const nlohmann::json& object, std::string_view name);
std::int64_t time(const nlohmann::json& object, std::string_view name);
// One line, bounded.
std::string text(const nlohmann::json& object, std::string_view name);
std::string line(std::string text);

// Of the bridge's status; null where it has no such channel.
const nlohmann::json& channel(const nlohmann::json& bridge_status, const std::string& id);
template <typename F>
void each_channel(const nlohmann::json& bridge_status, F&& f) {
  const nlohmann::json& channels = member(bridge_status, "channels");
  if (!channels.is_object()) return;
  for (auto channel = channels.begin(); channel != channels.end(); ++channel) {
    if (channel->is_object()) f(channel.key(), *channel);
  }
}

}  // namespace headgate::control::foreign
