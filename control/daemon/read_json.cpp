#include "control/daemon/read_json.h"

#include <algorithm>

namespace headgate::control {
namespace {

using nlohmann::json;

constexpr std::size_t kLongest = 400;

std::string line(std::string text) {
  text.resize(std::min(text.size(), kLongest));
  std::erase_if(text, [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; });
  return text;
}

}  // namespace

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

std::string text_of(const json& object, std::string_view name) {
  const json& found = member(object, name);
  return found.is_string() ? line(found.get<std::string>()) : "";
}

std::optional<std::uint64_t> counter_of(const json& object, std::string_view name) {
  const json& found = member(object, name);
  if (!found.is_number_unsigned()) return std::nullopt;
  return found.get<std::uint64_t>();
}

std::uint64_t count_of(const json& object, std::string_view name) { return counter_of(object, name).value_or(0); }

std::int64_t time_of(const json& object, std::string_view name) {
  const json& found = member(object, name);
  return found.is_number_integer() ? found.get<std::int64_t>() : 0;
}

}  // namespace headgate::control
