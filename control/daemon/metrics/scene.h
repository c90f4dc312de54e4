// What the metrics are made of, found once a scrape: of each channel of the map what the fast path and the
// bridge tell of it. Only what the map has: labels are its names, never another process's text. Threading: a
// value, which refers to the view.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "control/daemon/sources.h"
#include "control/daemon/view.h"
#include "control/daemon/watched.h"

namespace headgate::control::metrics {

struct InputScene {
  const config::Input& input;
  const InputSnapshot* counters = nullptr;  // null: the fast path has none
  const SourceView* source = nullptr;       // of the bridge
};

struct PushScene {
  const config::Push& push;
  const OutputSnapshot* counters = nullptr;
  const PushView* sent = nullptr;  // by the bridge
};

struct ChannelScene {
  const config::Channel& channel;
  const ChannelHealth* health = nullptr;
  const ChannelSnapshot* counters = nullptr;
  const nlohmann::json& bridge;  // null where it tells nothing
  std::vector<InputScene> inputs;
  std::vector<PushScene> pushes;
  std::vector<ServedOutput> served;
  std::optional<WatchedChannel> watched;
  std::vector<SourceView> sources;  // what the inputs and
  std::vector<PushView> sent;       // the pushes refer to
};

struct Scene {
  Scene(const GatewayView& view, const nlohmann::json& bridge, const nlohmann::json& transcode);

  bool has_channel(const std::string& id) const { return places.contains(id); }
  // Interface and VLAN.
  bool has_network(const NetworkSnapshot& network) const;
  bool has_interface(const std::string& name) const { return interface(name) != nullptr; }

  const GatewayView& view;
  const nlohmann::json& bridge;  // their statuses
  const nlohmann::json& transcode;
  std::vector<ChannelScene> channels;                   // in the map's order
  std::unordered_map<std::string, std::size_t> places;  // in `channels`

 private:
  const config::Interface* interface(const std::string& name) const;
  void add_counters();
};

inline double seconds(std::uint64_t ns) { return static_cast<double>(ns) / 1e9; }

}  // namespace headgate::control::metrics
