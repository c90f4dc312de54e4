#include "control/diagnosis/judgement.h"

#include <fmt/core.h>

#include <algorithm>

#include "control/daemon/foreign.h"
#include "control/diagnosis/words.h"

namespace headgate::control::diagnosis {
namespace {

// Longest piece of evidence; a far end's words may be long.
constexpr std::size_t kMaxText = 400;
// One loss that two inputs share hits them by their rates.
constexpr std::uint64_t kLikeOrder = 10;
// A sender that starts anew makes about one a PID.
constexpr std::uint64_t kErrorsTell = 10;

std::string bounded(std::string text) {
  if (text.size() <= kMaxText) return text;
  std::size_t end = kMaxText;
  while (end > 0 && (text[end] & 0xC0) == 0x80) --end;  // not within a character of UTF-8
  return text.substr(0, end) + " ...";
}

// What is on air because somebody wants it, or because the preferred one is well; else the preferred one.
const config::Input* judged(const config::Channel& channel, const ChannelHealth& health,
                            const ChannelSnapshot* air) {
  if (channel.inputs.empty()) return nullptr;
  const bool forced = air != nullptr && air->forced != 0;
  const bool wants_preferred =
      !forced && health.state != ChannelState::ok && health.state != ChannelState::degraded;
  const auto number = forced ? static_cast<std::uint32_t>(air->forced) : health.active_input;
  if (wants_preferred || number == 0) return &channel.inputs.front();
  const auto found = std::find_if(channel.inputs.begin(), channel.inputs.end(),
                                  [&](const config::Input& input) { return input.number == number; });
  return found == channel.inputs.end() ? &channel.inputs.front() : &*found;
}

template <class Items, class Matches>
const typename Items::value_type* find_in(const Items& items, Matches matches) {
  const auto found = std::find_if(items.begin(), items.end(), matches);
  return found == items.end() ? nullptr : &*found;
}

template <class Map>
const typename Map::mapped_type* find_key(const Map& map, const typename Map::key_type& key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : &found->second;
}

}  // namespace

Case::Case(const GatewayView& gateway, const config::Channel& of, const config::Input* of_input)
    : view(gateway),
      recent(*gateway.recent),
      channel(of),
      health{of.enabled ? ChannelState::down : ChannelState::disabled, "not sampled yet", gateway.now_unix_ns,
             0},
      bridge(foreign::channel(gateway.bridge_status, of.id)),
      sources(sources_of(bridge)),
      air(find_channel(gateway.snapshot, of.id)) {
  if (const ChannelHealth* known = view.monitor.find(channel.id)) health = *known;
  input = of_input != nullptr ? of_input : judged(channel, health, air);
  if (input == nullptr) return;
  seen = find_input(input->number);
  lately = find_recent(input->number);
  source = find_source(sources, input->number);
  if (!datagrams()) return;
  port = find_in(view.snapshot.interfaces, [&](const auto& entry) { return entry.name == input->interface; });
  port_lately = find_key(recent.ports, input->interface);
  network = find_in(view.snapshot.networks, [&](const auto& entry) {
    return entry.interface == input->interface && entry.vlan == input->vlan;
  });
  neighbours = find_key(recent.networks, {input->interface, input->vlan});
}

std::string Case::place() const {
  if (input == nullptr) return "";
  return input->vlan == 0 ? input->interface : fmt::format("{} VLAN {}", input->interface, input->vlan);
}

std::string Case::network_subject() const {
  return input->vlan == 0 ? input->interface : fmt::format("{} vlan {}", input->interface, input->vlan);
}

std::string Case::input_subject() const { return fmt::format("{} input {}", channel.id, input->number); }

std::pair<std::string, std::string> Case::silence_alarm() const {
  if (channel.inputs.size() < 2) return {"channel_down", channel.id};
  return {"input_down", input_subject()};
}

std::uint64_t Case::dropped(protocol::DropReason reason) const {
  return lately == nullptr ? 0 : lately->drops[static_cast<std::size_t>(reason)];
}

std::uint64_t Case::port_dropped(protocol::DropReason reason) const {
  return port_lately == nullptr ? 0 : port_lately->drops[static_cast<std::size_t>(reason)];
}

bool Case::has_holes() const { return lately != nullptr && lately->cc_errors + lately->rtp_lost > 0; }

bool Case::holes_all_over() const {
  if (!has_holes() || neighbours == nullptr) return false;
  const std::uint64_t own = lately->cc_errors;
  const bool few = neighbours->flowing < 3;  // a sender's restart beside the other's damage is no network
  const auto alike = std::count_if(neighbours->damaged.begin(), neighbours->damaged.end(), [&](auto errors) {
    return errors * kLikeOrder >= own && (!few || (own * kLikeOrder >= errors && errors >= kErrorsTell));
  });
  return alike > 1 && static_cast<std::size_t>(alike) * 2 >= neighbours->flowing;
}

bool Case::starved_at(std::int64_t unix_ns) const {
  const HostCondition* overload = view.host.find("host_overload");
  return starved() && (overload == nullptr || overload->since_unix_ns <= unix_ns + words::kFoundLateNs);
}

const ProcessView* Case::process(const std::string& name) const {
  return find_in(view.processes, [&](const auto& entry) { return entry.process.name == name; });
}

bool Case::alarm(const std::string& kind, const std::string& subject) const {
  return std::any_of(view.alarms.begin(), view.alarms.end(),
                     [&](const auto& alarm) { return alarm.kind == kind && alarm.subject == subject; });
}

const InputSnapshot* Case::find_input(std::uint32_t number) const {
  return find_in(view.snapshot.inputs, [&](const auto& entry) {
    return entry.number == number && entry.channel == channel.id && is_input_of(channel, entry);
  });
}

const InputRecent* Case::find_recent(std::uint32_t number) const {
  return find_key(recent.inputs, {channel.id, number});
}

void Judgement::stage(const char* name) { stages_.push_back({name, Stage::Verdict::unknown, {}}); }

void Judgement::note(std::string evidence) {
  stages_.back().evidence.push_back(bounded(std::move(evidence)));
}

void Judgement::off(std::string why) {
  stages_.back().verdict = Stage::Verdict::off;
  note(std::move(why));
}

void Judgement::ok() {
  if (stages_.back().verdict != Stage::Verdict::bad) stages_.back().verdict = Stage::Verdict::ok;
}

void Judgement::unknown() {
  if (stages_.back().verdict != Stage::Verdict::bad) stages_.back().verdict = Stage::Verdict::unknown;
}

void Judgement::bad(std::string evidence) {
  stages_.back().verdict = Stage::Verdict::bad;
  note(std::move(evidence));
}

void Judgement::cause(Cause cause) {
  stages_.back().verdict = Stage::Verdict::bad;
  cause.verdict = bounded(std::move(cause.verdict));
  cause.remedy = bounded(std::move(cause.remedy));
  causes_.push_back(std::move(cause));
}

const Cause* Judgement::first() const {
  const Cause* gravest = nullptr;
  for (const Cause& cause : causes_) {
    if (gravest == nullptr || cause.weight > gravest->weight) gravest = &cause;
  }
  return gravest;
}

}  // namespace headgate::control::diagnosis
