#include "control/diagnosis/recent.h"

#include <algorithm>

#include "control/daemon/channel_monitor.h"
#include "control/daemon/foreign.h"

namespace headgate::control {
namespace {

constexpr std::int64_t kOneSecondNs = 1'000'000'000;
constexpr std::int64_t kInputSilentNs = 2 * kOneSecondNs;
// Three times RFC 3376's query interval (8.2), where nothing is known of the one in use.
constexpr std::int64_t kQuerierLateNs = 375 * kOneSecondNs;
// Longer pauses are outages, not intervals.
constexpr std::int64_t kLongestIntervalNs = 150 * kOneSecondNs;
// The first two queries of a querier come at a quarter of its interval (RFC 3376 8.6, 8.7).
constexpr std::uint32_t kIntervalsKnown = 3;
// The membership interval of RFC 3376 8.4: then a switch that snoops forgets whom nobody asked again.
constexpr std::int64_t kRememberedNs = 260 * kOneSecondNs;
// After a pause we report the group anew by ourselves (MulticastHost: 1 s).
constexpr std::int64_t kPauseNs = kOneSecondNs / 2;
// What comes through the bridge comes in lumps: segments of HLS.
constexpr std::int64_t kLumpNs = 15 * kOneSecondNs;
// What a pause makes the indicators of the first two priorities count is counted by then (TR 101 290 5.2:
// PAT, PMT, PCR and PTS within 0.7 s of their own).
constexpr std::int64_t kSettledNs = 3 * kOneSecondNs;
// After an apply the page may tell of the program before.
constexpr std::int64_t kEditedNs = 3 * kOneSecondNs;
constexpr std::uint32_t kRatesKnown = 15;  // looks: half a minute
constexpr std::uint32_t kPidSteady = 10;   // looks in a row
constexpr std::uint32_t kPidGone = 3;      // looks in a row
constexpr std::uint32_t kPidForgotten = 300;
constexpr std::uint64_t kServiceIsThere = 4;  // ServiceFilter::State + 1

std::uint64_t risen(std::uint64_t before, std::uint64_t now) { return now > before ? now - before : 0; }

DropCounts risen(const DropCounts& before, const DropCounts& now) {
  DropCounts result{};
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = risen(before[i], now[i]);
  return result;
}

// What is new begins at what it has: counters of a new entry may be old.
template <class Map>
const typename Map::mapped_type& before_or(const Map& map, const typename Map::key_type& key,
                                           const typename Map::mapped_type& otherwise) {
  const auto found = map.find(key);
  return found == map.end() ? otherwise : found->second;
}

// Slower while it is far off, so that what was usual is not forgotten for what is wrong.
std::uint64_t follow(std::uint64_t usual, std::uint64_t now, std::int64_t look_ns) {
  const double was = static_cast<double>(usual), is = static_cast<double>(now);
  const bool far = is < 0.6 * was || is > 1.6 * was;
  const double part = std::min(1.0, static_cast<double>(look_ns) / 1e9 / (far ? 3600.0 : 300.0));
  return static_cast<std::uint64_t>(was + (is - was) * part);
}

}  // namespace

void shift(Recent& recent, std::int64_t by) {
  for (auto& [name, port] : recent.ports) {
    if (port.link_since_unix_ns != 0) port.link_since_unix_ns += by;
  }
  for (auto& [key, network] : recent.networks) {
    for (std::int64_t& stopped : network.stopped_ns) stopped += by;
  }
  for (auto& [key, input] : recent.inputs) {
    for (GonePid& gone : input.gone) gone.last_unix_ns += by;
  }
}

Trends::Look Trends::take(const Snapshot& snapshot, std::int64_t now, const nlohmann::json& bridge_status) {
  Look look;
  look.at = now;
  for (const InputSnapshot& input : snapshot.inputs) {
    Counts& counts = look.inputs[{input.channel, input.number}];
    counts = {input.datagrams,
              input.ts_packets,
              input.cc_errors,
              input.transport_errors,
              input.sync_errors,
              input.scrambled,
              input.rtp_lost,
              input.pcr_count,
              input.null_packets,
              input.drops,
              {}};
    for (const PidSnapshot& pid : input.pids) {
      if (pid.cc_errors != 0) counts.pid_cc.emplace_back(pid.pid, pid.cc_errors);
    }
  }
  for (const InterfaceSnapshot& port : snapshot.interfaces)
    look.ports[port.name] = {port.rx_packets, port.drops};
  for (const OutputSnapshot& output : snapshot.outputs)
    look.outputs[{output.channel, output.url}] = output.drops;
  for (const ChannelSnapshot& channel : snapshot.channels)
    look.rate_dropped[channel.channel] = channel.rate_dropped;
  for (const WorkerSnapshot& worker : snapshot.workers) {
    look.busy_cycles += worker.busy_cycles;
    look.total_cycles += worker.total_cycles;
  }
  foreign::each_channel(bridge_status, [&](const std::string& id, const nlohmann::json& channel) {
    std::uint64_t& lost = look.players_lost[id];
    for (const char* reason : {"slow_client", "http_ts_skipped", "srt_skipped", "rtmp_skipped"})
      lost += foreign::count(foreign::member(channel, "drops"), reason).value_or(0);
  });
  return look;
}

// A PID that came in each look for long enough and then in none, while the input went on: a subtitle that
// comes now and then is none such.
void Trends::learn_pids(const InputSnapshot& input, bool flowed, std::int64_t at, InputKnown& known) {
  std::map<std::uint16_t, PidKnown> kept;
  for (const PidSnapshot& pid : input.pids) {
    const auto old = known.pids.find(pid.pid);
    PidKnown now = old == known.pids.end() ? PidKnown{pid.packets, 0, 0, false, at} : old->second;
    if (pid.packets != now.packets) {
      now.missed = 0;
      now.last_ns = at;
      now.steady = now.steady || ++now.came >= kPidSteady;
    } else if (flowed && old != known.pids.end()) {
      now.came = 0;
      if (++now.missed >= kPidForgotten || !now.steady) now.steady = false;
    }
    now.packets = pid.packets;
    kept[pid.pid] = now;
  }
  known.pids = std::move(kept);
}

void Trends::learn(const Snapshot& snapshot, std::int64_t now, std::int64_t look_ns) {
  std::map<InputKey, InputKnown> kept;
  for (const InputSnapshot& input : snapshot.inputs) {
    const InputKey key{input.channel, input.number};
    InputKnown known;
    if (const auto old = inputs_.find(key);
        old != inputs_.end() && old->second.url == input.url && old->second.packets <= input.ts_packets)
      known = std::move(old->second);
    known.url = input.url;
    const bool flowed = input.ts_packets > known.packets;
    learn_pids(input, flowed, now, known);
    if (flowed && input.bitrate_bps > 0) {
      const auto before = known.rates++;
      known.usual_bps = before < kRatesKnown ? (known.usual_bps * before + input.bitrate_bps) / known.rates
                                             : follow(known.usual_bps, input.bitrate_bps, look_ns);
    }
    known.packets = input.ts_packets;
    const auto run = runs_.find(key);
    const bool edited = run != runs_.end() && now - run->second.edited_ns < kEditedNs;
    known.had_service = known.had_service || (input.service_state == kServiceIsThere && !edited);
    known.had_pcr = known.had_pcr || input.pcr_count > 0;
    kept[key] = std::move(known);
  }
  inputs_ = std::move(kept);
}

bool Trends::settled(const InputKey& input, std::int64_t now) const {
  const auto run = runs_.find(input);
  return run != runs_.end() && now - run->second.paused_ns >= kSettledNs;
}

void Trends::learn_indicators(const Snapshot& snapshot, std::int64_t now) {
  const bool due = indicator_looks_.empty() || now - indicator_looks_.back().at >= kIndicatorLookNs;
  if (due) indicator_looks_.push_back({now, {}});
  if (indicator_looks_.size() > kIndicatorLooks) indicator_looks_.pop_front();
  for (const InputSnapshot& input : snapshot.inputs) {
    const InputKey key{input.channel, input.number};
    if (!settled(key, now)) {
      for (IndicatorLook& look : indicator_looks_) look.inputs.erase(key);
    } else {
      indicator_looks_.back().inputs.try_emplace(key, input.tr101290.errors);
    }
  }
}

void Trends::learn_queriers(const Snapshot& snapshot) {
  for (const NetworkSnapshot& network : snapshot.networks) {
    QuerierKnown& known = queriers_[{network.interface, network.vlan}];
    const auto last = static_cast<std::int64_t>(network.last_query_unix_ns);
    // While the link was down nobody could hear one.
    const auto link = links_.find(network.interface);
    const bool heard = link == links_.end() || link->second.second <= known.last_ns;
    if (heard && network.queries == known.queries + 1 && known.last_ns != 0 && last > known.last_ns) {
      if (const auto interval = last - known.last_ns; interval <= kLongestIntervalNs) {
        ++known.intervals;
        known.longest_ns = std::max(known.longest_ns, interval);
      }
    }
    if (network.queries != known.queries) known.outlived = false;
    known.queries = network.queries;
    known.last_ns = last;
  }
}

// Whether an input outlives the memory of a switch that snoops: it came without a pause, in which we would
// have reported it anew, for so long after it was last asked for.
void Trends::learn_runs(const config::Model& model, const Snapshot& snapshot, const Seen& seen,
                        std::int64_t now) {
  std::map<NetworkKey, std::int64_t> asked;
  for (const NetworkSnapshot& network : snapshot.networks)
    asked[{network.interface, network.vlan}] = static_cast<std::int64_t>(network.last_query_unix_ns);
  if (runs_.size() > seen.size())
    std::erase_if(runs_, [&](const auto& run) { return !seen.contains(run.first); });
  for (const config::Channel& channel : model.channels) {
    for (const config::Input& input : channel.inputs) {
      const auto found = seen.find({channel.id, input.number});
      if (found == seen.end()) continue;
      const InputSnapshot& is = *found->second;
      Run& run = runs_[found->first];
      if (run.url != is.url) {  // what was counted of another input says nothing of this one
        for (Look& look : looks_) look.inputs.erase(found->first);
        run = {is.url, 0, now, input.program, 0};
      }
      if (run.program != input.program) {
        run.program = input.program;
        run.edited_ns = now;
        if (const auto known = inputs_.find(found->first); known != inputs_.end())
          known->second.had_service = false;
      }
      const auto last = static_cast<std::int64_t>(is.last_packet_unix_ns);
      if (now - last > (config::by_bridge(input) ? kLumpNs : kPauseNs)) run.paused_ns = now;
      if (config::by_bridge(input)) continue;
      if (now - last > kPauseNs)
        run.since_ns = 0;
      else if (run.since_ns == 0)
        run.since_ns = last;
      const auto query = asked.find({input.interface, input.vlan});
      if (run.since_ns != 0 && query != asked.end() &&
          last - std::max({run.since_ns, query->second, static_cast<std::int64_t>(is.joined_unix_ns)}) >
              kRememberedNs)
        queriers_[query->first].outlived = true;
    }
  }
}

// Robustness 2, and 10 s to answer (RFC 3376 8.1, 8.3, 8.4): when a switch that snoops has forgotten us.
std::int64_t Trends::query_late(const NetworkKey& network) const {
  const auto known = queriers_.find(network);
  if (known == queriers_.end() || known->second.intervals < kIntervalsKnown) return kQuerierLateNs;
  return std::min(kQuerierLateNs, 2 * known->second.longest_ns + 10 * kOneSecondNs);
}

void Trends::add_input(const config::Input& input, const InputSnapshot& seen, const Look& now,
                       Recent& recent) const {
  const InputKey key{seen.channel, seen.number};
  InputRecent& about = recent.inputs[key];
  const auto last = static_cast<std::int64_t>(seen.last_packet_unix_ns);
  about.flows = last != 0 && now.at - last <= kInputSilentNs;
  const Counts& is = now.inputs.at(key);
  // One that is new, or was changed, has been looked at for less.
  const auto first =
      std::find_if(looks_.begin(), looks_.end(), [&](const Look& look) { return look.inputs.contains(key); });
  const Counts& was = first == looks_.end() ? is : first->inputs.at(key);
  about.datagrams = risen(was.datagrams, is.datagrams);
  about.packets = risen(was.packets, is.packets);
  about.cc_errors = risen(was.cc, is.cc);
  about.transport_errors = risen(was.tei, is.tei);
  about.sync_errors = risen(was.sync, is.sync);
  about.scrambled = risen(was.scrambled, is.scrambled);
  about.rtp_lost = risen(was.rtp_lost, is.rtp_lost);
  about.pcrs = risen(was.pcrs, is.pcrs);
  about.nulls = risen(was.nulls, is.nulls);
  about.drops = risen(was.drops, is.drops);
  const auto minute = std::find_if(indicator_looks_.begin(), indicator_looks_.end(),
                                   [&](const IndicatorLook& look) { return look.inputs.contains(key); });
  if (minute != indicator_looks_.end() && minute->at < now.at) {
    about.indicators.judged = seen.tr101290.judged;
    for (const mpegts::IndicatorInfo& info : mpegts::kIndicators)
      about.indicators.errors[info.indicator] =
          risen(minute->inputs.at(key)[info.indicator], seen.tr101290.errors[info.indicator]);
  }
  about.wrong_source = seen.wrong_source;
  for (const auto& [pid, errors] : is.pid_cc) {
    const auto old = std::find_if(was.pid_cc.begin(), was.pid_cc.end(),
                                  [&, of = pid](const auto& entry) { return entry.first == of; });
    const std::uint64_t rose = risen(old == was.pid_cc.end() ? 0 : old->second, errors);
    if (rose <= about.worst_pid_cc_errors) continue;
    about.worst_pid = pid;
    about.worst_pid_cc_errors = rose;
  }
  if (recent.window_ns > 0)
    about.bitrate_bps = static_cast<std::uint64_t>(static_cast<double>(about.packets) * 188 * 8 /
                                                   (static_cast<double>(recent.window_ns) / 1e9));
  if (const auto known = inputs_.find(key); known != inputs_.end()) {
    if (known->second.rates >= kRatesKnown) about.usual_bps = known->second.usual_bps;
    about.had_service = known->second.had_service;
    about.had_pcr = known->second.had_pcr;
    for (const auto& [pid, counts] : known->second.pids) {
      if (counts.steady && counts.missed >= kPidGone) about.gone.push_back({pid, counts.last_ns});
    }
  }
  if (config::by_bridge(input)) return;
  NetworkRecent& network = recent.networks[{input.interface, input.vlan}];
  if (about.flows) {
    ++network.flowing;
    if (about.cc_errors > 0) network.damaged.push_back(about.cc_errors);
  } else if (last != 0) {
    network.stopped_ns.push_back(last);
  }
}

Recent Trends::judge(const config::Model& model, const Seen& seen, const Look& now) const {
  Recent recent;
  if (!looks_.empty()) recent.window_ns = now.at - looks_.front().at;
  for (const config::Channel& channel : model.channels) {
    if (!channel.enabled) continue;
    for (const config::Input& input : channel.inputs) {
      if (!config::by_bridge(input)) ++recent.networks[{input.interface, input.vlan}].inputs;
      const auto found = seen.find({channel.id, input.number});
      if (found != seen.end() && is_input_of(channel, *found->second))
        add_input(input, *found->second, now, recent);
    }
  }
  for (auto& [key, network] : recent.networks) {
    std::sort(network.stopped_ns.begin(), network.stopped_ns.end());
    network.query_late_ns = query_late(key);
    if (const auto known = queriers_.find(key); known != queriers_.end())
      network.outlived_query = known->second.outlived;
  }
  for (const auto& [name, counts] : now.ports) {
    const auto& was = looks_.empty() ? counts : before_or(looks_.front().ports, name, counts);
    recent.ports[name] = {risen(was.first, counts.first), risen(was.second, counts.second),
                          before_or(links_, name, {true, 0}).second};
  }
  for (const auto& [key, drops] : now.outputs)
    recent.outputs[key] =
        risen(looks_.empty() ? drops : before_or(looks_.front().outputs, key, drops), drops);
  for (const auto& [channel, dropped] : now.rate_dropped)
    recent.rate_dropped[channel] =
        risen(looks_.empty() ? dropped : before_or(looks_.front().rate_dropped, channel, dropped), dropped);
  for (const auto& [channel, lost] : now.players_lost)
    recent.players_lost[channel] =
        risen(looks_.empty() ? lost : before_or(looks_.front().players_lost, channel, lost), lost);
  if (!looks_.empty()) {
    const auto busy = risen(looks_.front().busy_cycles, now.busy_cycles),
               total = risen(looks_.front().total_cycles, now.total_cycles);
    if (total > 0) recent.busy_ratio = static_cast<double>(busy) / static_cast<double>(total);
  }
  return recent;
}

void Trends::update(const config::Model& model, const Snapshot& snapshot, std::int64_t now,
                    const nlohmann::json& bridge_status) {
  if (snapshot.epoch != epoch_) {  // all counters begin again
    epoch_ = snapshot.epoch;
    looks_.clear();
    indicator_looks_.clear();
    inputs_.clear();
    queriers_.clear();
    runs_.clear();
  }
  for (const InterfaceSnapshot& port : snapshot.interfaces) {
    const auto known = links_.find(port.name);
    if (known == links_.end())
      links_[port.name] = {port.link_up, 0};
    else if (known->second.first != port.link_up)
      known->second = {port.link_up, now};
  }
  learn_queriers(snapshot);
  Seen seen;
  for (const InputSnapshot& input : snapshot.inputs) seen[{input.channel, input.number}] = &input;
  learn_runs(model, snapshot, seen, now);
  learn_indicators(snapshot, now);
  Look look = take(snapshot, now, bridge_status);
  if (looks_.empty() || now - looks_.back().at >= kLookNs) {
    learn(snapshot, now, looks_.empty() ? kLookNs : now - looks_.back().at);
    looks_.push_back(look);
    if (looks_.size() > kLooks) looks_.pop_front();
  }
  recent_ = std::make_shared<const Recent>(judge(model, seen, look));
}

}  // namespace headgate::control
