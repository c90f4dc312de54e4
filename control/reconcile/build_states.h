// From the channel map to what the fast path and the bridge are told: pure.
// Threading: values.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "config/model/model.h"
#include "control/protocol/state.h"

namespace headgate::control {

// Handles of channels and of the members that renditions have made here: a channel keeps its handle for as
// long as it is in the map, enabled or not; none is ever given twice in the life of run_dir, so that a late
// packet in the ring can't be taken for another channel's.
struct Handles {
  std::uint32_t next = 1;
  std::map<std::string, std::uint32_t> by_id;
  // What a channel was given in a multiplex, by "MULTIPLEX:CHANNEL": it stays over restarts of the machine,
  // and while the channel is away, as long as others can do without it.
  struct Place {
    std::uint16_t service_id = 0;
    std::uint32_t pid_block = 0;
    bool operator==(const Place&) const = default;
  };
  std::map<std::string, Place> places{};
  bool operator==(const Handles&) const = default;
};
std::string to_json(const Handles& handles);
tl::expected<Handles, std::string> parse_handles(const std::string& json);
// The places alone, kept in data_dir.
std::string places_json(const Handles& handles);
void take_places(const std::string& json, Handles& handles);

struct DesiredStates {
  protocol::FastpathState fastpath;
  protocol::BridgeState bridge;
  bool operator==(const DesiredStates&) const = default;
};

// Enabled channels and pushes only. Updates `handles`.
DesiredStates build_states(const config::Model& model, Handles& handles, std::uint64_t generation);

// What the operator forced stays over an apply and a restart of control, as long as that input is there and
// has an alternative; it may have another number now. Gives the channels whose forced input went.
std::vector<std::string> keep_forced(const protocol::FastpathState& before, protocol::FastpathState& now);

// The handles that what runs has, where their file is lost.
void recover(const DesiredStates& running, Handles& handles);

// Equal but for the generation.
bool same_content(DesiredStates a, const DesiredStates& b);

std::string to_string(config::LogLevel level);

}  // namespace headgate::control
