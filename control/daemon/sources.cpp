#include "control/daemon/sources.h"

#include <fmt/core.h>

#include <algorithm>

#include "control/daemon/channel_monitor.h"
#include "control/daemon/foreign.h"

namespace headgate::control {
namespace {

using nlohmann::json;

std::uint64_t count_of(const json& object, const char* name) {
  return foreign::count(object, name).value_or(0);
}

WayView way_of(const json& from) {
  return {foreign::text(from, "state"),  foreign::text(from, "error"), foreign::time(from, "since_unix_ns"),
          count_of(from, "connections"), count_of(from, "bytes"),      left_out_of(from)};
}

const std::vector<SourceView>& known_sources(const Sources& sources, const std::string& channel) {
  static const std::vector<SourceView> kNone;
  const auto found = sources.find(channel);
  return found == sources.end() ? kNone : found->second;
}

const InputSnapshot* find_input(const config::Channel& channel, const SnapshotIndex& seen,
                                std::uint32_t number) {
  for (const InputSnapshot* input : seen.inputs(channel.id)) {
    if (input->number == number && is_input_of(channel, *input)) return input;
  }
  return nullptr;
}

// "no_data (connection refused)"; "" where nothing is wrong with it.
std::string fault(const config::Channel& channel, const config::Input& input, const SnapshotIndex& seen,
                  const Sources& sources) {
  const InputSnapshot* counters = find_input(channel, seen, input.number);
  std::string text = counters != nullptr ? troubles_of(counters->troubles) : "";
  const SourceView* source = find_source(known_sources(sources, channel.id), input.number);
  if (source == nullptr || source->state == "receiving") return text;
  const std::string why = !source->error.empty()       ? source->error
                          : source->state == "waiting" ? "waits for the sender"
                                                       : "connecting";
  return text.empty() ? why : fmt::format("{} ({})", text, why);
}

// By the fast path's entries that belong to an input of an enabled channel.
template <class Value>
std::vector<Rising::Counter> of_inputs(const config::Model& model, const SnapshotIndex& seen,
                                       const char* what, Value value) {
  std::vector<Rising::Counter> counters;
  for (const config::Channel& channel : model.channels) {
    if (!channel.enabled) continue;
    for (const config::Input& input : channel.inputs) {
      if (config::buffer_of(channel, input).count() == 0) continue;
      if (const InputSnapshot* input_seen = find_input(channel, seen, input.number))
        counters.push_back({fmt::format("{} input {}", channel.id, input.number), what, value(*input_seen)});
    }
  }
  return counters;
}

}  // namespace

std::vector<SourceView> sources_of(const json& bridge_channel) {
  std::vector<SourceView> sources;
  for (const json& from : foreign::list(bridge_channel, "sources")) {
    SourceView source;
    static_cast<WayView&>(source) = way_of(from);
    source.number = static_cast<std::uint32_t>(std::min<std::uint64_t>(count_of(from, "number"), 0xFFFF));
    source.kind = foreign::text(from, "kind");
    source.peer = foreign::text(from, "peer");
    source.packets = count_of(from, "packets");
    if (const json& drops = foreign::member(from, "drops"); drops.is_object()) {
      for (const auto& [reason, value] : drops.items()) {
        if (value.is_number_unsigned()) source.drops[foreign::line(reason)] = value.get<std::uint64_t>();
      }
    }
    if (const json& details = foreign::member(from, "details"); details.is_object()) {
      for (const auto& [name, value] : details.items())
        source.details[foreign::line(name)] =
            foreign::line(value.is_string() ? value.get<std::string>() : value.dump());
    }
    sources.push_back(std::move(source));
  }
  return sources;
}

std::vector<PushView> pushes_of(const json& bridge_channel) {
  std::vector<PushView> pushes;
  for (const json& from : foreign::list(bridge_channel, "pushes")) {
    PushView push;
    static_cast<WayView&>(push) = way_of(from);
    push.url = foreign::text(from, "url");
    push.failures = count_of(from, "failures");
    push.skipped = count_of(from, "skipped");
    pushes.push_back(std::move(push));
  }
  return pushes;
}

const SourceView* find_source(const std::vector<SourceView>& sources, std::uint32_t input) {
  const auto found = std::find_if(sources.begin(), sources.end(),
                                  [&](const auto& source) { return source.number == input; });
  return found == sources.end() ? nullptr : &*found;
}

Sources all_sources(const json& bridge_status) {
  Sources result;
  foreign::each_channel(bridge_status, [&](const std::string& id, const json& channel) {
    if (auto sources = sources_of(channel); !sources.empty()) result[id] = std::move(sources);
  });
  return result;
}

std::string why_not_preferred(const config::Channel& channel, const SnapshotIndex& seen,
                              const Sources& sources) {
  const ChannelSnapshot* air = seen.channel(channel.id);
  if (air == nullptr || channel.inputs.empty()) return "";
  if (air->forced == air->on_air)
    return fmt::format("input {} is forced; headgate switch {} auto ends that", air->forced, channel.id);
  const config::Input& preferred = channel.inputs.front();
  const std::string why = fault(channel, preferred, seen, sources);
  if (!why.empty()) return fmt::format("input {}: {}", preferred.number, why);
  return channel.failover.back
             ? fmt::format("input {} is good again and returns when it stays so", preferred.number)
             : fmt::format("input {} is good again; headgate switch {} {} returns to it", preferred.number,
                           channel.id, preferred.number);
}

std::map<std::string, std::string> inputs_down(const config::Model& model, const SnapshotIndex& seen,
                                               const Sources& sources) {
  std::map<std::string, std::string> found;
  for (const config::Channel& channel : model.channels) {
    // One alone shows in its channel's state.
    if (!channel.enabled || channel.inputs.size() < 2) continue;
    for (const config::Input& input : channel.inputs) {
      const SourceView* source = find_source(known_sources(sources, channel.id), input.number);
      // Nobody publishes all day.
      if (input.kind == config::InputKind::publish && (source == nullptr || source->state != "receiving"))
        continue;
      const InputSnapshot* counters = find_input(channel, seen, input.number);
      const bool silent = source != nullptr && source->state != "receiving" && !source->error.empty();
      if ((counters == nullptr || counters->troubles == 0) && !silent) continue;
      found[fmt::format("{} input {}", channel.id, input.number)] =
          fmt::format("{}: {}", input.url, fault(channel, input, seen, sources));
    }
  }
  return found;
}

std::map<std::string, std::string> unset_services(const config::Model& model, const SnapshotIndex& seen) {
  std::map<std::string, std::string> found;
  for (const config::Channel& channel : model.channels) {
    if (!channel.enabled || !config::rewrites_service(channel)) continue;
    for (const config::Input& input : channel.inputs) {
      const InputSnapshot* counters = find_input(channel, seen, input.number);
      if (input.program || counters == nullptr || counters->services_seen < 2) continue;
      found.try_emplace(channel.id,
                        fmt::format("{} services come by input {} and the map names none; the lowest "
                                    "leaves: service {}",
                                    counters->services_seen, input.number, counters->program_number));
    }
  }
  return found;
}

std::map<std::string, std::string> failovers(const config::Model& model, const SnapshotIndex& seen,
                                             const Sources& sources) {
  std::map<std::string, std::string> found;
  for (const config::Channel& channel : model.channels) {
    if (!channel.enabled || channel.inputs.size() < 2) continue;
    const ChannelSnapshot* air = seen.channel(channel.id);
    if (air == nullptr || air->on_air == 0 || air->on_air == channel.inputs.front().number) continue;
    found[channel.id] =
        fmt::format("on input {}: {}", air->on_air, why_not_preferred(channel, seen, sources));
  }
  return found;
}

std::map<std::string, std::string> pushes_failing(const config::Model& model, const json& bridge_status) {
  std::map<std::string, std::string> found;
  for (const config::Channel& channel : model.channels) {
    const bool has_any =
        channel.enabled && std::any_of(channel.push.begin(), channel.push.end(), [](const auto& push) {
          return push.enabled && config::by_bridge(push);
        });
    if (!has_any) continue;
    const auto pushes = pushes_of(foreign::channel(bridge_status, channel.id));
    for (const config::Push& wanted : channel.push) {
      if (!wanted.enabled || !config::by_bridge(wanted)) continue;
      for (const PushView& push : pushes) {
        if (push.url == wanted.url && push.state != "sending" && !push.error.empty())
          found[channel.id + " " + push.url] = push.error;
      }
    }
  }
  return found;
}

std::map<std::string, std::string> Rising::update(const std::vector<Counter>& counters, std::int64_t now_ns) {
  std::map<std::string, Known> known;
  std::map<std::string, std::string> active;
  for (const Counter& counter : counters) {
    const auto before = known_.find(counter.subject);
    Known now{counter.value, before == known_.end() ? 0 : before->second.rose_ns};
    if (before != known_.end() && counter.value > before->second.value) now.rose_ns = now_ns;
    known[counter.subject] = now;
    if (now.rose_ns != 0 && now_ns - now.rose_ns <= std::chrono::nanoseconds(kRemembered).count())
      active[counter.subject] = counter.text;
  }
  known_ = std::move(known);
  return active;
}

std::vector<Rising::Counter> underflows(const config::Model& model, const SnapshotIndex& seen) {
  return of_inputs(model, seen,
                   "its buffer ran empty: the stream paused on the way, or remux.buffer is too short",
                   [](const InputSnapshot& input) { return input.buffer_underflows; });
}

std::vector<Rising::Counter> overflows(const config::Model& model, const SnapshotIndex& seen) {
  return of_inputs(model, seen,
                   "its buffer ran full and packets were dropped: the source sends faster than its clock",
                   [](const InputSnapshot& input) { return input.buffer_overflows; });
}

std::vector<Rising::Counter> rates_exceeded(const config::Model& model, const SnapshotIndex& seen) {
  std::vector<Rising::Counter> counters;
  for (const config::Channel& channel : model.channels) {
    if (!channel.enabled || channel.remux.bitrate == 0) continue;
    if (const ChannelSnapshot* air = seen.channel(channel.id))
      counters.push_back(
          {channel.id,
           "the stream is more than remux.bitrate and packets were dropped: raise it, or lower the "
           "encoder's rate",
           air->rate_dropped});
  }
  return counters;
}

std::vector<Rising::Counter> shares_exceeded(const config::Model& model, const SnapshotIndex& seen) {
  std::vector<Rising::Counter> counters;
  for (const config::Multiplex& multiplex : model.multiplexes) {
    for (const std::string& id : multiplex.channels) {
      const ChannelSnapshot* air = seen.channel(id);
      if (air == nullptr || air->multiplex_dropped == 0) continue;
      counters.push_back({id,
                          "it is more than its share of multiplex " + multiplex.id +
                              ", which is full, and packets were dropped: raise the multiplex's bitrate, or "
                              "lower the encoder's rate",
                          air->multiplex_dropped});
    }
  }
  return counters;
}

}  // namespace headgate::control
