#include "control/cli/filter.h"

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <utility>

#include "control/cli/did_you_mean.h"
#include "control/cli/render_json.h"

namespace headgate::control {
namespace {

constexpr std::array<const char*, 6> kStates{"ok", "degraded", "backup", "waiting", "down", "disabled"};

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

tl::expected<void, std::string> check(const ChannelFilter& filter) {
  const std::vector<std::string> states(kStates.begin(), kStates.end());
  for (const std::string& state : filter.states) {
    if (!contains(states, state))
      return tl::unexpected("no channel can be '" + state + "'" +
                            did_you_mean(state, states, "ok, degraded, backup, waiting, down, disabled"));
  }
  return {};
}

bool matches(const ChannelFilter& filter, const nlohmann::json& channel) {
  if (!filter.states.empty() && !contains(filter.states, text_of(channel, "state"))) return false;
  if (!filter.pattern.empty() && ::fnmatch(filter.pattern.c_str(), text_of(channel, "id").c_str(), 0) != 0 &&
      ::fnmatch(filter.pattern.c_str(), text_of(channel, "name").c_str(), FNM_CASEFOLD) != 0)
    return false;
  if (filter.tags.empty()) return true;
  const auto tags = channel.find("tags");
  return tags != channel.end() && tags->is_array() &&
         std::any_of(tags->begin(), tags->end(), [&](const nlohmann::json& tag) {
           return tag.is_string() && contains(filter.tags, tag.get<std::string>());
         });
}

void keep_matching(nlohmann::json& channels, const ChannelFilter& filter) {
  if (filter.empty() || !channels.is_array()) return;
  nlohmann::json kept = nlohmann::json::array();
  for (nlohmann::json& channel : channels) {
    if (matches(filter, channel)) kept.push_back(std::move(channel));
  }
  channels = std::move(kept);
}

}  // namespace headgate::control
