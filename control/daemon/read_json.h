// Reading another process's status: what is not as it should be counts as absent, and no call throws.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace headgate::control {

// null where `object` is no object or has no such member.
const nlohmann::json& member(const nlohmann::json& object, std::string_view name);
// Empty where the member is no array.
const nlohmann::json& list(const nlohmann::json& object, std::string_view name);
// At most 400 bytes without control characters: it ends in a terminal.
std::string text_of(const nlohmann::json& object, std::string_view name);
std::optional<std::uint64_t> counter_of(const nlohmann::json& object, std::string_view name);
// 0 where there is none.
std::uint64_t count_of(const nlohmann::json& object, std::string_view name);
std::int64_t time_of(const nlohmann::json& object, std::string_view name);

}  // namespace headgate::control
