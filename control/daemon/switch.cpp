// `headgate switch`: the input that the operator forces, and what is told of the switch in the fast path.
#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "control/daemon/daemon.h"
#include "control/log/log.h"

namespace headgate::control {

void Daemon::request_switch(const nlohmann::json& params, const std::string& who, Reply reply) {
  const auto channel = params.find("channel"), input = params.find("input");
  const bool by_itself = input != params.end() && input->is_string() && *input == "auto";
  if (channel == params.end() || !channel->is_string() || channel->get<std::string>().empty())
    return reply(tl::unexpected<std::string>("channel: the id of a channel"));
  if (!by_itself && (input == params.end() || !input->is_number_unsigned() ||
                     input->get<std::uint64_t>() == 0 || input->get<std::uint64_t>() > 0xFFFF))
    return reply(tl::unexpected<std::string>("input: the number of an input (1 is the primary), or auto"));
  ApplyJob job;
  job.who = who;
  job.switched = channel->get<std::string>();
  job.forced = by_itself ? 0 : input->get<std::uint32_t>();
  job.reply = std::move(reply);
  request_apply(std::move(job));
}

void Daemon::start_switch(ApplyJob job) {
  const auto refuse = [&](const std::string& why) {
    job.reply(tl::unexpected(why));
    next_job();
  };
  auto wanted = states_;
  const auto find = [&](auto& channels) {
    return std::find_if(channels.begin(), channels.end(),
                        [&](const auto& entry) { return entry.id == job.switched; });
  };
  if (find(model_->channels) == model_->channels.end())
    return refuse("no channel " + job.switched + " in the running map");
  const auto channel = find(wanted.fastpath.channels);
  if (channel == wanted.fastpath.channels.end())
    return refuse("channel " + job.switched + " is disabled by the map");
  if (channel->inputs.size() < 2)
    return refuse("channel " + job.switched + " has one input: there is nothing to switch to");
  const bool there = std::any_of(channel->inputs.begin(), channel->inputs.end(),
                                 [&](const auto& input) { return input.number == job.forced; });
  if (job.forced != 0 && !there)
    return refuse(fmt::format("channel {} has no input {}: its inputs are 1 to {}", job.switched, job.forced,
                              channel->inputs.size()));
  if (channel->forced_input == job.forced) return finish_switch(job, states_, {});
  channel->forced_input = job.forced;
  ++wanted.fastpath.generation;
  wanted.bridge.generation = wanted.fastpath.generation;
  boost::asio::post(
      apply_thread_, [this, job = std::move(job), before = states_, wanted = std::move(wanted)] {
        auto outcome = carry_out_or_roll_back(*plane_, before, wanted, {});
        boost::asio::post(
            io_, [this, job, wanted, outcome = std::move(outcome)] { finish_switch(job, wanted, outcome); });
      });
}

void Daemon::finish_switch(const ApplyJob& job, const DesiredStates& wanted,
                           const tl::expected<void, ApplyFailure>& outcome) {
  if (!outcome) {
    states_.fastpath.generation = states_.bridge.generation = wanted.fastpath.generation + 1;
    const ApplyFailure& why = outcome.error();
    const auto text = why.reason + (why.rolled_back ? "; everything was put back"
                                                    : "; putting back failed too: " + why.rollback_reason);
    add_event(why.rolled_back ? "warning" : "critical", "apply_failed", job.switched,
              fmt::format("switch by {}: {}", job.who, text));
    job.reply(tl::unexpected(text));
  } else {
    const bool changed = wanted.fastpath.generation != states_.fastpath.generation;
    states_ = wanted;
    if (changed)
      add_event("info", "switch", job.switched,
                job.forced == 0 ? fmt::format("automatic again, by {}", job.who)
                                : fmt::format("input {} forced by {}", job.forced, job.who));
    nlohmann::json result = {
        {"ok", true}, {"channel", job.switched}, {"input", "auto"}, {"changed", changed}};
    if (job.forced != 0) result["input"] = job.forced;
    job.reply(std::move(result));
  }
  next_job();
  observe_later();
}

void Daemon::tell_unforced(const std::vector<std::string>& channels) {
  for (const std::string& channel : channels)
    add_event("info", "switch", channel, "the forced input is not in the map any more: automatic again");
}

void Daemon::tell_switches(const Snapshot& before) {
  if (before.epoch != snapshot_.epoch) return;  // another fast path: it begins anew
  for (const ChannelSnapshot& now : snapshot_.channels) {
    const ChannelSnapshot* old = find_channel(before, now.channel);
    if (old == nullptr || old->on_air == 0 || now.on_air == 0 || old->on_air == now.on_air) continue;
    const auto why = troubles_of(snapshot_, now.channel, static_cast<std::uint32_t>(old->on_air));
    add_event(now.on_air < old->on_air ? "info" : "warning", "input_switched", now.channel,
              fmt::format("input {} -> {}{}", old->on_air, now.on_air,
                          now.forced != 0 ? std::string(": forced")
                          : why.empty()   ? std::string()
                                          : fmt::format(": input {} has {}", old->on_air, why)));
  }
}

// Of the input on air: the others send the same at about the same time.
void Daemon::tell_cues() {
  if (!mapping_) return;
  const protocol::StatsPage& page = *mapping_->page();
  if (snapshot_.epoch != cue_epoch_) {
    // What a fast path that was here before this control said, the control before it has told.
    next_cue_ = cue_epoch_ == 0 ? page.cues_told.load(std::memory_order_relaxed) : 0;
    cue_epoch_ = snapshot_.epoch;
  }
  std::uint64_t missed = 0;
  for (const CueSnapshot& cue : take_cues(page, next_cue_, missed)) {
    const ChannelSnapshot* channel = find_channel(snapshot_, cue.channel);
    if (channel != nullptr && channel->on_air != 0 && channel->on_air != cue.input) continue;
    std::uint64_t left_out = 0;
    if (!cue_limit_.takes(cue.channel, unix_now_ns(), left_out)) continue;
    add_event("info", "scte35", cue.channel,
              cue_text(cue) + (left_out == 0 ? "" : fmt::format(" ({} before it are not told)", left_out)));
  }
  if (missed != 0) log::warning({"", "scte35"}, "{} cues came faster than they were read", missed);
}

}  // namespace headgate::control
