// Private to this folder: a strict reader of JSON objects. Every member must be known, present and of the
// right type and range; errors name the member by its path, "channels[2].inputs[0].port: ...". Threading:
// values; exceptions (MemberError) stay inside the folder's .cpp files.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace headgate::protocol {

struct MemberError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

[[noreturn]] inline void fail(const std::string& path, const std::string& why) {
  throw MemberError((path.empty() ? std::string("state") : path) + ": " + why);
}

template <typename T>
using EnumNames = std::span<const std::pair<T, std::string_view>>;

// nlohmann's dump() throws on invalid UTF-8; a name from a map may hold any bytes, so those are replaced.
inline std::string dump(const nlohmann::json& json, int indent = -1) {
  return json.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Deeper than any message or state of ours; the bound keeps a hostile text from exhausting the stack.
inline constexpr int kMaxDepth = 64;

// Of the text alone: a callback of the parser for each value takes as long as the parser itself.
inline bool nested_too_deep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') in_string = !in_string;
    if (in_string) {
      if (c == '\\') ++i;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

inline nlohmann::json parse_bounded(const std::string& text, const std::string& what) {
  if (nested_too_deep(text)) fail(what, "nested deeper than " + std::to_string(kMaxDepth));
  return nlohmann::json::parse(text);
}

class Members {
 public:
  Members(const nlohmann::json& json, std::string path, std::initializer_list<std::string_view> known)
      : json_(json), path_(std::move(path)) {
    if (!json_.is_object()) fail(path_, "must be an object");
    for (const auto& item : json_.items()) {
      bool found = false;
      for (const std::string_view name : known) found = found || name == item.key();
      if (!found) fail(at(item.key()), "unknown member");
    }
  }

  std::string at(std::string_view name) const {
    return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
  }

  const nlohmann::json& get(std::string_view name) const {
    const auto found = json_.find(std::string(name));
    if (found == json_.end()) fail(at(name), "missing");
    return *found;
  }

  bool null(std::string_view name) const { return get(name).is_null(); }

  void read(std::string_view name, std::string& out) const { out = string(get(name), at(name)); }

  void read(std::string_view name, bool& out) const {
    const auto& value = get(name);
    if (!value.is_boolean()) fail(at(name), "must be true or false");
    out = value.get<bool>();
  }

  template <std::unsigned_integral T>
  void read(std::string_view name, T& out, T max = std::numeric_limits<T>::max()) const {
    out = number<T>(get(name), at(name), max);
  }

  template <typename T>
  void read(std::string_view name, T& out, std::type_identity_t<EnumNames<T>> names) const {
    const std::string text = string(get(name), at(name));
    std::string all;
    for (const auto& [value, label] : names) {
      if (label == text) {
        out = value;
        return;
      }
      all += (all.empty() ? "" : ", ") + std::string(label);
    }
    fail(at(name), "must be one of " + all);
  }

  // f(element, path) -> T for each element.
  template <typename T, typename F>
  void read_list(std::string_view name, std::vector<T>& out, F&& f) const {
    const auto& value = get(name);
    if (!value.is_array()) fail(at(name), "must be an array");
    out.clear();
    out.reserve(value.size());
    for (std::size_t i = 0; i < value.size(); ++i) {
      out.push_back(f(value[i], at(name) + "[" + std::to_string(i) + "]"));
    }
  }

  static std::string string(const nlohmann::json& value, const std::string& path) {
    if (!value.is_string()) fail(path, "must be a string");
    return value.get<std::string>();
  }

  template <std::unsigned_integral T>
  static T number(const nlohmann::json& value, const std::string& path,
                  T max = std::numeric_limits<T>::max()) {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > max) {
      fail(path, "must be a whole number from 0 to " + std::to_string(max));
    }
    return static_cast<T>(value.get<std::uint64_t>());
  }

 private:
  const nlohmann::json& json_;
  std::string path_;
};

}  // namespace headgate::protocol
