#include "control/daemon/foreign.h"

#include <algorithm>

namespace headgate::control::foreign {

using nlohmann::json;

const json& member(const json& object, std::string_view name) {
  static const json kNone;
  if (!object.is_object()) return kNone;
  const auto found = object.find(name);
  return found == object.end() ? kNone : *found;
}

const json& list(const json& object, std::string_view name) {
  static const json kEmpty = json::array();
  const json& found = member(object, name);
  return found.is_array() ? found : kEmpty;
}

std::optional<std::uint64_t> count(const json& object, std::string_view name) {
  const json& found = member(object, name);
  if (!found.is_number_unsigned()) return std::nullopt;
  return found.get<std::uint64_t>();
}

std::int64_t time(const json& object, std::string_view name) {
  const json& found = member(object, name);
  return found.is_number_integer() ? found.get<std::int64_t>() : 0;
}

std::string line(std::string text) {
  constexpr std::size_t kLongest = 400;
  text.resize(std::min(text.size(), kLongest));
  std::erase_if(text, [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; });
  return text;
}

std::string text(const json& object, std::string_view name) {
  const json& found = member(object, name);
  return found.is_string() ? line(found.get<std::string>()) : "";
}

const json& channel(const json& bridge_status, const std::string& id) {
  const json& found = member(member(bridge_status, "channels"), id);
  return found.is_object() ? found : member(json(), "");
}

}  // namespace headgate::control::foreign
