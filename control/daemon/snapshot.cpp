#include "control/daemon/snapshot.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "config/model/model.h"

namespace headgate::control {
namespace {

std::uint64_t get(const protocol::Counter& counter) { return counter.load(std::memory_order_relaxed); }

template <std::size_t N>
std::string text(const std::array<char, N>& from) {
  return {from.data(), ::strnlen(from.data(), N)};
}

DropCounts copy(const protocol::Drops& from) {
  DropCounts to;
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = get(from[i]);
  return to;
}

template <typename Entry>
bool used(const Entry& entry) {
  return entry.in_use.load(std::memory_order_acquire) == 1;
}

IndicatorSnapshot copy(const protocol::IndicatorStats& from) {
  IndicatorSnapshot to;
  to.judged = get(from.judged);
  for (std::size_t i = 0; i < mpegts::kIndicatorCount; ++i)
    to.errors[static_cast<mpegts::Indicator>(i)] = get(from.errors[i]);
  return to;
}

std::optional<DeliverySnapshot> copy_delivery(const protocol::InputStats& from) {
  const auto measured = [](const protocol::Counter& counter) {
    const std::uint64_t value = get(counter);
    return value == 0 ? std::nullopt : std::optional(value - 1);
  };
  const auto min = measured(from.gap_min_ns), mean = measured(from.gap_mean_ns),
             max = measured(from.gap_max_ns);
  if (!min || !mean || !max) return std::nullopt;
  return DeliverySnapshot{*min, *mean, *max, measured(from.delay_factor_ns), measured(from.pcr_jitter_ns)};
}

void copy_pids(const protocol::InputStats& from, InputSnapshot& to) {
  const std::size_t count =
      std::min<std::size_t>(from.pid_count.load(std::memory_order_acquire), from.pids.size());
  for (std::size_t i = 0; i < count; ++i) {
    const protocol::PidStats& pid = from.pids[i];
    to.pids.push_back({pid.pid.load(std::memory_order_relaxed),
                       pid.has_pcr.load(std::memory_order_relaxed) != 0,
                       pid.scrambled_now.load(std::memory_order_relaxed) != 0, get(pid.packets),
                       get(pid.cc_errors), get(pid.scrambled), get(pid.bitrate_bps)});
  }
  std::sort(to.pids.begin(), to.pids.end(), [](const auto& a, const auto& b) { return a.pid < b.pid; });
}

InputSnapshot copy(const protocol::InputStats& from) {
  InputSnapshot to;
  to.number = from.number;
  to.channel = text(from.channel);
  to.url = text(from.url);
  to.datagrams = get(from.datagrams);
  to.bytes = get(from.bytes);
  to.ts_packets = get(from.ts_packets);
  to.cc_errors = get(from.cc_errors);
  to.duplicates = get(from.duplicates);
  to.transport_errors = get(from.transport_errors);
  to.sync_errors = get(from.sync_errors);
  to.scrambled = get(from.scrambled);
  to.null_packets = get(from.null_packets);
  to.rtp_lost = get(from.rtp_lost);
  to.rtp_duplicates = get(from.rtp_duplicates);
  to.rtp_reordered = get(from.rtp_reordered);
  to.pcr_count = get(from.pcr_count);
  to.pcr_discontinuities = get(from.pcr_discontinuities);
  to.pcr_interval_max_ns = get(from.pcr_interval_max_ns);
  to.tr101290 = copy(from.tr101290);
  to.delivery = copy_delivery(from);
  to.media_lost = get(from.media_lost);
  to.last_packet_unix_ns = get(from.last_packet_unix_ns);
  to.first_packet_unix_ns = get(from.first_packet_unix_ns);
  to.joined_unix_ns = get(from.joined_unix_ns);
  to.bitrate_bps = get(from.bitrate_bps);
  to.ring_slots = get(from.ring_slots);
  to.service_state = get(from.service_state);
  to.program_number = get(from.program_number);
  to.cues = get(from.cues);
  to.services_seen = get(from.services_seen);
  to.troubles = get(from.troubles);
  to.buffer_packets = get(from.buffer_packets);
  to.buffer_level_ns = get(from.buffer_level_ns);
  to.buffer_underflows = get(from.buffer_underflows);
  to.buffer_overflows = get(from.buffer_overflows);
  to.clock_drift_ppb = static_cast<std::int64_t>(get(from.clock_drift_ppb));
  to.wrong_port = static_cast<std::uint16_t>(get(from.wrong_port));
  to.wrong_source = static_cast<std::uint32_t>(get(from.wrong_source));
  to.drops = copy(from.drops);
  to.pids_beyond = from.pids_beyond.load(std::memory_order_relaxed);
  copy_pids(from, to);
  const std::size_t services =
      std::min<std::size_t>(from.service_count.load(std::memory_order_acquire), from.services.size());
  for (std::size_t i = 0; i < services; ++i)
    to.services.push_back(
        {static_cast<std::uint16_t>(from.services[i].program_number.load(std::memory_order_relaxed)),
         from.services[i].bitrate_bps.load(std::memory_order_relaxed)});
  return to;
}

ChannelSnapshot copy(const protocol::ChannelStats& from) {
  ChannelSnapshot to;
  to.channel = text(from.channel);
  to.on_air = get(from.on_air);
  to.wanted = get(from.wanted);
  to.forced = get(from.forced);
  to.switched_unix_ns = get(from.switched_unix_ns);
  to.switches = get(from.switches);
  to.hard_switches = get(from.hard_switches);
  to.filler_packets = get(from.filler_packets);
  to.left_out = get(from.left_out);
  to.null_packets = get(from.null_packets);
  to.rate_dropped = get(from.rate_dropped);
  to.multiplex_dropped = get(from.multiplex_dropped);
  to.members_in = get(from.members_in);
  to.members_bps = get(from.members_bps);
  to.crowded = get(from.crowded);
  to.departure_late_max_ns = get(from.departure_late_max_ns);
  to.departure_late_ns = get(from.departure_late_ns);
  for (std::size_t i = 0; i < to.departures.size(); ++i) to.departures[i] = get(from.departures[i]);
  if (const std::uint64_t accuracy = get(from.pcr_accuracy_max_ns); accuracy != 0)
    to.pcr_accuracy_max_ns = accuracy - 1;
  return to;
}

OutputSnapshot copy(const protocol::OutputStats& from) {
  return {text(from.channel),    text(from.url),       get(from.datagrams),
          get(from.bytes),       get(from.ts_packets), get(from.last_packet_unix_ns),
          get(from.bitrate_bps), copy(from.drops),     copy(from.tr101290)};
}

InterfaceSnapshot copy(const protocol::InterfaceStats& from) {
  const auto& m = from.mac;
  return {text(from.name),
          text(from.device),
          fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", m[0], m[1], m[2], m[3], m[4], m[5]),
          from.link_up.load(std::memory_order_relaxed) != 0,
          get(from.rx_packets),
          get(from.rx_bytes),
          get(from.tx_packets),
          get(from.tx_bytes),
          copy(from.drops)};
}

NetworkSnapshot copy(const protocol::NetworkStats& from) {
  return {text(from.interface),   from.vlan,
          get(from.igmp_version), get(from.last_query_unix_ns),
          get(from.queries),      get(from.last_report_unix_ns),
          get(from.reports),      get(from.groups),
          get(from.ignored),      get(from.unsent)};
}

WorkerSnapshot copy(const protocol::WorkerStats& from) {
  return {get(from.polls),        get(from.packets), get(from.busy_cycles),
          get(from.total_cycles), get(from.tsc_hz),  get(from.unknown_slots)};
}

template <typename From, typename To>
void copy_used(const From& from, std::vector<To>& to) {
  for (const auto& entry : from) {
    if (used(entry)) to.push_back(copy(entry));
  }
}

}  // namespace

std::string ipv4_text(std::uint32_t address) {
  return fmt::format("{}.{}.{}.{}", address >> 24, address >> 16 & 0xFFU, address >> 8 & 0xFFU,
                     address & 0xFFU);
}

Snapshot take(const protocol::StatsPage& page, std::int64_t clock_base_ns) {
  Snapshot snapshot;
  snapshot.epoch = page.epoch.load(std::memory_order_relaxed);
  snapshot.started_unix_ns = snapshot.epoch;
  snapshot.generation = page.generation.load(std::memory_order_relaxed);
  snapshot.heartbeat_unix_ns = page.heartbeat_unix_ns.load(std::memory_order_relaxed);
  copy_used(page.workers, snapshot.workers);
  copy_used(page.interfaces, snapshot.interfaces);
  copy_used(page.networks, snapshot.networks);
  copy_used(page.inputs, snapshot.inputs);
  copy_used(page.channels, snapshot.channels);
  copy_used(page.outputs, snapshot.outputs);
  shift(snapshot, clock_base_ns - page.clock_base_ns);
  return snapshot;
}

std::vector<CueSnapshot> take_cues(const protocol::StatsPage& page, std::uint64_t& next,
                                   std::uint64_t& missed) {
  std::vector<CueSnapshot> cues;
  const std::uint64_t end = page.cues_told.load(std::memory_order_relaxed);
  if (next > end) next = 0;  // another process
  if (end - next > protocol::kCueSlots) {
    missed += end - next - protocol::kCueSlots;
    next = end - protocol::kCueSlots;
  }
  for (; next < end; ++next) {
    const protocol::CueSlot& slot = page.cues[next % protocol::kCueSlots];
    const std::uint64_t sequence = slot.sequence.load(std::memory_order_acquire);
    if (sequence < 2 * next + 2) break;  // it is being written
    CueSnapshot cue;
    const std::uint32_t place = slot.input.load(std::memory_order_relaxed);
    cue.pid = slot.pid.load(std::memory_order_relaxed);
    cue.unix_ns = get(slot.unix_ns);
    cue.size = slot.size.load(std::memory_order_relaxed);
    if (const std::uint64_t clock = get(slot.clock); clock != 0) cue.clock_27mhz = clock - 1;
    std::array<std::uint8_t, protocol::kMaxCueSection> bytes;
    for (std::size_t i = 0; i < slot.section.size(); ++i) {
      const std::uint64_t word = get(slot.section[i]);
      std::memcpy(bytes.data() + 8 * i, &word, 8);
    }
    std::atomic_thread_fence(std::memory_order_acquire);
    if (sequence != 2 * next + 2 || slot.sequence.load(std::memory_order_relaxed) != sequence ||
        place >= page.inputs.size()) {
      ++missed;
      continue;
    }
    cue.section.assign(bytes.begin(),
                       bytes.begin() + static_cast<std::ptrdiff_t>(std::min(cue.size, bytes.size())));
    cue.channel = text(page.inputs[place].channel);
    cue.input = page.inputs[place].number;
    cues.push_back(std::move(cue));
  }
  return cues;
}

void shift(Snapshot& snapshot, std::int64_t by) {
  if (by == 0) return;
  const auto move = [by](std::uint64_t& time) {
    if (time != 0) time += static_cast<std::uint64_t>(by);
  };
  move(snapshot.started_unix_ns);
  move(snapshot.heartbeat_unix_ns);
  for (NetworkSnapshot& network : snapshot.networks) {
    move(network.last_query_unix_ns);
    move(network.last_report_unix_ns);
  }
  for (InputSnapshot& input : snapshot.inputs) {
    move(input.last_packet_unix_ns);
    move(input.first_packet_unix_ns);
    move(input.joined_unix_ns);
  }
  for (ChannelSnapshot& channel : snapshot.channels) move(channel.switched_unix_ns);
  for (OutputSnapshot& output : snapshot.outputs) move(output.last_packet_unix_ns);
}

const ChannelSnapshot* find_channel(const Snapshot& snapshot, const std::string& channel) {
  const auto found = std::find_if(snapshot.channels.begin(), snapshot.channels.end(),
                                  [&](const auto& entry) { return entry.channel == channel; });
  return found == snapshot.channels.end() ? nullptr : &*found;
}

config::OnAir on_air(const Snapshot& snapshot) {
  config::OnAir numbers;
  for (const ChannelSnapshot& channel : snapshot.channels) {
    if (channel.on_air != 0) numbers[channel.channel] = static_cast<std::uint32_t>(channel.on_air);
  }
  return numbers;
}

std::string troubles_of(std::uint64_t troubles) {
  std::string text;
  for (std::size_t i = 0; i < config::kTroubleNames.size(); ++i) {
    if ((troubles >> i & 1U) != 0) text += (text.empty() ? "" : ", ") + std::string(config::kTroubleNames[i]);
  }
  return text;
}

std::string troubles_of(const Snapshot& snapshot, const std::string& channel, std::uint32_t number) {
  for (const InputSnapshot& input : snapshot.inputs) {
    if (input.channel == channel && input.number == number) return troubles_of(input.troubles);
  }
  return "";
}

}  // namespace headgate::control
