// A Model as JSON and back: what apply stores beside the texts of the files, so that a starting control
// adopts the applied map from data_dir alone, whatever has become of the files. Without admin
// tokens and passphrases, which stay in their files. Threading: pure functions.
#pragma once

#include <memory>
#include <string>

#include <tl/expected.hpp>

#include "config/model/model.h"

namespace headgate::control {

std::string model_to_json(const config::Model& model);
// Errors name the member.
tl::expected<std::shared_ptr<const config::Model>, std::string> parse_model(const std::string& json);

}  // namespace headgate::control
