// Which active alarm explains another.
#include <algorithm>
#include <string_view>

#include "control/diagnosis/judgement.h"
#include "control/diagnosis/words.h"

namespace headgate::control {
namespace {

using Root = std::pair<std::string, std::string>;

const Alarm* find_alarm(const std::vector<Alarm>& all, std::string_view kind, std::string_view subject) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const Alarm& alarm) {
    return alarm.kind == kind && alarm.subject == subject;
  });
  return found == all.end() ? nullptr : &*found;
}

bool among(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// The subject of an alarm about a channel, one of its inputs, outputs or tracks begins with its id.
const config::Channel* channel_of(const GatewayView& view, const std::string& subject) {
  const std::string id = subject.substr(0, subject.find(' '));
  const auto& channels = view.model->channels;
  const auto found =
      std::find_if(channels.begin(), channels.end(), [&](const auto& entry) { return entry.id == id; });
  return found == channels.end() ? nullptr : &*found;
}

// "cap0" of "cap0 vlan 120"
std::string interface_of(const std::string& network) { return network.substr(0, network.find(' ')); }

// How much later than what it explains the condition of an alarm may be found.
std::int64_t found_late(const GatewayView& view, const Alarm& root) {
  constexpr std::int64_t kDiesAgain = 120 * words::kSecondNs;  // it takes some deaths
  if (root.kind == "crash_loop") return kDiesAgain;
  if (root.kind != "no_querier") return words::kFoundLateNs;
  // Where nothing is known of its intervals a switch forgets sooner than we call it silent.
  std::int64_t late = 0;
  for (const auto& [key, network] : view.recent->networks) late = std::max(late, network.query_late_ns);
  return late + words::kFoundLateNs;
}

std::optional<Root> root_of(const GatewayView& view, const std::vector<Alarm>& all, const Alarm& of,
                            std::string_view kind, const std::string& subject) {
  if (of.kind == kind && of.subject == subject) return std::nullopt;
  const Alarm* found = find_alarm(all, kind, subject);
  if (found == nullptr) return std::nullopt;
  const bool younger = found->since_unix_ns > of.since_unix_ns + found_late(view, *found);
  // Once told, it stays: its own beginning may be told anew.
  if (younger && (of.cause == 0 || of.cause != found->id)) return std::nullopt;
  return Root(found->kind, found->subject);
}

// Of what is no channel's: processes, networks, the machine.
std::optional<Root> cause_beneath(const GatewayView& view, const Alarm& alarm,
                                  const std::vector<Alarm>& all) {
  if (alarm.kind == "no_querier") return root_of(view, all, alarm, "link_down", interface_of(alarm.subject));
  if (alarm.kind == "process_silent") {
    if (auto root = root_of(view, all, alarm, "crash_loop", alarm.subject)) return root;
    return root_of(view, all, alarm, "host_overload", "");
  }
  if (alarm.kind == "apply_pending") {
    for (const char* process : {"fastpath", "bridge"}) {
      if (auto root = root_of(view, all, alarm, "crash_loop", process)) return root;
      if (auto root = root_of(view, all, alarm, "process_silent", process)) return root;
    }
  }
  if (alarm.kind == "state_lost" || alarm.kind == "history" || alarm.kind == "state") {
    for (const char* where : {"run_dir", "data_dir"}) {
      if (auto root = root_of(view, all, alarm, "disk_full", where)) return root;
    }
  }
  return std::nullopt;
}

// What stands still or was never taken in explains all alarms of channels.
std::optional<Root> silent_process(const GatewayView& view, const Alarm& alarm,
                                   const config::Channel& channel, const std::vector<Alarm>& all) {
  for (const char* kind : {"crash_loop", "process_silent"}) {
    if (auto root = root_of(view, all, alarm, kind, "fastpath")) return root;
  }
  const bool by_bridge = among(alarm.kind, {"push_failing", "input_down"}) ||
                         !alarm.kind.starts_with("channel_") ||
                         (!channel.inputs.empty() && config::by_bridge(channel.inputs.front()));
  if (!by_bridge || !config::passes_bridge(channel)) return std::nullopt;
  for (const char* kind : {"crash_loop", "process_silent"}) {
    if (auto root = root_of(view, all, alarm, kind, "bridge")) return root;
  }
  return std::nullopt;
}

// An alarm about one input is explained by what explains that input, not by what is on air.
const config::Input* input_of(const config::Channel& channel, const Alarm& alarm) {
  const std::string prefix = channel.id + " input ";
  if (!alarm.subject.starts_with(prefix)) return nullptr;
  for (const config::Input& input : channel.inputs) {
    if (alarm.subject == prefix + std::to_string(input.number)) return &input;
  }
  return nullptr;
}

// Whether what is wrong with a channel is why the other thing is.
bool explains(const diagnosis::Cause& cause, const Alarm& alarm) {
  // A push that fails takes nothing from the channel, nor does what only threatens; a machine that is short
  // of something threatens all.
  const bool of_host = cause.culprit == catalogue::Culprit::host;
  if (cause.weight == diagnosis::Weight::advice) return of_host;
  if (among(cause.alarm_kind, {"push_failing", "rate_exceeded"})) return false;
  // What takes the whole channel takes its push; lost packets don't.
  const bool sends =
      among(alarm.kind, {"push_failing", "program_unset", "key_unreadable", "passphrase_unreadable"});
  const bool of_us = of_host || cause.culprit == catalogue::Culprit::gateway;
  return !sends || of_us || cause.weight != diagnosis::Weight::damage;
}

}  // namespace

std::optional<std::pair<std::string, std::string>> cause_of(const GatewayView& view, const Alarm& alarm,
                                                            const std::vector<Alarm>& all) {
  const config::Channel* channel = channel_of(view, alarm.subject);
  if (channel == nullptr || among(alarm.kind, {"crash_loop", "process_silent", "link_down", "no_querier"}))
    return cause_beneath(view, alarm, all);
  if (auto root = silent_process(view, alarm, *channel, all)) return root;
  const diagnosis::Case about(view, *channel);
  if (const config::Input* input = input_of(*channel, alarm);
      input != nullptr && !config::by_bridge(*input)) {
    if (auto root = root_of(view, all, alarm, "link_down", input->interface)) return root;
    const diagnosis::Case of_input(view, *channel, input);
    if (diagnosis::querier_explains(of_input) > 0)
      return root_of(view, all, alarm, "no_querier", of_input.network_subject());
    return std::nullopt;
  }
  if (alarm.kind == "failover_active")
    return root_of(view, all, alarm, "input_down",
                   channel->id + " input " +
                       std::to_string(channel->inputs.empty() ? 1 : channel->inputs.front().number));
  diagnosis::Judgement judgement;
  const diagnosis::Cause cause = diagnosis::judge(about, judgement);
  if (!cause.alarm_kind.empty() && explains(cause, alarm)) {
    if (auto root = root_of(view, all, alarm, cause.alarm_kind, cause.alarm_subject)) return root;
  }
  if (among(alarm.kind, {"channel_down", "channel_degraded"})) return std::nullopt;
  // What a channel that is down can't do is no news.
  if (about.health.state == ChannelState::down) return root_of(view, all, alarm, "channel_down", channel->id);
  return std::nullopt;
}

}  // namespace headgate::control
