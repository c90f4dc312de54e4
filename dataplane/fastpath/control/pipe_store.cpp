#include "dataplane/fastpath/control/pipe_store.h"

#include <fmt/format.h>

#include <algorithm>

#include "dataplane/fastpath/control/stats_place.h"

namespace headgate::fastpath {
namespace {

constexpr std::uint64_t kPacketBits = mpegts::kPacketSize * 8;
constexpr std::uint64_t kOpenRate = 40'000'000;
constexpr std::uint64_t kSpareMs = 1000;
constexpr std::uint64_t kRateWaitMs = 500;  // what may wait for the constant rate
constexpr std::size_t kMinRatePackets = 64;

// Where an input's packets enter the Splicer. It knows each place by what came there: a new input gets one
// that none had, as long as there is one.
std::size_t free_place(const std::set<std::size_t>& had, const std::set<std::size_t>& kept) {
  for (const auto* taken : {&had, &kept}) {
    for (std::size_t place = 0; place < mpegts::Splicer::kMaxInputs; ++place) {
      if (!taken->contains(place)) return place;
    }
  }
  return 0;  // more inputs than places: refused before
}

// A feed is the same as long as its input, cut and buffer are.
std::string feed_key(const protocol::FastpathChannel& channel, const protocol::InputState& input,
                     const std::string& key) {
  return fmt::format("{}\n{}\n{}", key, input.buffer_ms,
                     input.buffer_ms > 0 ? PipeStore::buffer_packets(channel, input) : 0);
}

}  // namespace

bool PipeStore::needs_pipe(const protocol::FastpathChannel& channel, const std::string& key) const {
  if (channel.inputs.empty()) return false;
  const protocol::InputState& first = channel.inputs.front();
  if (channel.inputs.size() > 1 || channel.bitrate_bps > 0 || first.buffer_ms > 0 ||
      first.way == protocol::InputWay::bridge)
    return true;
  const auto known = holders_.find(channel.id);
  return known != holders_.end() && known->second.pipe->rewrites() &&
         known->second.feeds.contains(feed_key(channel, first, key));
}

std::size_t PipeStore::buffer_packets(const protocol::FastpathChannel& channel,
                                      const protocol::InputState& input) {
  const std::uint64_t rate = channel.bitrate_bps > 0 ? channel.bitrate_bps * 3 / 2 : kOpenRate;
  return static_cast<std::size_t>((input.buffer_ms + kSpareMs) * rate / 1000 / kPacketBits) + 1;
}

PipeStore::Holder& PipeStore::holder_for(const protocol::FastpathChannel& channel) {
  Holder& holder = holders_[channel.id];
  if (holder.pipe) return holder;
  std::size_t stats_index = kNoIndex;
  if (stats_ != nullptr) {
    stats_index = take_place(stats_->channels,
                             [&](protocol::ChannelStats& stats) { copy_text(stats.channel, channel.id); });
  }
  std::size_t timeline_index = kNoIndex;
  if (timelines_ != nullptr) timeline_index = timelines_->find_or_add(channel.id);
  holder.pipe = std::make_unique<Pipe>(channel.id, stats_index, timeline_index);
  holder.pipe->leaving.inspector.set_spare_tables(spares_);
  if (timelines_ != nullptr) {
    if (const auto saved = timelines_->load(timeline_index)) holder.pipe->set_timeline(*saved);
  }
  return holder;
}

std::vector<Feed*> PipeStore::feeds_for(const protocol::FastpathChannel& channel,
                                        const std::vector<Source>& sources, Holder& holder) {
  const auto key_of = [&](const Source& source) { return feed_key(channel, *source.state, source.key); };
  std::set<std::size_t> had;
  std::set<std::size_t> kept;
  for (const auto& [key, feed] : holder.feeds) had.insert(feed->place);
  for (const Source& source : sources) {
    if (const auto found = holder.feeds.find(key_of(source)); found != holder.feeds.end())
      kept.insert(found->second->place);
  }
  std::vector<Feed*> feeds;
  for (const Source& source : sources) {
    std::unique_ptr<Feed>& feed = holder.feeds[key_of(source)];
    if (!feed) {
      feed = std::make_unique<Feed>();
      feed->input = source.runtime;
      feed->cut = source.cut;
      feed->place = free_place(had, kept);
      had.insert(feed->place);
      kept.insert(feed->place);
      if (source.state->buffer_ms > 0) {
        feed->playout = std::make_unique<mpegts::Playout>(std::int64_t{source.state->buffer_ms} * 1'000'000,
                                                          buffer_packets(channel, *source.state));
      }
    }
    feeds.push_back(feed.get());
  }
  return feeds;
}

void PipeStore::serve_wide_tables() {
  for (const auto& [id, holder] : holders_) {
    if (Inspector& inspector = holder.pipe->leaving.inspector; inspector.wants_wide())
      inspector.offer_wide(std::make_unique<WideTable>());
  }
}

PipePlan PipeStore::plan_for(const protocol::FastpathChannel& channel, const std::vector<Source>& sources,
                             const std::string& remux) {
  Holder& holder = holder_for(channel);
  PipePlan plan;
  plan.pipe = holder.pipe.get();
  plan.feeds = feeds_for(channel, sources, holder);
  plan.policy = channel.failover;
  std::string order;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    order += fmt::format("{}\n", plan.feeds[i]->place);
    if (channel.forced_input != 0 && sources[i].state->number == channel.forced_input) plan.forced = i;
  }
  // The places alone would do until one is used a second time.
  for (const Source& source : sources) order += source.key;
  std::unique_ptr<Failover>& failover = holder.failovers[order];
  if (!failover) failover = std::make_unique<Failover>(channel.failover, sources.size());
  plan.failover = failover.get();
  // Once there it stays: what left the switch can't go on as the input has it.
  auto splicer = holder.splicers.find(remux);
  if (splicer == holder.splicers.end() && sources.size() > 1)
    splicer =
        holder.splicers.emplace(remux, std::make_unique<mpegts::Splicer>(mpegts::Splicer::kMaxInputs)).first;
  plan.splicer = splicer != holder.splicers.end() ? splicer->second.get() : nullptr;
  if (channel.bitrate_bps > 0 && !channel.outputs.empty()) {
    std::unique_ptr<mpegts::RateSchedule>& rate = holder.rates[channel.bitrate_bps];
    if (!rate) {
      const auto waiting = static_cast<std::size_t>(channel.bitrate_bps * kRateWaitMs / 1000 / kPacketBits);
      rate = std::make_unique<mpegts::RateSchedule>(channel.bitrate_bps, std::max(waiting, kMinRatePackets));
    }
    plan.rate = rate.get();
  }
  return plan;
}

void PipeStore::keep_only(const std::set<const void*>& used) {
  const auto unused = [&](const auto& entry) { return !used.contains(entry.second.get()); };
  for (auto at = holders_.begin(); at != holders_.end();) {
    Holder& holder = at->second;
    std::erase_if(holder.feeds, unused);
    std::erase_if(holder.failovers, unused);
    std::erase_if(holder.rates, unused);
    std::erase_if(holder.splicers, unused);
    if (used.contains(holder.pipe.get())) {
      ++at;
      continue;
    }
    if (stats_ != nullptr) fastpath::free_place(stats_->channels, holder.pipe->stats_index);
    at = holders_.erase(at);
  }
}

void PipeStore::undo() { keep_only(live_); }

void PipeStore::release_unused(const Snapshot& current) {
  live_.clear();
  for (const PipePlan& plan : current.pipes) {
    live_.insert({plan.pipe, plan.splicer, plan.failover, plan.rate});
    live_.insert(plan.feeds.begin(), plan.feeds.end());
  }
  keep_only(live_);
}

}  // namespace headgate::fastpath
