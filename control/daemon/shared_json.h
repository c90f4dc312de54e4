// JSON that is copied by its address: the status of a bridge with many channels has more than a hundred
// thousand values. Threading: a value; what copies share nobody changes.
#pragma once

#include <memory>
#include <utility>

#include <nlohmann/json.hpp>

namespace headgate::control {

class SharedJson {
 public:
  SharedJson() : SharedJson(nlohmann::json::object()) {}
  SharedJson(nlohmann::json json) : json_(std::make_shared<nlohmann::json>(std::move(json))) {}

  operator const nlohmann::json&() const noexcept { return *json_; }
  // To be changed: of one that others share a copy is made.
  nlohmann::json& operator[](const char* name) {
    if (json_.use_count() != 1) json_ = std::make_shared<nlohmann::json>(*json_);
    return (*json_)[name];
  }

 private:
  std::shared_ptr<nlohmann::json> json_;
};

}  // namespace headgate::control
