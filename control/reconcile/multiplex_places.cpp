#include "control/reconcile/multiplex_places.h"

#include <nlohmann/json.hpp>

namespace headgate::control {
namespace {

constexpr std::uint32_t kPidRows = 61;  // mpegts/mux/pid_block.h

}  // namespace

MultiplexPlaces::MultiplexPlaces(const config::Multiplex& multiplex,
                                 const std::vector<const config::Channel*>& channels, Handles& handles)
    : prefix_(multiplex.id + ':'), handles_(handles) {
  for (const config::Channel* channel : channels) {
    if (channel->remux.service_id) services_.insert(*channel->remux.service_id);
  }
  for (const config::Channel* channel : channels) {
    const auto known = handles_.places.find(prefix_ + channel->id);
    if (known == handles_.places.end()) continue;
    blocks_.insert(known->second.pid_block);
    if (!channel->remux.service_id && services_.insert(known->second.service_id).second)
      kept_.insert(channel->id);
  }
  for (const auto& [name, place] : handles_.places) {
    if (name.starts_with(prefix_)) remembered_.insert(place.pid_block);
  }
}

Handles::Place MultiplexPlaces::place(const config::Channel& channel) {
  const auto [at, fresh] = handles_.places.try_emplace(prefix_ + channel.id);
  Handles::Place& place = at->second;
  if (fresh) place.pid_block = free_block();
  if (channel.remux.service_id)
    place.service_id = *channel.remux.service_id;
  else if (!kept_.contains(channel.id))
    place.service_id = free_service(channel);
  return place;
}

std::uint16_t MultiplexPlaces::free_service(const config::Channel& channel) {
  if (channel.number && *channel.number <= 0xFFFF &&
      services_.insert(static_cast<std::uint16_t>(*channel.number)).second)
    return static_cast<std::uint16_t>(*channel.number);
  std::uint16_t id = 1;
  while (!services_.insert(id).second) ++id;
  return id;
}

// One that was never given, else one of a channel that is away, which then is given another.
std::uint32_t MultiplexPlaces::free_block() {
  for (const std::set<std::uint32_t>* taken : {&remembered_, &blocks_}) {
    for (std::uint32_t block = 0; block < kPidRows; ++block) {
      if (taken->contains(block)) continue;
      // The place that asks has no service_id yet.
      std::erase_if(handles_.places, [&](const auto& entry) {
        return entry.first.starts_with(prefix_) && entry.second.pid_block == block &&
               entry.second.service_id != 0;
      });
      remembered_.insert(block);
      blocks_.insert(block);
      return block;
    }
  }
  return 0;  // more members than rows: refused before
}

std::string places_json(const Handles& handles) {
  nlohmann::json places = nlohmann::json::object();
  for (const auto& [name, place] : handles.places)
    places[name] = {{"service_id", place.service_id}, {"pid_block", place.pid_block}};
  return places.dump(1) + "\n";
}

void take_places(const std::string& text, Handles& handles) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return;
  for (const auto& [name, place] : json.items()) {
    if (!place.is_object()) continue;
    try {
      handles.places[name] = {place.at("service_id").get<std::uint16_t>(),
                              place.at("pid_block").get<std::uint32_t>()};
    } catch (const nlohmann::json::exception&) {
      // One that can't be read is given anew.
    }
  }
}

}  // namespace headgate::control
