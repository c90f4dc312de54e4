#include "control/daemon/foreign.h"
#include "control/daemon/metrics/families.h"
#include "control/protocol/bridge_drops.h"

namespace headgate::control::metrics {
namespace {

template <catalogue::MetricName kName>
void hls_counter(Page& page, const Scene& scene, HlsCount which) {
  auto family = page.family<kName>();
  for (const ChannelScene& channel : scene.channels) {
    if (const auto& count = channel.bridge.hls[static_cast<std::size_t>(which)])
      family.sample(*count, channel.channel.id);
  }
}

template <catalogue::MetricName kName>
void http_count(Page& page, const Scene& scene, const char* key) {
  auto family = page.family<kName>();
  if (const auto count = foreign::count(foreign::member(scene.bridge, "http"), key)) family.sample(*count);
}

// Zeros too: a handful of lines for the whole server.
template <catalogue::MetricName kName, typename Reasons>
void refusals(Page& page, const Scene& scene, const char* server, const Reasons& reasons) {
  auto family = page.family<kName>();
  const nlohmann::json& refused = foreign::member(foreign::member(scene.bridge, server), "refused");
  for (const protocol::BridgeReason& about : reasons) {
    if (const auto count = foreign::count(refused, about.name)) family.sample(*count, about.name);
  }
}

}  // namespace

void about_bridge(Page& page, const Scene& scene) {
  hls_counter<"headgate_hls_segments_total">(page, scene, HlsCount::segments);
  hls_counter<"headgate_hls_gaps_total">(page, scene, HlsCount::gaps);
  hls_counter<"headgate_hls_discontinuities_total">(page, scene, HlsCount::discontinuities);
  hls_counter<"headgate_hls_gop_too_long_total">(page, scene, HlsCount::gop_too_long);
  hls_counter<"headgate_hls_late_units_total">(page, scene, HlsCount::late_units);
  auto gaps = page.family<"headgate_bridge_ring_gaps_total">();
  for (const ChannelScene& channel : scene.channels) {
    if (channel.bridge.ring_gaps) gaps.sample(*channel.bridge.ring_gaps, channel.channel.id);
  }
  http_count<"headgate_http_connections">(page, scene, "connections");
  http_count<"headgate_http_accepted_total">(page, scene, "accepted_total");
  http_count<"headgate_http_requests_total">(page, scene, "requests_total");
  http_count<"headgate_http_bytes_total">(page, scene, "bytes_total");
  auto responses = page.family<"headgate_http_responses_total">();
  const nlohmann::json& classes = foreign::member(foreign::member(scene.bridge, "http"), "responses");
  for (const char* status : {"2xx", "3xx", "4xx", "5xx"}) {
    if (const auto count = foreign::count(classes, status)) responses.sample(*count, status);
  }
  refusals<"headgate_http_refused_total">(page, scene, "http", protocol::kHttpRefusals);
  refusals<"headgate_rtmp_refused_total">(page, scene, "rtmp", protocol::kRtmpRefusals);
  refusals<"headgate_srt_refused_total">(page, scene, "srt", protocol::kSrtRefusals);
}

}  // namespace headgate::control::metrics
