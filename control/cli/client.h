// Private to this folder: asking the running gateway, and saying why that failed. Threading: main thread.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <tl/expected.hpp>

#include "control/cli/commands.h"
#include "control/launcher/unique_fd.h"

namespace headgate::control {

inline constexpr std::chrono::seconds kShort{10};
inline constexpr std::chrono::seconds kApply{
    120};  // waits for one under way, and for processes that start again

// None, with errno, where nothing answers at that path.
UniqueFd connect_to(const std::string& path);
// For people: what to do when connect_to() failed, out of errno.
std::string not_running(const CommonOptions& common);
tl::expected<nlohmann::json, std::string> ask(const CommonOptions& common, const char* method,
                                              const nlohmann::json& params,
                                              std::chrono::milliseconds timeout = kShort);
// Ids.
std::vector<std::string> known_channels(const CommonOptions& common);
void print(const nlohmann::json& value);
// Prints it; the exit status.
int fail(const CommonOptions& common, const std::string& message);
// The same; where the gateway does not know the channel (or tag) that was typed, with the one that was meant.
// `or_multiplex`: one may be meant.
int fail_unknown(const CommonOptions& common, const std::string& message, const std::string& typed,
                 bool or_multiplex = false);
// Whether standard output takes colours.
bool colour();
// Of the terminal on standard output; npos where it is none.
std::size_t columns_of_terminal();

}  // namespace headgate::control
