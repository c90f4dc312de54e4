// What the fast path can't do, whatever the map allows.
#include <fmt/format.h>

#include <algorithm>

#include "dataplane/fastpath/control/registry.h"
#include "dataplane/fastpath/control/remux_options.h"
#include "dataplane/fastpath/host/address.h"

namespace headgate::fastpath {
namespace {

constexpr std::uint32_t kMaxBufferMs = 60'000;
constexpr std::uint64_t kMaxBitrate = 1'000'000'000;

std::string refusal(const protocol::FastpathChannel& channel) {
  if (channel.inputs.size() > Failover::kMaxInputs)
    return fmt::format("{} inputs; at most {} are possible", channel.inputs.size(), Failover::kMaxInputs);
  std::set<std::uint32_t> numbers;
  for (const protocol::InputState& input : channel.inputs) {
    if (!numbers.insert(input.number).second)
      return fmt::format("two inputs with the number {}", input.number);
    if (input.buffer_ms > kMaxBufferMs)
      return fmt::format("input {}: a buffer of {} ms; at most {} are possible", input.url, input.buffer_ms,
                         kMaxBufferMs);
  }
  if (channel.forced_input != 0 && !numbers.contains(channel.forced_input))
    return fmt::format("there is no input {} to be forced on air", channel.forced_input);
  if (channel.remux) {
    if (auto options = remux_options(*channel.remux); !options) return options.error();
  }
  if (channel.bitrate_bps > kMaxBitrate)
    return fmt::format("a constant rate of {} bit/s; at most {} are possible", channel.bitrate_bps,
                       kMaxBitrate);
  return "";
}

}  // namespace

tl::expected<void, std::string> Registry::validate(const protocol::FastpathState& state) const {
  const auto pipes =
      static_cast<std::size_t>(std::count_if(state.channels.begin(), state.channels.end(),
                                             [this](const auto& channel) { return needs_pipe(channel); })) +
      state.multiplexes.size();
  if (pipes > protocol::kMaxChannels) {
    return tl::unexpected<std::string>(fmt::format(
        "{} channels with several inputs, a buffer, a constant rate, an input of the bridge or a place in a "
        "multiplex, and multiplexes; at most {} are possible",
        pipes, protocol::kMaxChannels));
  }
  // By source: two sources of a group may speak differently, but who takes any source meets both.
  using Protocols = std::map<std::string, protocol::DatagramProtocol>;
  std::map<std::tuple<std::string, std::uint16_t, std::string, std::uint16_t>, Protocols> taken;
  for (const protocol::FastpathChannel& channel : state.channels) {
    const auto refuse = [&](const std::string& why) {
      return tl::unexpected<std::string>(fmt::format("channel {}: {}", channel.id, why));
    };
    if (const std::string why = refusal(channel); !why.empty()) return refuse(why);
    for (const protocol::InputState& input : channel.inputs) {
      if (input.way == protocol::InputWay::bridge) continue;
      if (auto found = find_interface(input.interface, input.vlan); !found) return refuse(found.error());
      if (!parse_ipv4(input.group)) return refuse(fmt::format("input {} has no IPv4 address", input.url));
      if (!input.source.empty() && !parse_ipv4(input.source))
        return refuse(fmt::format("input {}: the source {} is no IPv4 address", input.url, input.source));
      Protocols& protocols = taken[{input.interface, input.vlan, input.group, input.port}];
      protocols.try_emplace(input.source, input.protocol);
      const bool clash = std::any_of(protocols.begin(), protocols.end(), [&](const auto& other) {
        const bool meets = other.first == input.source || other.first.empty() || input.source.empty();
        return meets && other.second != input.protocol;
      });
      if (clash)
        return refuse(fmt::format("input {}: the same group and port is taken as udp and as rtp", input.url));
    }
    for (const protocol::OutputState& output : channel.outputs) {
      if (const std::string why = refusal_of(output); !why.empty()) return refuse(why);
    }
  }
  for (const protocol::FastpathMultiplex& multiplex : state.multiplexes) {
    std::string why = MultiplexStore::refusal(multiplex);
    for (const protocol::OutputState& output : multiplex.outputs) {
      if (why.empty()) why = refusal_of(output);
    }
    if (!why.empty()) return tl::unexpected<std::string>(fmt::format("multiplex {}: {}", multiplex.id, why));
  }
  return {};
}

// "": it can be sent.
std::string Registry::refusal_of(const protocol::OutputState& output) const {
  if (auto found = find_interface(output.interface, output.vlan); !found) return found.error();
  const auto group = parse_ipv4(output.group);
  if (!group || !group->is_multicast())
    return fmt::format("output {}: {} is no multicast group", output.url, output.group);
  return "";
}

}  // namespace headgate::fastpath
