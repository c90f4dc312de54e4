#include <fmt/format.h>

#include "control/daemon/metrics/families.h"

namespace headgate::control::metrics {
namespace {

// Of channels with a switch, a buffer or a constant rate.
template <typename Each>
void each_counted(const Scene& scene, Each each) {
  for (const ChannelScene& channel : scene.channels) {
    if (channel.counters != nullptr) each(channel.channel.id, *channel.counters);
  }
}

// And of multiplexes, which pace and fill up as a constant rate does.
template <typename Each>
void each_paced(const Scene& scene, Each each) {
  each_counted(scene, each);
  for (const MultiplexScene& multiplex : scene.multiplexes) {
    if (multiplex.counters != nullptr) each(multiplex.multiplex.id, *multiplex.counters);
  }
}

// Of those that pace, or did.
void about_departures(Page& page, const Scene& scene) {
  auto late = page.family<"headgate_departure_late_seconds">();
  each_paced(scene, [&](const std::string& id, const ChannelSnapshot& counters) {
    std::uint64_t count = 0;
    for (const std::uint64_t departures : counters.departures) count += departures;
    if (count == 0) return;
    std::uint64_t within = 0;
    for (std::size_t i = 0; i < protocol::kDepartureBounds.size(); ++i) {
      within += counters.departures[i];
      late.bucket(within, fmt::format("{}", seconds(protocol::kDepartureBounds[i])), id);
    }
    late.bucket(count, "+Inf", id);
    late.sum_and_count(seconds(counters.departure_late_ns), count, id);
  });
}

void about_sessions(Page& page, const Scene& scene) {
  auto family = page.family<"headgate_sessions">();
  for (const ChannelScene& channel : scene.channels) {
    const std::string& id = channel.channel.id;
    for (const ServedOutput& output : channel.served) {
      if (output.sessions) family.sample(*output.sessions, id, output.protocol, output.protocol);
    }
    std::uint64_t known = 0, publishing = 0;
    for (const InputScene& input : channel.inputs) {
      if (input.input.kind != config::InputKind::publish || input.source == nullptr) continue;
      ++known;
      publishing += input.source->state == "receiving" ? 1 : 0;
    }
    if (known != 0 && channel.channel.enabled) family.sample(publishing, id, "publish", "publish");
  }
}

}  // namespace

void about_channels(Page& page, const Scene& scene) {
  auto states = page.family<"headgate_channel_state">();
  for (const ChannelScene& channel : scene.channels) {
    for (const ChannelState state : kChannelStates)
      states.sample(channel.health != nullptr && channel.health->state == state, channel.channel.id,
                    to_string(state));
  }
  auto failovers = page.family<"headgate_failovers_total">();
  each_counted(scene,
               [&](const std::string& id, const auto& counters) { failovers.sample(counters.switches, id); });
  auto forced = page.family<"headgate_input_forced">();
  each_counted(scene,
               [&](const std::string& id, const auto& counters) { forced.sample(counters.forced, id); });
  auto nulls = page.family<"headgate_null_packets_total">();
  each_paced(scene,
             [&](const std::string& id, const auto& counters) { nulls.sample(counters.null_packets, id); });
  auto late = page.family<"headgate_departure_late_max_seconds">();
  each_paced(scene, [&](const std::string& id, const auto& counters) {
    late.sample(seconds(counters.departure_late_max_ns), id);
  });
  about_departures(page, scene);
  about_sessions(page, scene);
}

}  // namespace headgate::control::metrics
