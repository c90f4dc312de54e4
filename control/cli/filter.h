// Which of the channels in an answer to show: by state, tag and pattern of the id. Threading: pure.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <tl/expected.hpp>

namespace headgate::control {

struct ChannelFilter {
  std::vector<std::string> states;  // empty: all
  std::vector<std::string> tags;    // any of these; empty: all
  std::string pattern;              // of the id or the name, as the shell's: "sport*"; "" all
  bool empty() const { return states.empty() && tags.empty() && pattern.empty(); }
};

// What it says that no channel can have.
tl::expected<void, std::string> check(const ChannelFilter& filter);
// `channel`: a line of the answer to `status`.
bool matches(const ChannelFilter& filter, const nlohmann::json& channel);
// The channels that match stay.
void keep_matching(nlohmann::json& channels, const ChannelFilter& filter);

}  // namespace headgate::control
