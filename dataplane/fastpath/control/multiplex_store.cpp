#include "dataplane/fastpath/control/multiplex_store.h"

#include <fmt/format.h>

#include "dataplane/fastpath/control/stats_place.h"

namespace headgate::fastpath {
namespace {

constexpr std::uint64_t kMaxMultiplexRate = 1'000'000'000;

std::string multiplex_key(const protocol::FastpathMultiplex& state) {
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}", state.id, state.transport_stream_id, state.network_id,
                     state.original_network_id, state.bitrate_bps, state.lcn);
}

}  // namespace

std::string MultiplexStore::refusal(const protocol::FastpathMultiplex& state) {
  if (state.bitrate_bps == 0 || state.bitrate_bps > kMaxMultiplexRate)
    return fmt::format("a rate of {} bit/s; 1 to {} are possible", state.bitrate_bps, kMaxMultiplexRate);
  std::set<std::uint32_t> blocks;
  std::set<std::uint16_t> services;
  for (const protocol::MultiplexMemberState& member : state.members) {
    if (member.pid_block >= mpegts::PidBlock::kCount || !blocks.insert(member.pid_block).second)
      return fmt::format("channel {} has no row of PIDs of its own", member.channel);
    if (member.service_id == 0 || !services.insert(member.service_id).second)
      return fmt::format("channel {} has no service_id of its own", member.channel);
  }
  return "";
}

MultiplexPlan MultiplexStore::plan_for(
    const protocol::FastpathMultiplex& state,
    std::map<std::string, std::vector<mpegts::MultiplexMember*>>& of_channel) {
  const std::string key = multiplex_key(state);
  std::unique_ptr<Multiplex>& multiplex = multiplexes_[key];
  if (!multiplex) {
    std::size_t stats_index = kNoIndex;
    if (stats_ != nullptr) {
      stats_index = take_place(stats_->channels,
                               [&](protocol::ChannelStats& stats) { copy_text(stats.channel, state.id); });
    }
    const mpegts::MultiplexIdentity identity{state.transport_stream_id, state.network_id,
                                             state.original_network_id, state.id, state.lcn};
    multiplex = std::make_unique<Multiplex>(state.id, identity, state.bitrate_bps, stats_index);
    multiplex->leaving.inspector.set_spare_tables(spares_);
  }
  MultiplexPlan plan;
  plan.multiplex = multiplex.get();
  for (const protocol::MultiplexMemberState& from : state.members) {
    const std::string member_key =
        fmt::format("{}\n{}\n{}\n{}", key, from.channel, from.service_id, from.pid_block);
    std::unique_ptr<mpegts::MultiplexMember>& member = members_[member_key];
    if (!member) {
      const mpegts::MultiplexMember::Identity identity{from.service_id, from.pid_block,
                                                       state.transport_stream_id, state.original_network_id};
      member = std::make_unique<mpegts::MultiplexMember>(
          identity, mpegts::Multiplexer::most_packets(state.bitrate_bps));
    }
    mpegts::MultiplexPlace place;
    place.member = member.get();
    place.name = from.name;
    place.provider = from.provider;
    if (from.number != 0) place.number = from.number;
    place.share_bps = from.share_bps;
    plan.places.push_back(std::move(place));
    of_channel[from.channel].push_back(member.get());
  }
  return plan;
}

void MultiplexStore::serve_wide_tables() {
  for (const auto& [key, multiplex] : multiplexes_) {
    if (Inspector& inspector = multiplex->leaving.inspector; inspector.wants_wide())
      inspector.offer_wide(std::make_unique<WideTable>());
  }
}

void MultiplexStore::keep_only(const std::set<const void*>& used) {
  std::erase_if(multiplexes_, [&](const auto& entry) {
    if (used.contains(entry.second.get())) return false;
    if (stats_ != nullptr) free_place(stats_->channels, entry.second->stats_index);
    return true;
  });
  std::erase_if(members_, [&](const auto& entry) { return !used.contains(entry.second.get()); });
}

void MultiplexStore::undo() { keep_only(live_); }

void MultiplexStore::release_unused(const Snapshot& current) {
  live_.clear();
  for (const MultiplexPlan& plan : current.multiplexes) {
    live_.insert(plan.multiplex);
    for (const mpegts::MultiplexPlace& place : plan.places) live_.insert(place.member);
  }
  keep_only(live_);
}

}  // namespace headgate::fastpath
