// What control says of multiplexes: in the status of the gateway, and of one by its id. Threading: pure.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "control/daemon/snapshot_index.h"
#include "control/daemon/view.h"

namespace headgate::control {

// ok        all enabled channels of it come
// degraded  some don't, or packets of some were dropped in the last 10 s because they are more than its rate
// down      none comes, or the fast path does not send it
struct MultiplexHealth {
  ChannelState state = ChannelState::down;
  std::string reason;                // "" when ok
  std::vector<std::string> missing;  // channels
};

const config::Multiplex* find_multiplex(const config::Model& model, const std::string& id);
MultiplexHealth health_of(const GatewayView& view, const config::Multiplex& multiplex);
// The program_number of a channel in it; 0 where the fast path was told none (a disabled channel).
std::uint16_t service_in(const GatewayView& view, const std::string& multiplex, const std::string& channel);

// Of all, each as a line; `push` is filled in by who knows outputs.
nlohmann::json multiplex_line(const GatewayView& view, const SnapshotIndex& seen,
                              const config::Multiplex& multiplex);
// Its line, its channels and what is dropped; null for an id that no multiplex has.
nlohmann::json multiplex_members(const GatewayView& view, const SnapshotIndex& seen,
                                 const config::Multiplex& multiplex);
// [{id, program_number}] of those that a channel is in.
nlohmann::json multiplexes_of(const GatewayView& view, const std::string& channel);

}  // namespace headgate::control
