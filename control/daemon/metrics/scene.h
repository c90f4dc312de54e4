// What the metrics are made of, found once a scrape: of each channel of the map what the fast path and the
// bridge tell of it. Only what the map has: labels are its names, never another process's text. Threading: a
// value, which refers to the view.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "control/daemon/sources.h"
#include "control/daemon/view.h"
#include "control/daemon/watched.h"
#include "control/protocol/bridge_drops.h"

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

enum class HlsCount { segments, gaps, discontinuities, gop_too_long, late_units };
inline constexpr std::size_t kHlsCounts = 5;

// What the bridge counts of a channel, read in one go: of many channels its JSON is more than a processor's
// cache holds.
struct BridgeCounts {
  std::array<std::optional<std::uint64_t>, kHlsCounts> hls;
  std::optional<std::uint64_t> ring_gaps;
  std::vector<std::pair<const protocol::BridgeReason*, std::uint64_t>>
      drops;  // that are not 0, as in the table
};

struct ChannelScene {
  const config::Channel& channel;
  const ChannelHealth* health = nullptr;
  const ChannelSnapshot* counters = nullptr;
  BridgeCounts bridge;
  std::vector<InputScene> inputs;
  std::vector<PushScene> pushes;
  std::vector<ServedOutput> served;
  std::optional<WatchedChannel> watched;
  std::vector<SourceView> sources;  // what the inputs and
  std::vector<PushView> sent;       // the pushes refer to
};

struct MultiplexScene {
  const config::Multiplex& multiplex;
  const ChannelSnapshot* counters = nullptr;
  std::vector<PushScene> pushes;
};

struct Scene {
  explicit Scene(const GatewayView& view);

  bool has_channel(const std::string& id) const { return places.contains(id); }
  // Interface and VLAN.
  bool has_network(const NetworkSnapshot& network) const;
  bool has_interface(const std::string& name) const { return interface(name) != nullptr; }

  const GatewayView& view;
  const nlohmann::json& bridge;  // their statuses
  const nlohmann::json& transcode;
  std::vector<ChannelScene> channels;  // in the map's order
  std::vector<MultiplexScene> multiplexes;
  std::unordered_map<std::string, std::size_t> places;  // in `channels`

 private:
  const config::Interface* interface(const std::string& name) const;
  void add_counters();
  void add_multiplexes();
};

inline double seconds(std::uint64_t ns) { return static_cast<double>(ns) / 1e9; }

}  // namespace headgate::control::metrics
