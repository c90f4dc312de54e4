#include "control/reconcile/model_json.h"

#include <gtest/gtest.h>

#include "sample_model.h"

namespace headgate::control {
namespace {

TEST(ModelJson, GivesTheSameModelBackWithoutItsSecrets) {
  auto model = sample_model();
  const std::string text = model_to_json(model);
  EXPECT_EQ(text.find("secret"), std::string::npos);
  const auto again = parse_model(text);
  ASSERT_TRUE(again.has_value()) << again.error();
  model.node.admin->tokens.clear();
  EXPECT_EQ(**again, model);
}

TEST(ModelJson, NamesAMissingMember) {
  std::string text = model_to_json(sample_model());
  text.replace(text.find("\"run_dir\""), 9, "\"run_dri\"");
  const auto again = parse_model(text);
  ASSERT_FALSE(again.has_value());
  EXPECT_NE(again.error().find("run_dir"), std::string::npos) << again.error();
}

TEST(ModelJson, RefusesAnotherVersionAndRubbish) {
  EXPECT_FALSE(parse_model(R"({"version":2,"model":{}})").has_value());
  EXPECT_FALSE(parse_model("").has_value());
}

}  // namespace
}  // namespace headgate::control
