// A channel's "watch" in the bridge's status: what was seen and heard last, and what is wrong. Threading:
// pure.
#pragma once

#include <cstdint>

#include <nlohmann/json_fwd.hpp>

namespace headgate::bridge::watch {

class ChannelWatch;

// Times of the watch are `now_ns`, those of the report `unix_ns`.
nlohmann::json report(const ChannelWatch& watch, std::int64_t now_ns, std::int64_t unix_ns);

}  // namespace headgate::bridge::watch
