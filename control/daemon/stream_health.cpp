#include "control/daemon/stream_health.h"

namespace headgate::control {

nlohmann::json tr101290_json(const IndicatorSnapshot& indicators) {
  auto out = nlohmann::json::object();
  for (const mpegts::IndicatorInfo& info : mpegts::kIndicators) {
    const auto count = indicators.of(info.indicator);
    out[std::string(info.label)] = count ? nlohmann::json(*count) : nlohmann::json();
  }
  return out;
}

nlohmann::json delivery_json(const std::optional<DeliverySnapshot>& delivery) {
  if (!delivery) return nullptr;
  const auto measured = [](const std::optional<std::uint64_t>& value) {
    return value ? nlohmann::json(*value) : nlohmann::json();
  };
  return {{"interval_min_ns", delivery->gap_min_ns},
          {"interval_mean_ns", delivery->gap_mean_ns},
          {"interval_max_ns", delivery->gap_max_ns},
          {"delay_factor_ns", measured(delivery->delay_factor_ns)},
          {"pcr_jitter_ns", measured(delivery->pcr_jitter_ns)}};
}

nlohmann::json services_json(const std::vector<ServiceSnapshot>& services) {
  auto out = nlohmann::json::array();
  for (const ServiceSnapshot& service : services)
    out.push_back({{"program_number", service.program_number}, {"bitrate_bps", service.bitrate_bps}});
  return out;
}

}  // namespace headgate::control
