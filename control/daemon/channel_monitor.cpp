#include "control/daemon/channel_monitor.h"

#include <fmt/core.h>

#include <algorithm>

namespace headgate::control {
namespace {

using protocol::DropReason;

std::uint64_t lost_in_node(const DropCounts& drops) {
  std::uint64_t sum = 0;
  for (const DropReason reason :
       {DropReason::ring_full, DropReason::output_queue_full, DropReason::output_no_buffer,
        DropReason::output_link_down, DropReason::repack_no_buffer})
    sum += drops[static_cast<std::size_t>(reason)];
  return sum;
}

std::int64_t nanoseconds(std::chrono::seconds time) { return std::chrono::nanoseconds(time).count(); }

// ServiceFilter::State + 1, as the fast path writes it; 0 without a program.
constexpr std::uint64_t kServiceMissing = 2, kServiceRunning = 4;
// PAT, PMT and SDT come at least this often (ETSI TR 101 290: 0.5 s and 2 s): who waits longer waits in vain.
constexpr std::chrono::seconds kTablesLate{3};

void add_reason(std::string& reasons, std::uint64_t count, const char* what) {
  if (count == 0) return;
  if (!reasons.empty()) reasons += ", ";
  reasons += fmt::format("{} {}", count, what);
}

}  // namespace

const char* to_string(ChannelState state) noexcept {
  switch (state) {
    case ChannelState::ok:
      return "ok";
    case ChannelState::degraded:
      return "degraded";
    case ChannelState::disabled:
      return "disabled";
    case ChannelState::down:
      break;
  }
  return "down";
}

const ChannelHealth* ChannelMonitor::find(const std::string& channel) const {
  const auto entry = entries_.find(channel);
  return entry == entries_.end() ? nullptr : &entry->second.health;
}

ChannelHealth ChannelMonitor::judge(const config::Channel& channel, const Snapshot& snapshot,
                                    std::int64_t now, Entry& entry) {
  Sample sample;
  sample.at = now;
  sample.epoch = snapshot.epoch;
  bool service_missing = false, tables_missing = false;
  std::uint32_t active = 0;
  for (const InputSnapshot& input : snapshot.inputs) {
    if (input.channel != channel.id) continue;
    if (active == 0) active = input.number;
    sample.packets += input.ts_packets;
    sample.cc += input.cc_errors;
    sample.tei += input.transport_errors;
    sample.sync += input.sync_errors;
    sample.scrambled += input.scrambled;
    sample.lost += lost_in_node(input.drops);
    service_missing = service_missing || input.service_state == kServiceMissing;
    tables_missing = tables_missing || (input.service_state != 0 && input.service_state < kServiceRunning);
    entry.last_packet_unix_ns =
        std::max(entry.last_packet_unix_ns, static_cast<std::int64_t>(input.last_packet_unix_ns));
  }
  for (const OutputSnapshot& output : snapshot.outputs) {
    if (output.channel == channel.id) sample.lost += lost_in_node(output.drops);
  }
  // Counters begin again with a new fast path, and when the channel's input was changed.
  if (!entry.samples.empty() &&
      (entry.samples.back().epoch != sample.epoch || entry.samples.back().packets > sample.packets))
    entry.samples.clear();
  entry.samples.push_back(sample);
  while (entry.samples.size() > 1 && now - entry.samples.front().at > nanoseconds(kWindow))
    entry.samples.pop_front();

  if (entry.last_packet_unix_ns == 0) return {ChannelState::down, "no datagram yet", 0, 0};
  if (now - entry.last_packet_unix_ns > nanoseconds(kSilence))
    return {ChannelState::down, "no datagram for 2 s", 0, 0};
  const Sample& first = entry.samples.front();
  std::string reasons;
  add_reason(reasons, sample.cc - std::min(first.cc, sample.cc), "CC errors");
  add_reason(reasons, sample.tei - std::min(first.tei, sample.tei), "transport errors");
  add_reason(reasons, sample.sync - std::min(first.sync, sample.sync), "packets without sync");
  add_reason(reasons, sample.lost - std::min(first.lost, sample.lost), "lost in this node");
  const std::uint64_t scrambled = sample.scrambled - std::min(first.scrambled, sample.scrambled);
  if (scrambled > 0 && scrambled * 2 > sample.packets - first.packets)
    add_reason(reasons, scrambled, "scrambled");
  if (!reasons.empty()) reasons += " in the last 10 s";
  if (service_missing || (tables_missing && now - first.at >= nanoseconds(kTablesLate)))
    reasons += reasons.empty() ? "the program is not in the stream" : "; the program is not in the stream";
  return {reasons.empty() ? ChannelState::ok : ChannelState::degraded, reasons, 0, active};
}

void ChannelMonitor::update(const config::Model& model, const Snapshot& snapshot, std::int64_t now,
                            const OnChange& on_change, const std::map<std::string, std::string>& problems) {
  std::map<std::string, Entry> kept;
  for (const config::Channel& channel : model.channels) {
    Entry entry;
    if (auto old = entries_.find(channel.id); old != entries_.end()) entry = std::move(old->second);
    const ChannelHealth before = entry.health;
    ChannelHealth health = channel.enabled
                               ? judge(channel, snapshot, now, entry)
                               : ChannelHealth{ChannelState::disabled, "disabled by the map", 0, 0};
    const auto problem = problems.find(channel.id);
    const bool flows = health.state == ChannelState::ok || health.state == ChannelState::degraded;
    if (flows && problem != problems.end()) {
      health.state = ChannelState::degraded;
      health.reason += (health.reason.empty() ? "" : "; ") + problem->second;
    }
    const bool changed = !entry.known || before.state != health.state;
    health.since_unix_ns = changed ? now : before.since_unix_ns;
    // What a new control or a new channel finds is no change.
    const bool report = changed && entry.known;
    entry.health = health;
    entry.known = true;
    if (report && on_change) on_change(channel.id, before, health);
    kept[channel.id] = std::move(entry);
  }
  entries_ = std::move(kept);
}

}  // namespace headgate::control
