#include "control/daemon/multiplex_status.h"

#include <fmt/core.h>

#include <algorithm>

namespace headgate::control {
namespace {

using nlohmann::json;

const config::Channel* member_of(const config::Model& model, const std::string& id) {
  const auto found = std::find_if(model.channels.begin(), model.channels.end(),
                                  [&](const config::Channel& channel) { return channel.id == id; });
  return found == model.channels.end() ? nullptr : &*found;
}

// Not on air: what it gives its multiplex, too.
bool silent(const GatewayView& view, const std::string& channel) {
  const ChannelHealth* health = view.monitor.find(channel);
  return health == nullptr || health->state == ChannelState::down || health->state == ChannelState::waiting;
}

}  // namespace

const config::Multiplex* find_multiplex(const config::Model& model, const std::string& id) {
  const auto found = std::find_if(model.multiplexes.begin(), model.multiplexes.end(),
                                  [&](const config::Multiplex& multiplex) { return multiplex.id == id; });
  return found == model.multiplexes.end() ? nullptr : &*found;
}

MultiplexHealth health_of(const GatewayView& view, const config::Multiplex& multiplex) {
  MultiplexHealth health;
  if (find_channel(view.snapshot, multiplex.id) == nullptr) {
    health.reason = "the fast path does not send it";
    return health;
  }
  std::size_t enabled = 0;
  for (const std::string& id : multiplex.channels) {
    const config::Channel* channel = member_of(*view.model, id);
    if (channel == nullptr || !channel->enabled) continue;
    ++enabled;
    if (silent(view, id)) health.missing.push_back(id);
  }
  if (!health.missing.empty()) {
    health.reason = fmt::format("{} of {} channels missing: ", health.missing.size(), enabled);
    for (const std::string& id : health.missing)
      health.reason += (&id == &health.missing.front() ? "" : ", ") + id;
  }
  const auto dropped = view.recent->rate_dropped.find(multiplex.id);
  const bool over = dropped != view.recent->rate_dropped.end() && dropped->second > 0;
  if (over)
    health.reason += fmt::format("{}{} packets dropped in the last 10 s: its channels are more than its rate",
                                 health.reason.empty() ? "" : "; ", dropped->second);
  if (enabled == 0) health.reason = "none of its channels is enabled";
  const bool none = health.missing.size() == enabled;
  health.state = none                              ? ChannelState::down
                 : over || !health.missing.empty() ? ChannelState::degraded
                                                   : ChannelState::ok;
  return health;
}

std::uint16_t service_in(const GatewayView& view, const std::string& multiplex, const std::string& channel) {
  for (const protocol::FastpathMultiplex& each : view.multiplexes) {
    if (each.id != multiplex) continue;
    for (const protocol::MultiplexMemberState& member : each.members) {
      if (member.channel == channel) return member.service_id;
    }
  }
  return 0;
}

json multiplex_line(const GatewayView& view, const SnapshotIndex& seen, const config::Multiplex& multiplex) {
  const MultiplexHealth health = health_of(view, multiplex);
  json line = {{"id", multiplex.id},
               {"state", to_string(health.state)},
               {"reason", health.reason},
               {"bitrate_bps", multiplex.bitrate},
               {"channels", multiplex.channels},
               {"missing", health.missing},
               {"members_bps", nullptr},
               {"members_in", nullptr},
               {"dropped", nullptr},
               {"push", json::array()}};
  if (const ChannelSnapshot* figures = seen.channel(multiplex.id)) {
    line["members_bps"] = figures->members_bps;
    line["members_in"] = figures->members_in;
    line["dropped"] = figures->rate_dropped;
  }
  return line;
}

json multiplex_members(const GatewayView& view, const SnapshotIndex& seen,
                       const config::Multiplex& multiplex) {
  json members = json::array();
  for (const std::string& id : multiplex.channels) {
    const config::Channel* channel = member_of(*view.model, id);
    const ChannelHealth* health = view.monitor.find(id);
    const ChannelSnapshot* figures = seen.channel(id);
    json member = {{"channel", id},
                   {"name", channel == nullptr ? id : channel->name},
                   {"state", to_string(health == nullptr ? ChannelState::down : health->state)},
                   {"reason", health == nullptr ? "not sampled yet" : health->reason},
                   {"since_unix_ns", health == nullptr ? view.now_unix_ns : health->since_unix_ns},
                   {"program_number", nullptr},
                   {"number", nullptr},
                   {"dropped", figures == nullptr ? 0 : figures->multiplex_dropped}};
    if (const auto service = service_in(view, multiplex.id, id); service != 0)
      member["program_number"] = service;
    if (multiplex.lcn && channel != nullptr && channel->number) member["number"] = *channel->number;
    members.push_back(std::move(member));
  }
  return members;
}

json multiplexes_of(const GatewayView& view, const std::string& channel) {
  json result = json::array();
  for (const config::Multiplex& multiplex : view.model->multiplexes) {
    if (std::find(multiplex.channels.begin(), multiplex.channels.end(), channel) == multiplex.channels.end())
      continue;
    json entry = {{"id", multiplex.id}, {"program_number", nullptr}};
    if (const auto service = service_in(view, multiplex.id, channel); service != 0)
      entry["program_number"] = service;
    result.push_back(std::move(entry));
  }
  return result;
}

}  // namespace headgate::control
