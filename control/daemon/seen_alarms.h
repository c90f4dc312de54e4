// What is wrong by the counters, by subject: what raises the alarms of links, networks, channels and of the
// machine. Threading: pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "config/model/model.h"
#include "control/daemon/channel_monitor.h"
#include "control/daemon/host.h"
#include "control/daemon/snapshot.h"
#include "control/diagnosis/recent.h"

namespace headgate::control {

using Messages = std::map<std::string, std::string>;  // by subject

Messages links_down(const Snapshot& snapshot);
Messages queriers_missing(const Snapshot& snapshot, const Recent& recent, std::int64_t now_unix_ns);
Messages channels_down(const config::Model& model, const ChannelMonitor& monitor);
// Of channels on air, those with a fault that is this kind of alarm.
Messages faulty(const config::Model& model, const ChannelMonitor& monitor, std::string_view alarm);
Messages wrong_sources(const config::Model& model, const Recent& recent);
Messages wrong_formats(const config::Model& model, const Recent& recent);
Messages pids_lost(const config::Model& model, const ChannelMonitor& monitor, const Recent& recent,
                   const nlohmann::json& bridge_status);
// The same by channel: what makes it degraded.
Messages tracks_lost(const config::Model& model, const ChannelMonitor& monitor, const Recent& recent,
                     const nlohmann::json& bridge_status, std::int64_t now_unix_ns);
Messages clocks_lost(const config::Model& model, const ChannelMonitor& monitor, const Recent& recent);
Messages rates_outside(const config::Model& model, const ChannelMonitor& monitor, const SnapshotIndex& seen);
// host_overload, disk_full or clock_stepped.
Messages host_alarms(const HostView& host, const Recent& recent, std::string_view kind);

}  // namespace headgate::control
