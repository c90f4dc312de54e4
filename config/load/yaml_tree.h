// A YAML 1.2 file as a tree that keeps what the loader needs and yaml-cpp's nodes lose: the place of each
// key, duplicate keys, and whether a scalar was quoted. Merge keys (<<) are applied, aliases resolved within
// a bound. Ownership: subtrees are immutable and shared, so that defaults are merged without copies.
// Threading: immutable after parse_yaml.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/load/report.h"

namespace headgate::config {

struct Value;
using ValuePtr = std::shared_ptr<const Value>;

struct Entry;

struct Value {
  enum class Kind { null, scalar, list, map };
  Kind kind = Kind::null;
  bool quoted = false;  // also block scalars and !!str
  Place place;
  std::string text;             // of a scalar
  std::vector<ValuePtr> items;  // of a list
  std::vector<Entry> entries;   // of a map, in order, keys unique

  const Entry* find(std::string_view key) const;
  bool is_map() const { return kind == Kind::map; }
  bool is_list() const { return kind == Kind::list; }
  bool is_scalar() const { return kind == Kind::scalar; }
  bool is_null() const { return kind == Kind::null; }
};

struct Entry {
  std::string key;
  Place place;
  ValuePtr value;
};

inline constexpr std::size_t kMaxFileBytes = std::size_t{4} << 20;
inline constexpr int kMaxDepth = 32;
inline constexpr std::size_t kMaxNodes = 1'000'000;  // after aliases are resolved

ValuePtr make_scalar(std::string text, Place place);
// "a map", "a list", "text", "nothing": for messages.
std::string kind_name(const Value& value);

// Null where the text is no YAML (then the report has an error). Never throws.
// `size` is that of the file where the text may be its beginning only.
ValuePtr parse_yaml(const std::string& text, int file, Report& report, std::uint64_t size = 0);

}  // namespace headgate::config
