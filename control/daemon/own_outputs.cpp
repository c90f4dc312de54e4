#include "control/daemon/own_outputs.h"

#include <fmt/core.h>

#include <chrono>

namespace headgate::control {

Messages OwnOutputs::update(const config::Model& model, const SnapshotIndex& seen, std::int64_t now_unix_ns) {
  constexpr std::chrono::minutes kWindow{1};
  Messages broken;
  std::map<std::string, Entry> kept;
  for (const config::Channel& channel : model.channels) {
    // All outputs of a channel send the same.
    const auto outputs = seen.outputs(channel.id);
    if (outputs.empty() || outputs.front()->tr101290.judged == 0) continue;
    Entry& entry = kept[channel.id];
    if (const auto known = entries_.find(channel.id); known != entries_.end())
      entry = std::move(known->second);
    std::string text;
    for (const mpegts::IndicatorInfo& info : mpegts::kIndicators) {
      if (info.priority != 1) continue;
      const auto place = static_cast<std::size_t>(info.indicator);
      std::uint64_t in = 0;
      for (const InputSnapshot* input : seen.inputs(channel.id)) in += input->tr101290.errors[info.indicator];
      entry.in[place].update(in, kWindow, now_unix_ns);
      entry.out[place].update(outputs.front()->tr101290.errors[info.indicator], kWindow, now_unix_ns);
      if (const std::uint64_t rose = entry.out[place].within(); rose > entry.in[place].within())
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", info.name, rose);
    }
    if (!text.empty()) broken[channel.id] = text + " in the last minute, more than at its inputs";
  }
  entries_ = std::move(kept);
  return broken;
}

}  // namespace headgate::control
