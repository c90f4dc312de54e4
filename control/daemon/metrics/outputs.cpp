#include "control/daemon/metrics/families.h"

namespace headgate::control::metrics {
namespace {

template <typename Each>
void each_push(const Scene& scene, Each each) {
  for (const ChannelScene& channel : scene.channels) {
    for (const PushScene& push : channel.pushes) each(channel.channel.id, channel.counters, push);
  }
  for (const MultiplexScene& multiplex : scene.multiplexes) {
    for (const PushScene& push : multiplex.pushes) each(multiplex.multiplex.id, multiplex.counters, push);
  }
}

}  // namespace

void about_outputs(Page& page, const Scene& scene) {
  auto bytes = page.family<"headgate_output_bytes_total">();
  for (const ChannelScene& channel : scene.channels) {
    for (const ServedOutput& output : channel.served) {
      if (output.bytes) bytes.sample(*output.bytes, channel.channel.id, output.protocol);
    }
  }
  each_push(scene, [&](const std::string& id, const ChannelSnapshot*, const PushScene& push) {
    if (push.counters != nullptr) bytes.sample(push.counters->bytes, id, push.push.url);
    if (push.sent != nullptr) bytes.sample(push.sent->bytes, id, push.push.url);
  });
  auto datagrams = page.family<"headgate_output_datagrams_total">();
  auto push_family = [&](auto family, auto value) {
    each_push(scene, [&](const std::string& id, const ChannelSnapshot*, const PushScene& push) {
      if (push.sent != nullptr) family.sample(value(*push.sent), id, push.push.url);
    });
  };
  each_push(scene, [&](const std::string& id, const ChannelSnapshot*, const PushScene& push) {
    if (push.counters != nullptr) datagrams.sample(push.counters->datagrams, id, push.push.url);
  });
  // Where nothing is measured, nothing is said.
  auto accuracy = page.family<"headgate_output_pcr_accuracy_max_seconds">();
  each_push(scene, [&](const std::string& id, const ChannelSnapshot* counters, const PushScene& push) {
    if (push.counters == nullptr || counters == nullptr || !counters->pcr_accuracy_max_ns) return;
    accuracy.sample(seconds(*counters->pcr_accuracy_max_ns), id, push.push.url);
  });
  auto indicators = page.family<"headgate_output_tr101290_errors_total">();
  each_push(scene, [&](const std::string& id, const ChannelSnapshot*, const PushScene& push) {
    if (push.counters == nullptr || push.counters->tr101290.judged == 0) return;
    for (const mpegts::IndicatorInfo& info : mpegts::kIndicators) {
      const auto errors = push.counters->tr101290.of(info.indicator);
      if (errors || mpegts::measured_live(info.indicator))
        indicators.sample(errors.value_or(0), id, push.push.url, info.label);
    }
  });
  push_family(page.family<"headgate_push_up">(),
              [](const PushView& sent) { return sent.state == "sending"; });
  push_family(page.family<"headgate_push_failures_total">(),
              [](const PushView& sent) { return sent.failures; });
}

}  // namespace headgate::control::metrics
