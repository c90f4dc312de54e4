// JSON Schema (draft-07) and reference page from the parser's tables. Keys that are refused stand in neither.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "config/load/draft.h"

namespace headgate::config {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kIdPattern = "^[a-z0-9][a-z0-9_-]{0,63}$";

Json schema_of(const TableBase& table);

Json schema_of(const Key& key) {
  Json out;
  if (key.child == nullptr) {
    out = Json::parse(key.schema);
  } else {
    const Json child = schema_of(*key.child);
    switch (key.shape) {
      case Key::Shape::one:
        out = child;
        break;
      case Key::Shape::one_or_list:
        out["anyOf"] = {child, {{"type", "array"}, {"items", child}}};
        break;
      case Key::Shape::named:
        out = {{"type", "object"}, {"additionalProperties", child}};
        break;
      case Key::Shape::list_or_named:
        out["type"] = "array";
        out["items"]["anyOf"] = {child["properties"]["url"], child};
        break;
      case Key::Shape::named_lists:
        out["type"] = "object";
        out["additionalProperties"]["type"] = "array";
        out["additionalProperties"]["items"]["anyOf"] = {{{"type", "string"}, {"pattern", kIdPattern}},
                                                         child};
        break;
    }
  }
  if (key.name == "serve") {
    // A list of protocols equals a map of empty options.
    Json names = Json::array();
    Json map = out;
    for (auto& [name, options] : map["properties"].items()) {
      names.push_back(name);
      options = {{"anyOf", {options, {{"type", "null"}}}}};
    }
    out = Json{{"anyOf", {map, {{"type", "array"}, {"items", {{"enum", names}}}, {"uniqueItems", true}}}}};
  }
  if (key.name == "inputs") {
    out["minItems"] = 1;
    out["maxItems"] = kMaxInputs;
    out["items"]["anyOf"][1]["oneOf"] = {{{"required", {"url"}}}, {{"required", {"publish"}}}};
    out["items"]["anyOf"][1]["allOf"] = Json::parse(protocol_rules(true));
  }
  if (key.name == "push") {
    out["items"]["anyOf"][1]["required"] = {"url"};
    out["items"]["anyOf"][1]["allOf"] = Json::parse(protocol_rules(false));
  }
  if (key.name == "publish") out = Json{{"anyOf", {out, {{"type", "null"}}}}};
  if (key.name == "vlans") {
    out["propertyNames"] = {{"pattern", "^(0[xX][0-9A-Fa-f]{1,3}|[1-9][0-9]{0,3})$"}};
    out["additionalProperties"] = {{"anyOf", {out["additionalProperties"], {{"type", "null"}}}}};
  }
  if (key.name == "interfaces")
    out["propertyNames"]["pattern"] = Json::parse(text_schema(check_interface_name))["pattern"];
  if (key.name == "admin") out["anyOf"][1]["maxItems"] = 1;
  // `defaults` and the parts that they complete need nothing.
  if (key.name == "defaults") out.erase("required");
  if (key.name == "channels" && key.child != nullptr) {
    out["propertyNames"] = {{"pattern", kIdPattern}};
    out["additionalProperties"].erase("required");
  }
  if (key.name == "multiplexes") out["propertyNames"] = {{"pattern", kIdPattern}};
  if (key.name == "renditions") {
    out["propertyNames"] = {{"pattern", kIdPattern}};
    out["additionalProperties"]["minItems"] = kMinRenditionMembers;
    out["additionalProperties"]["maxItems"] = kMaxRenditionMembers;
  }
  out["description"] = key.doc;
  if (!key.default_text.empty()) {
    Json text = Json::parse(key.default_text, nullptr, false);
    out["default"] = text.is_discarded() ? Json(key.default_text) : text;
  }
  return out;
}

Json schema_of(const TableBase& table) {
  Json out{{"type", "object"}, {"additionalProperties", false}, {"properties", Json::object()}};
  Json needed = Json::array();
  for (const Key* key : table.keys()) {
    if (!key->served) continue;
    out["properties"][key->name] = schema_of(*key);
    if (key->required) needed.push_back(key->name);
  }
  if (!needed.empty()) out["required"] = needed;
  return out;
}

std::string document(const TableBase& table, const char* title) {
  Json out{{"$schema", "http://json-schema.org/draft-07/schema#"}, {"title", title}};
  out.update(schema_of(table));
  return out.dump(2) + "\n";
}

void describe(const TableBase& table, const std::string& prefix, std::string& out) {
  for (const Key* key : table.keys()) {
    if (!key->served) continue;
    const bool named = key->shape == Key::Shape::named || key->shape == Key::Shape::named_lists;
    const char* shape = named ? ".NAME" : "";
    if (key->name == "defaults") {
      out += fmt::format("| `{}{}` | | {} |\n", prefix, key->name, key->doc);
      continue;
    }
    out += fmt::format("| `{}{}` | {} | {} |\n", prefix, key->name,
                       key->required               ? "required"
                       : key->default_text.empty() ? ""
                                                   : "`" + key->default_text + "`",
                       key->doc);
    if (key->child != nullptr) describe(*key->child, prefix + key->name + shape + ".", out);
  }
}

}  // namespace

std::string node_json_schema() { return document(node_table(), "Headgate node file"); }

std::string channels_json_schema() { return document(channel_file_table(), "Headgate channel map"); }

std::string reference() {
  std::string out = "## Node file\n\n| key | default | meaning |\n| --- | --- | --- |\n";
  describe(node_table(), "", out);
  out += "\n## Channel map\n\n| key | default | meaning |\n| --- | --- | --- |\n";
  describe(channel_file_table(), "", out);
  return out;
}

}  // namespace headgate::config
