#include "control/daemon/channel_monitor.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace headgate::control {
namespace {

using protocol::DropReason;

std::uint64_t lost_in_node(const DropCounts& drops) {
  std::uint64_t sum = 0;
  for (const DropReason reason :
       {DropReason::ring_full, DropReason::output_queue_full, DropReason::output_no_buffer,
        DropReason::output_link_down, DropReason::repack_no_buffer, DropReason::rate_exceeded})
    sum += drops[static_cast<std::size_t>(reason)];
  return sum;
}

std::int64_t nanoseconds(std::chrono::seconds time) { return std::chrono::nanoseconds(time).count(); }

// ServiceFilter::State + 1, as the fast path writes it; 0 without a program.
constexpr std::uint64_t kServiceMissing = 2, kServiceRunning = 4;
// PAT, PMT and SDT come at least this often (ETSI TR 101 290: 0.5 s and 2 s): who waits longer waits in vain.
constexpr std::chrono::seconds kTablesLate{3};

std::string short_age(std::int64_t nanoseconds_ago) {
  const std::int64_t seconds = std::max<std::int64_t>(0, nanoseconds_ago / 1'000'000'000);
  if (seconds < 120) return fmt::format("{}s", seconds);
  return seconds < 7200 ? fmt::format("{}m", seconds / 60) : fmt::format("{}h", seconds / 3600);
}

// "" while the fast path writes its page.
std::string stalled(const Snapshot& snapshot, std::int64_t now) {
  const auto heartbeat = static_cast<std::int64_t>(snapshot.heartbeat_unix_ns);
  if (heartbeat == 0 || now - heartbeat <= nanoseconds(ChannelMonitor::kStalled)) return "";
  return fmt::format("the fast path does not answer (for {})", short_age(now - heartbeat));
}

// Backups that come or go behind the others change nothing of what is on air.
bool same_flows(std::vector<config::Input> a, std::vector<config::Input> b) {
  const std::size_t both = std::min(a.size(), b.size());
  for (auto* inputs : {&a, &b}) {
    inputs->resize(both);
    for (config::Input& input : *inputs) input.program.reset();
  }
  return a == b;
}

std::string joined(const std::vector<Fault>& faults) {
  std::string reasons;
  for (const Fault& fault : faults) reasons += (reasons.empty() ? "" : ", ") + fault.text;
  return reasons;
}

// "in the last minute"
std::string period(std::chrono::milliseconds time) {
  return time == std::chrono::hours(1) ? "hour" : time == std::chrono::minutes(1) ? "minute" : "second";
}

}  // namespace

bool is_input_of(const config::Channel& channel, const InputSnapshot& input) {
  return input.channel == channel.id &&
         std::any_of(channel.inputs.begin(), channel.inputs.end(), [&](const config::Input& mine) {
           // The page has room for 183 bytes of it.
           return mine.number == input.number && mine.url.starts_with(input.url);
         });
}

const char* to_string(ChannelState state) noexcept {
  switch (state) {
    case ChannelState::ok:
      return "ok";
    case ChannelState::degraded:
      return "degraded";
    case ChannelState::backup:
      return "backup";
    case ChannelState::waiting:
      return "waiting";
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

// Of the input that is on air: errors of a backup cost nobody anything.
ChannelMonitor::Sample ChannelMonitor::take_sample(const config::Channel& channel, const SnapshotIndex& seen,
                                                   std::int64_t now, Entry& entry, bool& service_missing,
                                                   bool& tables_missing) {
  Sample sample;
  sample.at = now;
  sample.epoch = seen.snapshot().epoch;
  const ChannelSnapshot* air = channel.inputs.size() > 1 ? seen.channel(channel.id) : nullptr;
  std::uint32_t on_air = air != nullptr ? static_cast<std::uint32_t>(air->on_air) : 0;
  for (const InputSnapshot* each : seen.inputs(channel.id)) {
    const InputSnapshot& input = *each;
    if (!is_input_of(channel, input)) continue;
    // Found by a control that was started while the input waited already.
    if (const auto joined = static_cast<std::int64_t>(input.joined_unix_ns);
        joined != 0 && entry.ignore_before == 0)
      entry.expected_since = std::min(entry.expected_since, joined);
    if (air != nullptr && input.number != on_air) continue;
    if (air == nullptr && on_air == 0) on_air = input.number;
    sample.packets += input.ts_packets;
    sample.cc += input.cc_errors;
    sample.tei += input.transport_errors;
    sample.sync += input.sync_errors;
    sample.scrambled += input.scrambled;
    sample.nulls += input.null_packets;
    sample.lost += lost_in_node(input.drops);
    service_missing = service_missing || input.service_state == kServiceMissing;
    tables_missing = tables_missing || (input.service_state != 0 && input.service_state < kServiceRunning);
    const auto last = static_cast<std::int64_t>(input.last_packet_unix_ns);
    if (last > entry.ignore_before) entry.last_packet_unix_ns = std::max(entry.last_packet_unix_ns, last);
  }
  for (const OutputSnapshot* output : seen.outputs(channel.id)) sample.lost += lost_in_node(output->drops);
  if (entry.on_air != on_air) {
    entry.samples.clear();
    entry.cc_errors.clear();
  }
  entry.on_air = on_air;
  return sample;
}

// Nothing is on air.
ChannelHealth ChannelMonitor::silent(const config::Channel& channel, const SnapshotIndex& seen,
                                     std::int64_t now, const Sources& sources, const Entry& entry) {
  if (auto why = stalled(seen.snapshot(), now); !why.empty())
    return {ChannelState::down, std::move(why), 0, 0};
  const config::Input& first = channel.inputs.front();
  const auto known = sources.find(channel.id);
  const SourceView* source = known == sources.end() ? nullptr : find_source(known->second, first.number);
  const bool publisher = source != nullptr && source->state == "receiving";
  if (first.kind == config::InputKind::publish && !publisher) {
    std::string why = "for a publisher";
    if (source != nullptr && !source->error.empty()) why += "; the last one: " + source->error;
    return {ChannelState::waiting, std::move(why), 0, 0};
  }
  const char* nothing = config::by_bridge(first) ? "nothing came" : "no datagram";
  std::string why =
      entry.last_packet_unix_ns == 0
          ? fmt::format("{} since {} ({})", nothing, entry.why, short_age(now - entry.expected_since))
          : fmt::format("{} for {}", nothing, short_age(now - entry.last_packet_unix_ns));
  if (source != nullptr && !source->error.empty()) why += "; input 1: " + source->error;
  return {ChannelState::down, std::move(why), 0, 0};
}

std::vector<Fault> ChannelMonitor::faults_of(const config::Channel& channel, const Sample& first,
                                             const Sample& last, std::uint64_t cc_errors) {
  std::vector<Fault> faults;
  const auto add = [&](std::string_view alarm, std::uint64_t from, std::uint64_t to, const char* what) {
    if (to > from) faults.push_back({alarm, fmt::format("{} {}", to - from, what)});
  };
  // Some a day are nobody's alarm.
  const bool many = cc_errors >= config::kUsualCcErrors.count;
  if (!channel.alarms.cc_errors) add(many ? "cc_errors" : "", first.cc, last.cc, "CC errors");
  add("transport_errors", first.tei, last.tei, "transport errors");
  add("no_sync", first.sync, last.sync, "packets without sync");
  add("lost_in_node", first.lost, last.lost, "lost in this node");
  const std::uint64_t scrambled = last.scrambled - std::min(first.scrambled, last.scrambled);
  // Stuffing is never scrambled.
  const std::uint64_t packets = last.packets - first.packets,
                      nulls = last.nulls - std::min(first.nulls, last.nulls);
  if (scrambled * 2 > packets - std::min(packets, nulls)) add("scrambled", 0, scrambled, "scrambled");
  return faults;
}

// Where the map says how many are too many, or many came that the last 10 s don't show.
Fault ChannelMonitor::frequent_cc(const config::Channel& channel, std::uint64_t cc_errors) {
  const config::ErrorRate limit = channel.alarms.cc_errors.value_or(config::ErrorRate{});
  if (limit.count == 0 || cc_errors < limit.count) return {};
  return {"cc_errors", fmt::format("{} CC errors in the last {}", cc_errors, period(limit.per))};
}

ChannelHealth ChannelMonitor::judge(const config::Channel& channel, const SnapshotIndex& seen,
                                    std::int64_t now, const Sources& sources, Entry& entry) {
  bool service_missing = false, tables_missing = false;
  const Sample sample = take_sample(channel, seen, now, entry, service_missing, tables_missing);
  // Counters begin again with a new fast path, and when the channel's input was changed.
  if (!entry.samples.empty() &&
      (entry.samples.back().epoch != sample.epoch || entry.samples.back().packets > sample.packets))
    entry.samples.clear();
  entry.cc_errors.update(sample.cc, channel.alarms.cc_errors.value_or(config::kUsualCcErrors).per, now);
  entry.samples.push_back(sample);
  while (entry.samples.size() > 1 && now - entry.samples.front().at > nanoseconds(kWindow))
    entry.samples.pop_front();

  if (entry.last_packet_unix_ns == 0) {
    const ChannelState before = entry.health.state;
    const bool had_media =
        before == ChannelState::ok || before == ChannelState::degraded || before == ChannelState::backup;
    if (had_media && now - entry.expected_since <= nanoseconds(kSilence))
      return {before, "no datagram of the new input yet", 0, 0};
    return silent(channel, seen, now, sources, entry);
  }
  if (now - entry.last_packet_unix_ns > nanoseconds(kSilence))
    return silent(channel, seen, now, sources, entry);
  const Sample& first = entry.samples.front();
  const bool tables_late = tables_missing && now - first.at >= nanoseconds(kTablesLate);
  auto faults = faults_of(channel, first, sample, entry.cc_errors.within());
  std::string reasons = joined(faults);
  if (!reasons.empty()) reasons += " in the last 10 s";
  if (const auto often = frequent_cc(channel, entry.cc_errors.within()); !often.text.empty()) {
    faults.push_back(often);
    reasons += (reasons.empty() ? "" : "; ") + often.text;
  }
  if (service_missing || tables_late) {
    faults.push_back({"program_missing", "the program is not in the stream"});
    reasons += (reasons.empty() ? "" : "; ") + faults.back().text;
  }
  ChannelHealth health;
  health.faults = std::move(faults);
  health.active_input = entry.on_air;
  if (entry.on_air != channel.inputs.front().number && entry.on_air != 0) {
    const std::string why = why_not_preferred(channel, seen, sources);
    health.state = ChannelState::backup;
    health.reason = reasons.empty() ? why : why + "; " + reasons;
    return health;
  }
  health.state = reasons.empty() ? ChannelState::ok : ChannelState::degraded;
  health.reason = reasons;
  return health;
}

// A channel that is new, changed its input or was switched on begins anew: nothing of before counts.
void ChannelMonitor::notice_edits(const config::Channel& channel, std::int64_t now, Entry& entry) const {
  const bool same_inputs = entry.inputs == channel.inputs;
  if (!entry.known) {
    entry.expected_since = now;
    entry.why = first_look_ ? "it was started" : "it was added";
  } else if ((!same_inputs && !same_flows(entry.inputs, channel.inputs)) ||
             (channel.enabled && !entry.enabled)) {
    entry.why = channel.enabled && !entry.enabled ? "it was enabled" : "its input was changed";
    entry.expected_since = entry.ignore_before = now;
    entry.last_packet_unix_ns = 0;
    entry.samples.clear();
    entry.cc_errors.clear();
    entry.told = false;
  }
  if (!same_inputs) entry.inputs = channel.inputs;
  entry.enabled = channel.enabled;
}

std::int64_t ChannelMonitor::since(const std::string& channel, const Entry& entry, ChannelState state,
                                   std::int64_t now) {
  if (first_look_) recalled_until_ = now + nanoseconds(kWindow);
  if (now > recalled_until_) recalled_.clear();
  const auto found = recalled_.find(channel);
  if (found == recalled_.end()) return now;
  const bool same = found->second.state == to_string(state) && found->second.since <= now;
  const std::int64_t result = same ? found->second.since : now;
  const bool errors_forgotten =
      !entry.known && state == ChannelState::ok && found->second.state == to_string(ChannelState::degraded);
  if (!errors_forgotten) recalled_.erase(found);
  return result;
}

void ChannelMonitor::shift(std::int64_t by) {
  for (auto& [id, entry] : entries_) entry.health.since_unix_ns += by;
}

std::string ChannelMonitor::remembered(std::int64_t steps) const {
  auto channels = nlohmann::json::object();
  for (const auto& [id, entry] : entries_)
    channels[id] = {{"state", to_string(entry.health.state)},
                    {"since_unix_ns", entry.health.since_unix_ns + steps}};
  return nlohmann::json{{"channels", channels}}.dump(1) + "\n";
}

void ChannelMonitor::recall(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  try {
    std::map<std::string, Recalled> recalled;
    for (const auto& [id, from] : json.at("channels").items())
      recalled[id] = {from.at("state").get<std::string>(), from.at("since_unix_ns").get<std::int64_t>()};
    recalled_ = std::move(recalled);
  } catch (const nlohmann::json::exception&) {
    recalled_.clear();  // they begin now
  }
}

// What others know to be wrong with a channel on air.
void ChannelMonitor::add_fault(std::string_view alarm, const std::map<std::string, std::string>& by_channel,
                               const std::string& channel, ChannelHealth& health) {
  const auto found = by_channel.find(channel);
  const bool backup = health.state == ChannelState::backup;
  const bool flows = backup || health.state == ChannelState::ok || health.state == ChannelState::degraded;
  if (!flows || found == by_channel.end()) return;
  if (!backup) health.state = ChannelState::degraded;
  health.reason += (health.reason.empty() ? "" : "; ") + found->second;
  health.faults.push_back({alarm, found->second});
}

void ChannelMonitor::update(const config::Model& model, const Snapshot& snapshot, std::int64_t now,
                            const OnChange& on_change, const std::map<std::string, std::string>& problems,
                            const Sources& sources, const std::map<std::string, std::string>& lost) {
  const SnapshotIndex seen(snapshot);
  std::map<std::string, Entry> kept;
  for (const config::Channel& channel : model.channels) {
    auto node = entries_.extract(channel.id);
    Entry& entry = node ? kept.insert(std::move(node)).position->second : kept[channel.id];
    notice_edits(channel, now, entry);
    const ChannelHealth before = entry.health;
    ChannelHealth health = channel.enabled
                               ? judge(channel, seen, now, sources, entry)
                               : ChannelHealth{ChannelState::disabled, "disabled by the map", 0, 0};
    add_fault("pid_lost", lost, channel.id, health);
    add_fault("players_get_nothing", problems, channel.id, health);
    const bool changed = !entry.known || before.state != health.state;
    health.since_unix_ns = changed ? since(channel.id, entry, health.state, now) : before.since_unix_ns;
    changes_ += changed ? 1U : 0U;
    health.nothing_came = channel.enabled && entry.last_packet_unix_ns == 0;
    health.input_changed = entry.ignore_before != 0;
    const bool never_up = health.state == ChannelState::down && health.nothing_came;
    const bool waits = never_up && now - entry.expected_since <= nanoseconds(kSilence);
    health.in_time = waits;
    // What a new control or a new channel finds is no change; what stays away is told once.
    const bool report = (changed && entry.known && !waits) || (never_up && !waits && !entry.told);
    if (report) entry.told = never_up;
    entry.known = true;
    entry.health = std::move(health);
    if (report && on_change) on_change(channel.id, before, entry.health);
  }
  entries_ = std::move(kept);
  first_look_ = false;
}

}  // namespace headgate::control
