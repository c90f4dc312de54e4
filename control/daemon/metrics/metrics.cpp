#include "control/daemon/metrics/families.h"

namespace headgate::control {

std::string metrics_text(const GatewayView& view) {
  const metrics::Scene scene(view);
  constexpr std::size_t kOfGateway = 64 * 1024, kOfChannel = 3 * 1024;  // most often
  metrics::Page page(kOfGateway + kOfChannel * scene.channels.size());
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
