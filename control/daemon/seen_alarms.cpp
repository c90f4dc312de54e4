#include "control/daemon/seen_alarms.h"

#include <fmt/core.h>

#include <algorithm>

#include "control/daemon/foreign.h"
#include "control/daemon/pid_label.h"

namespace headgate::control {
namespace {

using protocol::DropReason;

bool flows(const ChannelHealth* health) {
  return health != nullptr && (health->state == ChannelState::ok || health->state == ChannelState::degraded ||
                               health->state == ChannelState::backup);
}

// Inputs of enabled channels, with what is known of their last ten seconds.
template <typename Each>
void each_input(const config::Model& model, const Recent& recent, Each each) {
  for (const config::Channel& channel : model.channels) {
    if (!channel.enabled) continue;
    for (const config::Input& input : channel.inputs) {
      const auto found = recent.inputs.find({channel.id, input.number});
      if (found != recent.inputs.end()) each(channel, input, found->second);
    }
  }
}

// Those that are on air.
template <typename Each>
void each_on_air(const config::Model& model, const ChannelMonitor& monitor, const Recent& recent, Each each) {
  each_input(model, recent, [&](const auto& channel, const auto& input, const InputRecent& lately) {
    const ChannelHealth* health = monitor.find(channel.id);
    if (flows(health) && health->active_input == input.number && lately.flows) each(channel, input, lately);
  });
}

// "17 not_ts_size"; "" for none.
std::string dropped(const DropCounts& drops, std::initializer_list<DropReason> reasons) {
  std::string text;
  for (const DropReason reason : reasons) {
    const auto count = drops[static_cast<std::size_t>(reason)];
    if (count != 0)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, protocol::info(reason).name);
  }
  return text;
}

// Each PID that is missed of an input on air.
template <typename Each>
void each_lost(const config::Model& model, const ChannelMonitor& monitor, const Recent& recent,
               const nlohmann::json& bridge_status, Each each) {
  each_on_air(model, monitor, recent, [&](const auto& channel, const auto& input, const InputRecent& lately) {
    if (lately.gone.empty()) return;
    const nlohmann::json& bridge = foreign::channel(bridge_status, channel.id);
    for (const GonePid& gone : lately.gone) {
      if (is_missed(bridge, gone.pid)) each(channel, input, gone, bridge);
    }
  });
}

}  // namespace

Messages links_down(const Snapshot& snapshot) {
  Messages found;
  for (const InterfaceSnapshot& interface : snapshot.interfaces) {
    if (!interface.link_up) found[interface.name] = fmt::format("{} has no link", interface.device);
  }
  return found;
}

// A network that has groups joined and hears no query: a switch that snoops will stop forwarding them.
Messages queriers_missing(const Snapshot& snapshot, const Recent& recent, std::int64_t now) {
  Messages found;
  for (const NetworkSnapshot& network : snapshot.networks) {
    const auto heard =
        static_cast<std::int64_t>(std::max(network.last_query_unix_ns, snapshot.started_unix_ns));
    const auto known = recent.networks.find({network.interface, network.vlan});
    if (network.groups == 0 || known == recent.networks.end() || now - heard <= known->second.query_late_ns)
      continue;
    const std::string vlan = network.vlan == 0 ? "" : fmt::format(" vlan {}", network.vlan);
    found[network.interface + vlan] =
        network.last_query_unix_ns == 0
            ? "no query seen: a snooping switch stops forwarding"
            : fmt::format("no query for {} s, {} groups joined: a snooping switch stops forwarding",
                          (now - heard) / 1'000'000'000, network.groups);
  }
  return found;
}

Messages channels_down(const config::Model& model, const ChannelMonitor& monitor) {
  Messages found;
  for (const config::Channel& channel : model.channels) {
    const ChannelHealth* health = monitor.find(channel.id);
    if (health != nullptr && health->state == ChannelState::down && !health->in_time)
      found[channel.id] = health->reason;
  }
  return found;
}

Messages faulty(const config::Model& model, const ChannelMonitor& monitor, std::string_view alarm) {
  Messages found;
  for (const config::Channel& channel : model.channels) {
    const ChannelHealth* health = monitor.find(channel.id);
    if (!flows(health)) continue;
    for (const Fault& fault : health->faults) {
      if (fault.alarm == alarm) found[channel.id] = fault.text;
    }
  }
  return found;
}

Messages wrong_sources(const config::Model& model, const Recent& recent) {
  Messages found;
  each_input(model, recent, [&](const auto& channel, const auto& input, const InputRecent& lately) {
    const auto text = dropped(lately.drops, {DropReason::wrong_source});
    if (text.empty() || input.source.empty()) return;
    const std::string sender = lately.wrong_source == 0 ? "another source" : ipv4_text(lately.wrong_source);
    found[fmt::format("{} input {}", channel.id, input.number)] =
        fmt::format("{} lately: {} is sent by {}, the map names {}", text, input.group, sender, input.source);
  });
  return found;
}

Messages wrong_formats(const config::Model& model, const Recent& recent) {
  Messages found;
  each_input(model, recent, [&](const auto& channel, const auto& input, const InputRecent& lately) {
    const auto text =
        dropped(lately.drops, {DropReason::not_ts_size, DropReason::packet_size_204, DropReason::no_sync,
                               DropReason::rtp_malformed, DropReason::ip_fragment, DropReason::malformed_ip});
    if (!text.empty())
      found[fmt::format("{} input {}", channel.id, input.number)] =
          fmt::format("{} lately: what comes is not what {} says", text, input.url);
  });
  return found;
}

Messages pids_lost(const config::Model& model, const ChannelMonitor& monitor, const Recent& recent,
                   const nlohmann::json& bridge_status) {
  Messages found;
  each_lost(model, monitor, recent, bridge_status,
            [&](const auto& channel, const auto& input, const GonePid& gone, const auto&) {
              found[fmt::format("{} pid 0x{:04x}", channel.id, gone.pid)] =
                  fmt::format("came steadily and stopped, while the others of {} still come", input.url);
            });
  return found;
}

Messages tracks_lost(const config::Model& model, const ChannelMonitor& monitor, const Recent& recent,
                     const nlohmann::json& bridge_status, std::int64_t now) {
  Messages found;
  each_lost(model, monitor, recent, bridge_status,
            [&](const auto& channel, const auto&, const GonePid& gone, const auto& bridge) {
              std::string& text = found[channel.id];
              text += fmt::format("{}PID 0x{:04x}{} gone for {} s", text.empty() ? "" : ", ", gone.pid,
                                  track_words(bridge, gone.pid),
                                  std::max<std::int64_t>(0, now - gone.last_unix_ns) / 1'000'000'000);
            });
  return found;
}

Messages clocks_lost(const config::Model& model, const ChannelMonitor& monitor, const Recent& recent) {
  constexpr std::int64_t kEnough = 3'000'000'000;
  Messages found;
  if (recent.window_ns < kEnough) return found;
  each_on_air(model, monitor, recent, [&](const auto& channel, const auto& input, const InputRecent& lately) {
    if (lately.had_pcr && lately.pcrs == 0 && lately.packets > 0)
      found[channel.id] = fmt::format("no PCR for {} s, while packets of {} come",
                                      recent.window_ns / 1'000'000'000, input.url);
  });
  return found;
}

Messages rates_outside(const config::Model& model, const ChannelMonitor& monitor, const SnapshotIndex& seen) {
  constexpr double kMega = 1e6;
  Messages found;
  for (const config::Channel& channel : model.channels) {
    const ChannelHealth* health = monitor.find(channel.id);
    if (!channel.alarms.bitrate || !flows(health)) continue;
    for (const InputSnapshot* each : seen.inputs(channel.id)) {
      const InputSnapshot& input = *each;
      if (!is_input_of(channel, input) || input.number != health->active_input) continue;
      const config::RateRange& range = *channel.alarms.bitrate;
      if (input.bitrate_bps >= range.min && input.bitrate_bps <= range.max) continue;
      found[channel.id] = fmt::format(
          "{:.2f} Mb/s is {} alarms.bitrate ({:.2f} to {:.2f} Mb/s)",
          static_cast<double>(input.bitrate_bps) / kMega, input.bitrate_bps < range.min ? "below" : "above",
          static_cast<double>(range.min) / kMega, static_cast<double>(range.max) / kMega);
    }
  }
  return found;
}

Messages host_alarms(const HostView& host, const Recent& recent, std::string_view kind) {
  Messages found;
  for (const HostCondition& condition : host.conditions) {
    if (condition.kind == kind) found[condition.subject] = condition.message;
  }
  if (kind != "host_overload") return found;
  for (const auto& [name, port] : recent.ports) {
    const auto text = dropped(port.drops, {DropReason::nic_missed, DropReason::nic_no_buffer});
    if (text.empty()) continue;
    std::string& message = found[""];
    message += fmt::format("{}{}: {} lately", message.empty() ? "" : "; ", name, text);
  }
  return found;
}

}  // namespace headgate::control
