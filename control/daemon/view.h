// What control knows about the running gateway at one moment, and its three renderings: JSON for status,
// Prometheus text. Threading: values; the renderings are pure.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "config/model/diff.h"
#include "config/model/model.h"
#include "control/daemon/alarm_book.h"
#include "control/daemon/channel_monitor.h"
#include "control/daemon/event_log.h"
#include "control/daemon/history.h"
#include "control/daemon/host.h"
#include "control/daemon/outputs.h"
#include "control/daemon/shared_json.h"
#include "control/daemon/snapshot.h"
#include "control/daemon/webhook_queue.h"
#include "control/diagnosis/recent.h"
#include "control/launcher/launcher_client.h"
#include "control/protocol/state.h"

namespace headgate::control {

struct ProcessView {
  ProcessStatus process;
  bool answers = false;
  std::uint64_t generation = 0;
  std::string version;
};

// What the last apply changed, for whoever asks whether it broke something.
struct LastApply {
  std::vector<std::string> added;                        // channels
  std::map<std::string, config::ChannelChange> changed;  // by channel
  std::vector<std::string> node_keys;
};

struct GatewayView {
  std::string version;
  std::int64_t now_unix_ns = 0;
  std::shared_ptr<const config::Model> model;
  Snapshot snapshot;
  ChannelMonitor monitor;
  std::vector<ProcessView> processes;
  SharedJson fastpath_status, bridge_status, transcode_status;  // as they answer to `status`
  std::map<OutputRates::Key, std::uint64_t> output_bitrates;
  std::uint64_t generation = 0;
  std::vector<protocol::FastpathMultiplex> multiplexes;  // as the fast path was told
  std::optional<HistoryEntry> applied;
  bool map_differs = false;
  bool files_valid = true;
  bool ready = false;
  std::vector<Alarm> alarms;                                          // worst first
  std::shared_ptr<const Recent> recent = std::make_shared<Recent>();  // never null
  HostView host;
  LastApply last_apply;                // empty where this control made none
  std::optional<WebhookView> webhook;  // nothing where the map has none
  std::vector<Event> events;           // about the channel that is asked for, oldest first; only for `why`
};

nlohmann::json alarm_json(const Alarm& alarm);

nlohmann::json gateway_status(const GatewayView& view);
// Null for an unknown channel.
nlohmann::json channel_status(const GatewayView& view, const std::string& channel);
// Of one multiplex, with its channels. Null for an unknown one.
nlohmann::json multiplex_status(const GatewayView& view, const std::string& multiplex);
std::string metrics_text(const GatewayView& view);

// As the bridge tells it: tracks and, where it serves HLS, "hls". Null where there is none.
nlohmann::json bridge_channel(const GatewayView& view, const std::string& channel);

// Players of a channel that the bridge reports, by protocol; nothing while it doesn't.
std::map<std::string, std::uint64_t> sessions_by_output(const GatewayView& view, const std::string& channel);
// Over all protocols.
std::optional<std::uint64_t> sessions_of(const GatewayView& view, const std::string& channel);

}  // namespace headgate::control
