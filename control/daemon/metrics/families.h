// The families of metrics, in the order of the catalogue's table. Threading: pure.
#pragma once

#include "control/daemon/metrics/page.h"
#include "control/daemon/metrics/scene.h"

namespace headgate::control::metrics {

void about_gateway(Page& page, const Scene& scene);
void about_channels(Page& page, const Scene& scene);
void about_inputs(Page& page, const Scene& scene);
void about_sources(Page& page, const Scene& scene);
void about_outputs(Page& page, const Scene& scene);
void about_drops(Page& page, const Scene& scene);
void about_bridge(Page& page, const Scene& scene);
void about_transcode(Page& page, const Scene& scene);
void about_watch(Page& page, const Scene& scene);
void about_host(Page& page, const Scene& scene);

}  // namespace headgate::control::metrics
