// The tables that drive loading: one line a key. A line says what the key is called, what it may hold, its
// default, what it means, and where it goes; reading, unknown-key errors, defaults, the JSON Schema and the
// reference page follow.
//
// Threading: tables are immutable after their first use; a Reader is owned by one thread.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "config/load/scalars.h"
#include "config/load/yaml_tree.h"

namespace headgate::config {

// A value and its place, for checks that come after reading.
template <class T>
struct Located {
  T value{};
  Place place;
  bool set = false;
};

class TableBase;

struct Key {
  std::string name;
  std::string schema;        // JSON Schema of its value; "" where `child` says it
  std::string default_text;  // "" none
  std::string doc;
  bool served = true;  // else refused by name
  bool required = false;
  const TableBase* child = nullptr;
  enum class Shape { one, one_or_list, named, list_or_named, named_lists } shape = Shape::one;
};

class TableBase {
 public:
  explicit TableBase(std::string what) : what_(std::move(what)) {}
  virtual ~TableBase() = default;
  const std::string& what() const { return what_; }  // "an interface"
  virtual std::vector<const Key*> keys() const = 0;

 private:
  std::string what_;
};

template <class T>
struct Field {
  Key key;
  std::function<void(Report&, const Value&, T&)> read;
};

template <class T>
class Table : public TableBase {
 public:
  Table(std::string what, std::vector<Field<T>> lines)
      : TableBase(std::move(what)), fields(std::move(lines)) {}
  std::vector<const Key*> keys() const override {
    std::vector<const Key*> out;
    for (const auto& field : fields) out.push_back(&field.key);
    return out;
  }
  std::vector<Field<T>> fields;
};

template <class M, class V>
void assign(M& member, V&& value, Place) {
  member = static_cast<M>(std::forward<V>(value));
}
template <class M, class V>
void assign(std::optional<M>& member, V&& value, Place) {
  member = static_cast<M>(std::forward<V>(value));
}
template <class M>
void assign(std::optional<M>& member, std::optional<M>&& value, Place) {
  member = std::move(value);
}
template <class M, class V>
void assign(Located<M>& member, V&& value, Place place) {
  member = {static_cast<M>(std::forward<V>(value)), place, true};
}

// Fields of a table. `get` is a pointer to the member, or a function T& -> member&.
template <class T, class Get, class Parse>
Field<T> scalar(std::string name, std::string schema, Get get, Parse parse, std::string default_text,
                std::string doc) {
  Field<T> field{{name, std::move(schema), std::move(default_text), std::move(doc)}, nullptr};
  field.read = [name, get, parse](Report& report, const Value& value, T& out) {
    auto parsed = parse(value);
    if (parsed) {
      assign(std::invoke(get, out), std::move(*parsed), value.place);
    } else {
      report.error(value.place, fmt::format("{} {}", name, parsed.error()));
    }
  };
  return field;
}

template <class T, class Get>
Field<T> text(std::string name, Get get, Parsed<std::string> (*check)(std::string_view),
              std::string default_text, std::string doc) {
  const auto parse = [check](const Value& value) { return parse_text(value).and_then(check); };
  return scalar<T>(std::move(name), text_schema(check), get, parse, std::move(default_text), std::move(doc));
}

template <class T, class Get>
Field<T> integer(std::string name, Get get, std::uint64_t min, std::uint64_t max, std::string default_text,
                 std::string doc) {
  const auto parse = [min, max](const Value& value) { return parse_integer(value, min, max); };
  return scalar<T>(std::move(name),
                   fmt::format(R"({{"type":"integer","minimum":{},"maximum":{}}})", min, max), get, parse,
                   std::move(default_text), std::move(doc));
}

template <class T, class Get>
Field<T> boolean(std::string name, Get get, std::string default_text, std::string doc) {
  return scalar<T>(std::move(name), R"({"type":"boolean"})", get, parse_boolean, std::move(default_text),
                   std::move(doc));
}

template <class T, class Get>
Field<T> duration(std::string name, Get get, std::chrono::milliseconds min, std::chrono::milliseconds max,
                  std::string default_text, std::string doc) {
  const auto parse = [min, max](const Value& value) { return parse_duration(value, min, max); };
  return scalar<T>(std::move(name), R"({"type":"string","pattern":"^[0-9.]+(ms|s|min|m|h|d)$"})", get, parse,
                   std::move(default_text),
                   fmt::format("{}; {} to {}", doc, format_duration(min), format_duration(max)));
}

template <class T, class Get, class E>
Field<T> choice(std::string name, Get get, std::vector<std::pair<std::string, E>> choices,
                std::string default_text, std::string doc) {
  std::string list, json;
  for (const auto& [word, value] : choices) {
    list += (list.empty() ? "" : ", ") + word;
    json += (json.empty() ? "\"" : ",\"") + word + "\"";
  }
  const auto parse = [choices, list](const Value& value) -> Parsed<E> {
    std::vector<std::string> words;
    for (const auto& [word, meant] : choices) {
      if (value.is_scalar() && value.text == word) return meant;
      words.push_back(word);
    }
    return tl::unexpected<std::string>(fmt::format("must be {} {}, not {}{}",
                                                   choices.size() > 1 ? "one of" : "", list, kind_name(value),
                                                   value.is_scalar() ? suggestion(value.text, words) : ""));
  };
  return scalar<T>(std::move(name), "{\"enum\":[" + json + "]}", get, parse, std::move(default_text),
                   std::move(doc));
}

// A key that no part of the gateway serves yet, refused by name.
template <class T>
Field<T> refused(std::string name) {
  Field<T> field{{name, "", "", ""}, nullptr};
  field.key.served = false;
  return field;
}

// As refused, but for the one value that says what is done already.
template <class T>
Field<T> fixed(std::string name, std::string only, std::string schema, std::string doc) {
  Field<T> field{{name, std::move(schema), only, std::move(doc)}, nullptr};
  field.read = [name, only](Report& report, const Value& value, T&) {
    if (value.is_scalar() && value.text == only) return;
    report.error(value.place,
                 fmt::format("{}: {} is not supported yet, only {}", name, kind_name(value), only));
  };
  return field;
}

// A key read by a function of its own.
template <class T, class Read>
Field<T> custom(std::string name, std::string schema, std::string default_text, std::string doc, Read read) {
  return {{std::move(name), std::move(schema), std::move(default_text), std::move(doc)}, read};
}

template <class T>
Field<T> required(Field<T> field) {
  field.key.required = true;
  return field;
}

enum class Reading { whole, partial };  // partial: without defaults and required keys (the map's `defaults`)

template <class T>
bool expect_map(Report& report, const Value& value, const Table<T>& table) {
  if (value.is_map()) return true;
  report.error(value.place, fmt::format("{} must be a map of keys, not {}", table.what(), kind_name(value)));
  return false;
}

template <class T>
void read_table(Report& report, const Value& value, const Table<T>& table, T& out,
                Reading reading = Reading::whole) {
  if (!expect_map(report, value, table)) return;
  for (const Entry& entry : value.entries) {
    const Field<T>* known = nullptr;
    std::vector<std::string> names;
    for (const auto& field : table.fields) {
      if (field.key.name == entry.key) known = &field;
      names.push_back(field.key.name);
    }
    if (known == nullptr) {
      report.error(entry.place,
                   fmt::format("unknown key '{}'{}", shown(entry.key), suggestion(entry.key, names)));
    } else if (!known->key.served) {
      report.error(entry.place, fmt::format("'{}' is not supported yet", entry.key));
    } else {
      if (entry.value->is_null()) {
        report.error(entry.place, fmt::format("'{}' has no value", entry.key));
        continue;
      }
      known->read(report, *entry.value, out);
    }
  }
  if (reading == Reading::partial) return;
  for (const auto& field : table.fields) {
    if (value.find(field.key.name) != nullptr) continue;
    if (field.key.required) {
      report.error(value.place, fmt::format("{} needs the key '{}'", table.what(), field.key.name));
    } else if (field.key.served && !field.key.default_text.empty()) {
      field.read(report, *make_scalar(field.key.default_text, value.place), out);
    }
  }
}

// A key that holds a table.
template <class T, class Get, class U>
Field<T> table(std::string name, Get get, const Table<U>& child, std::string doc) {
  Field<T> field{{std::move(name), "", "", std::move(doc)}, nullptr};
  field.key.child = &child;
  field.read = [get, &child](Report& report, const Value& value, T& out) {
    read_table(report, value, child, std::invoke(get, out));
  };
  return field;
}

// A key that holds a table in another shape, or read by a function of its own.
template <class T, class Read>
Field<T> tables(std::string name, Key::Shape shape, const TableBase& child, std::string doc, Read read) {
  Field<T> field{{std::move(name), "", "", std::move(doc)}, read};
  field.key.child = &child;
  field.key.shape = shape;
  return field;
}

}  // namespace headgate::config
