// What the fast path judged of a stream, as status tells it. Pure. Threading: none.
#pragma once

#include <nlohmann/json.hpp>

#include "control/daemon/snapshot.h"

namespace headgate::control {

// By the indicators' labels; null where nothing could be judged.
nlohmann::json tr101290_json(const IndicatorSnapshot& indicators);
// Null without datagrams lately.
nlohmann::json delivery_json(const std::optional<DeliverySnapshot>& delivery);

nlohmann::json services_json(const std::vector<ServiceSnapshot>& services);

}  // namespace headgate::control
