// Private to this folder: members of an answer, absent ones as 0 or "". Threading: pure.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

namespace headgate::control {

inline std::uint64_t count(const nlohmann::json& object, const char* name) {
  const auto value = object.find(name);
  return value != object.end() && value->is_number() ? value->get<std::uint64_t>() : 0;
}

inline std::string text_of(const nlohmann::json& object, const char* name) {
  const auto value = object.find(name);
  return value != object.end() && value->is_string() ? value->get<std::string>() : "";
}

inline std::string number_or_dash(const nlohmann::json& value) {
  return value.is_number() ? std::to_string(value.get<std::uint64_t>()) : "-";
}

inline std::string join(const nlohmann::json& words) {
  std::string text;
  for (const nlohmann::json& word : words) text += (text.empty() ? "" : ", ") + word.get<std::string>();
  return text;
}

}  // namespace headgate::control
