#include <fmt/format.h>

#include <algorithm>

#include "control/daemon/metrics/families.h"

namespace headgate::control::metrics {
namespace {

constexpr std::size_t kMostPids = 16;

template <typename Each>
void each_input(const Scene& scene, Each each) {
  for (const ChannelScene& channel : scene.channels) {
    for (const InputScene& input : channel.inputs) each(channel, input);
  }
}

template <typename Family, typename Value>
void samples(Family family, const Scene& scene, Value value) {
  each_input(scene, [&](const ChannelScene& channel, const InputScene& input) {
    if (input.counters != nullptr)
      family.sample(value(*input.counters), channel.channel.id, input.input.number);
  });
}

template <catalogue::MetricName kName>
void counter(Page& page, const Scene& scene, std::uint64_t InputSnapshot::*value) {
  samples(page.family<kName>(), scene, [value](const InputSnapshot& input) { return input.*value; });
}

void about_indicators(Page& page, const Scene& scene) {
  auto family = page.family<"headgate_input_tr101290_errors_total">();
  each_input(scene, [&](const ChannelScene& channel, const InputScene& input) {
    if (input.counters == nullptr) return;
    for (const mpegts::IndicatorInfo& info : catalogue::kIndicatorTable)
      family.sample(input.counters->tr101290.errors[info.indicator], channel.channel.id, input.input.number,
                    info.label);
  });
}

// Of inputs that come in datagrams; gauges where there is something to tell.
void about_delivery(Page& page, const Scene& scene) {
  const auto of_datagrams = [](const InputScene& input) {
    return input.counters != nullptr && !config::by_bridge(input.input);
  };
  const auto gauge = [&](auto family, auto value) {
    each_input(scene, [&](const ChannelScene& channel, const InputScene& input) {
      if (!of_datagrams(input) || !input.counters->delivery) return;
      if (const std::optional<std::uint64_t> ns = value(*input.counters->delivery))
        family.sample(seconds(*ns), channel.channel.id, input.input.number);
    });
  };
  gauge(page.family<"headgate_input_arrival_interval_min_seconds">(),
        [](const DeliverySnapshot& one) { return std::optional(one.gap_min_ns); });
  gauge(page.family<"headgate_input_arrival_interval_mean_seconds">(),
        [](const DeliverySnapshot& one) { return std::optional(one.gap_mean_ns); });
  gauge(page.family<"headgate_input_arrival_interval_max_seconds">(),
        [](const DeliverySnapshot& one) { return std::optional(one.gap_max_ns); });
  gauge(page.family<"headgate_input_mdi_delay_factor_seconds">(),
        [](const DeliverySnapshot& one) { return one.delay_factor_ns; });
  auto lost = page.family<"headgate_input_mdi_media_loss_packets_total">();
  each_input(scene, [&](const ChannelScene& channel, const InputScene& input) {
    if (of_datagrams(input)) lost.sample(input.counters->media_lost, channel.channel.id, input.input.number);
  });
  gauge(page.family<"headgate_input_pcr_jitter_seconds">(),
        [](const DeliverySnapshot& one) { return one.pcr_jitter_ns; });
}

// A damaged stream has thousands of PIDs; those with the most packets are its own.
void about_pids(Page& page, const Scene& scene) {
  auto family = page.family<"headgate_input_pid_cc_errors_total">();
  std::vector<const PidSnapshot*> pids;
  each_input(scene, [&](const ChannelScene& channel, const InputScene& input) {
    if (input.counters == nullptr || input.counters->cc_errors == 0) return;
    pids.clear();
    for (const PidSnapshot& pid : input.counters->pids) pids.push_back(&pid);
    std::stable_sort(pids.begin(), pids.end(),
                     [](const auto* a, const auto* b) { return a->packets > b->packets; });
    pids.resize(std::min(pids.size(), kMostPids));
    for (const PidSnapshot* pid : pids) {
      if (pid->cc_errors != 0)
        family.sample(pid->cc_errors, channel.channel.id, input.input.number,
                      fmt::format("0x{:04x}", pid->pid));
    }
  });
}

}  // namespace

void about_inputs(Page& page, const Scene& scene) {
  auto active = page.family<"headgate_input_active">();
  each_input(scene, [&](const ChannelScene& channel, const InputScene& input) {
    active.sample(channel.health != nullptr && channel.health->active_input == input.input.number,
                  channel.channel.id, input.input.number);
  });
  counter<"headgate_input_datagrams_total">(page, scene, &InputSnapshot::datagrams);
  counter<"headgate_input_ts_packets_total">(page, scene, &InputSnapshot::ts_packets);
  counter<"headgate_input_bytes_total">(page, scene, &InputSnapshot::bytes);
  counter<"headgate_input_cc_errors_total">(page, scene, &InputSnapshot::cc_errors);
  counter<"headgate_input_duplicates_total">(page, scene, &InputSnapshot::duplicates);
  counter<"headgate_input_transport_errors_total">(page, scene, &InputSnapshot::transport_errors);
  counter<"headgate_input_sync_errors_total">(page, scene, &InputSnapshot::sync_errors);
  counter<"headgate_input_scrambled_packets_total">(page, scene, &InputSnapshot::scrambled);
  counter<"headgate_input_null_packets_total">(page, scene, &InputSnapshot::null_packets);
  counter<"headgate_input_rtp_lost_total">(page, scene, &InputSnapshot::rtp_lost);
  counter<"headgate_input_rtp_duplicates_total">(page, scene, &InputSnapshot::rtp_duplicates);
  counter<"headgate_input_rtp_reordered_total">(page, scene, &InputSnapshot::rtp_reordered);
  counter<"headgate_input_pcr_discontinuities_total">(page, scene, &InputSnapshot::pcr_discontinuities);
  about_indicators(page, scene);
  counter<"headgate_input_scte35_cues_total">(page, scene, &InputSnapshot::cues);
  about_delivery(page, scene);
  samples(page.family<"headgate_input_bytes_per_second">(), scene,
          [](const InputSnapshot& input) { return static_cast<double>(input.bitrate_bps) / 8; });
  samples(page.family<"headgate_input_last_packet_timestamp_seconds">(), scene,
          [](const InputSnapshot& input) { return seconds(input.last_packet_unix_ns); });
  about_pids(page, scene);
}

// Whether inputs bring media, and those that enter through the bridge in all words; then those that have a
// buffer, or had one.
void about_sources(Page& page, const Scene& scene) {
  constexpr std::uint64_t kSilence = 2'000'000'000;
  const auto now = static_cast<std::uint64_t>(scene.view.now_unix_ns);
  samples(page.family<"headgate_input_up">(), scene, [now](const InputSnapshot& input) {
    return input.last_packet_unix_ns != 0 && input.last_packet_unix_ns + kSilence >= now &&
           input.troubles == 0;
  });
  auto states = page.family<"headgate_input_source_state">();
  each_input(scene, [&](const ChannelScene& channel, const InputScene& input) {
    if (input.source == nullptr) return;
    for (const std::string_view state : {"waiting", "connecting", "receiving"})
      states.sample(input.source->state == state, channel.channel.id, input.input.number, state);
  });
  auto connections = page.family<"headgate_input_connections_total">();
  each_input(scene, [&](const ChannelScene& channel, const InputScene& input) {
    if (input.source != nullptr)
      connections.sample(input.source->connections, channel.channel.id, input.input.number);
  });
  const auto buffered = [&](auto family, auto value) {
    each_input(scene, [&](const ChannelScene& channel, const InputScene& input) {
      const InputSnapshot* counters = input.counters;
      if (counters == nullptr || (counters->buffer_packets | counters->buffer_level_ns |
                                  counters->buffer_underflows | counters->buffer_overflows) == 0)
        return;
      family.sample(value(*counters), channel.channel.id, input.input.number);
    });
  };
  buffered(page.family<"headgate_input_buffer_seconds">(),
           [](const InputSnapshot& input) { return seconds(input.buffer_level_ns); });
  buffered(page.family<"headgate_input_buffer_packets">(),
           [](const InputSnapshot& input) { return input.buffer_packets; });
  buffered(page.family<"headgate_input_buffer_underflows_total">(),
           [](const InputSnapshot& input) { return input.buffer_underflows; });
  buffered(page.family<"headgate_input_buffer_overflows_total">(),
           [](const InputSnapshot& input) { return input.buffer_overflows; });
  buffered(page.family<"headgate_input_clock_drift_ppb">(),
           [](const InputSnapshot& input) { return input.clock_drift_ppb; });
}

}  // namespace headgate::control::metrics
