// What `status CHANNEL` says of how a stream is and how it comes. Pure. Threading: none.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

namespace headgate::control {

// The indicators of TR 101 290 that counted something, by priority; "" without any member `tr101290`.
std::string indicator_lines(const nlohmann::json& stream);
// Of a line of the table: what the first two priorities counted in the last minute; "" for nothing.
std::string indicators_lately(const nlohmann::json& channel);
// Of an input with several services, each with its rate.
std::string services_line(const nlohmann::json& input);
// What was discarded of it, with the reasons.
std::string drops_line(const nlohmann::json& drops);
// An output in datagrams.
std::string multicast_block(const nlohmann::json& output, std::int64_t now);
// Of an input in datagrams.
std::string delivery_line(const nlohmann::json& input);

}  // namespace headgate::control
