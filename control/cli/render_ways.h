// Private to this folder: the parts of a channel's page about inputs that enter through the bridge, the
// switch between inputs, pushes that leave from there, and AAC that is made of its sound. Threading: pure.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

namespace headgate::control {

std::string ago(const nlohmann::json& object, const char* name, std::int64_t now, const char* never);
std::string tracks_left_out(const nlohmann::json& object);
std::string source_lines(const nlohmann::json& source, std::int64_t now);
std::string buffer_line(const nlohmann::json& buffer);
std::string switch_block(const nlohmann::json& channel, std::int64_t now);
// AAC that is made of a channel's sound; empty where none is.
std::string sound_block(const nlohmann::json& channel, std::int64_t now);
std::string bridge_push_block(const nlohmann::json& push, std::int64_t now);

}  // namespace headgate::control
