#include "control/daemon/snapshot_index.h"

namespace headgate::control {
namespace {

template <typename Groups>
auto group_of(const Groups& groups, std::string_view channel) {
  const auto found = groups.find(channel);
  using Span = std::span<const typename Groups::mapped_type::value_type>;
  return found == groups.end() ? Span() : Span(found->second);
}

}  // namespace

SnapshotIndex::SnapshotIndex(const Snapshot& of) : snapshot_(of) {
  inputs_.reserve(of.inputs.size());
  outputs_.reserve(of.outputs.size());
  for (const InputSnapshot& input : of.inputs) inputs_[input.channel].push_back(&input);
  for (const OutputSnapshot& output : of.outputs) outputs_[output.channel].push_back(&output);
  for (const ChannelSnapshot& channel : of.channels) channels_.emplace(channel.channel, &channel);
}

std::span<const InputSnapshot* const> SnapshotIndex::inputs(std::string_view channel) const {
  return group_of(inputs_, channel);
}

std::span<const OutputSnapshot* const> SnapshotIndex::outputs(std::string_view channel) const {
  return group_of(outputs_, channel);
}

const ChannelSnapshot* SnapshotIndex::channel(std::string_view channel) const {
  const auto found = channels_.find(channel);
  return found == channels_.end() ? nullptr : found->second;
}

}  // namespace headgate::control
