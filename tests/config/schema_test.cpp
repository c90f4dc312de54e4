#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "config/load/draft.h"
#include "config/load/load.h"

namespace headgate::config {
namespace {

using nlohmann::json;

void walk(const TableBase& table, const std::function<void(const Key&)>& visit, int depth = 0) {
  for (const Key* key : table.keys()) {
    visit(*key);
    if (key->child != nullptr && depth < 8) walk(*key->child, visit, depth + 1);
  }
}

// All names that stand under "properties" anywhere.
void names(const json& node, std::set<std::string>& out) {
  if (node.is_object() && node.contains("properties")) {
    for (const auto& [name, value] : node["properties"].items()) out.insert(name);
  }
  for (const auto& child : node) {
    if (child.is_structured()) names(child, out);
  }
}

TEST(JsonSchema, OfBothFilesIsDraft07AndHasEachServedKey) {
  const std::vector<std::pair<const TableBase*, std::string>> files{
      {&node_table(), node_json_schema()}, {&channel_file_table(), channels_json_schema()}};
  for (const auto& [table, text] : files) {
    const json schema = json::parse(text);
    EXPECT_EQ(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    std::set<std::string> known, served;
    names(schema, known);
    walk(*table, [&](const Key& key) {
      if (key.served) served.insert(key.name);
      if (key.served) {
        EXPECT_TRUE(known.count(key.name)) << key.name;
      }
    });
    // "name" of program is inside a value's schema, not a key of a table.
    for (const std::string& name : known) EXPECT_TRUE(served.count(name)) << name;
  }
}

TEST(JsonSchema, TakesAnInputByUrlOrPublishAndUpToEight) {
  const json schema = json::parse(channels_json_schema());
  const json& inputs = schema["properties"]["channels"]["additionalProperties"]["properties"]["inputs"];
  EXPECT_EQ(inputs["minItems"], 1);
  EXPECT_EQ(inputs["maxItems"], 8);
  EXPECT_EQ(inputs["items"]["anyOf"][1]["oneOf"],
            json::parse(R"([{"required": ["url"]}, {"required": ["publish"]}])"));
  const json& publish = inputs["items"]["anyOf"][1]["properties"]["publish"];
  EXPECT_EQ(publish["anyOf"][1], json::parse(R"({"type": "null"})"));
}

TEST(JsonSchema, LeavesOutKeysThatAreRefused) {
  for (const char* name : {"access", "timeshift", "fec", "skew", "record"}) {
    EXPECT_EQ(channels_json_schema().find('"' + std::string(name) + '"'), std::string::npos) << name;
  }
  EXPECT_EQ(node_json_schema().find("\"exception\""), std::string::npos);
}

TEST(Tables, EachServedKeyIsDocumentedAndTypedOnce) {
  for (const TableBase* table : {static_cast<const TableBase*>(&node_table()), &channel_file_table()}) {
    walk(*table, [](const Key& key) {
      if (!key.served) return;
      EXPECT_FALSE(key.doc.empty()) << key.name;
      EXPECT_NE(key.schema.empty(), key.child == nullptr) << key.name;
      if (!key.schema.empty()) {
        EXPECT_TRUE(json::accept(key.schema)) << key.name;
      }
    });
  }
}

TEST(Reference, NamesEachServedKeyWithItsDefault) {
  const std::string page = reference();
  EXPECT_NE(page.find("| `interfaces.NAME.mtu` | `1500` |"), std::string::npos);
  EXPECT_NE(page.find("| `channels.NAME.serve.hls.segment` | `4s` |"), std::string::npos);
  EXPECT_NE(page.find("| `channels.NAME.inputs.publish.grace` | `5s` |"), std::string::npos);
  EXPECT_NE(page.find("| `multiplexes.NAME.bitrate` | required |"), std::string::npos);
}

}  // namespace
}  // namespace headgate::config
