#include "control/daemon/metrics/families.h"

namespace headgate::control {

std::string metrics_text(const GatewayView& view) {
  return metrics_text(view, view.bridge_status, view.transcode_status);
}

std::string metrics_text(const GatewayView& view, const nlohmann::json& bridge_status,
                         const nlohmann::json& transcode_status) {
  const metrics::Scene scene(view, bridge_status, transcode_status);
  metrics::Page page;
  metrics::about_gateway(page, scene);
  metrics::about_channels(page, scene);
  metrics::about_inputs(page, scene);
  metrics::about_sources(page, scene);
  metrics::about_outputs(page, scene);
  metrics::about_drops(page, scene);
  metrics::about_bridge(page, scene);
  metrics::about_transcode(page, scene);
  metrics::about_watch(page, scene);
  metrics::about_host(page, scene);
  return page.take();
}

}  // namespace headgate::control
