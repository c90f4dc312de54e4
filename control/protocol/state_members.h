// What the JSON of both states has in common: ids, programs, the version. Included by their .cpp files alone.
// Threading: pure functions.
#pragma once

#include <string>

#include "control/protocol/json_members.h"
#include "control/protocol/state.h"

namespace headgate::protocol {

inline constexpr std::uint32_t kMaxFailoverMs = 86'400'000;  // also of times that the map bounds lower
inline constexpr std::size_t kMaxId = 255;                   // NAME_MAX of Linux

template <typename T>
std::string name_of(T value, std::type_identity_t<EnumNames<T>> names) {
  for (const auto& [candidate, label] : names) {
    if (candidate == value) return std::string(label);
  }
  return {};
}

// A channel's id names its folder in run_dir: one path component, and none that leads out.
inline std::string read_id(const Members& members) {
  std::string id;
  members.read("id", id);
  const bool good = !id.empty() && id.size() <= kMaxId && id != "." && id != ".." &&
                    id.find('/') == std::string::npos && id.find('\0') == std::string::npos;
  if (!good) fail(members.at("id"), "can't name a folder");
  return id;
}

inline nlohmann::json program_json(const std::optional<Program>& program) {
  if (!program) return nullptr;
  return std::visit([](const auto& value) { return nlohmann::json(value); }, *program);
}

inline std::optional<Program> read_program(const Members& members) {
  const nlohmann::json& value = members.get("program");
  if (value.is_null()) return std::nullopt;
  if (value.is_string()) return Program(value.get<std::string>());
  if (!value.is_number()) fail(members.at("program"), "must be a service's number, its name, or null");
  return Program(Members::number<std::uint16_t>(value, members.at("program")));
}

inline void check_version(const nlohmann::json& value) {
  // Before the strict reading of members: a newer version may have members of its own.
  if (!value.is_object()) fail("", "must be an object");
  const auto version = value.find("version");
  if (version == value.end()) fail("version", "missing");
  if (!version->is_number_unsigned() || version->get<std::uint64_t>() != kStateVersion) {
    fail("version", "is " + dump(*version) + ", this program reads " + std::to_string(kStateVersion));
  }
}

template <typename State>
tl::expected<State, std::string> parse_state(const std::string& text, State (*read)(const nlohmann::json&)) {
  try {
    const nlohmann::json value = parse_bounded(text, "state");
    check_version(value);
    return read(value);
  } catch (const MemberError& error) {
    return tl::unexpected<std::string>(error.what());
  } catch (const nlohmann::json::exception& error) {
    return tl::unexpected<std::string>(std::string("not JSON: ") + error.what());
  }
}

}  // namespace headgate::protocol
