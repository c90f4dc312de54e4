#include <algorithm>
#include <set>

#include "dataplane/bridge/hub/unix_time.h"
#include "dataplane/bridge/ingest/entry.h"
#include "dataplane/bridge/ingest/place.h"

namespace headgate::bridge::ingest {
namespace {

constexpr std::int64_t kLookNs = 1'000'000'000;  // for the ring's file

}  // namespace

struct Entries::Impl {
  Impl(std::string path, Clock c)
      : ring(std::move(path)), clock(c ? std::move(c) : Clock(hub::unix_now_ns)) {}

  std::unique_ptr<Place> take(const protocol::BridgeChannel& channel, const protocol::BridgeInput& input);

  RingOutput ring;
  Clock clock;
  std::vector<std::unique_ptr<Place>> places;  // in the order of the state
  std::int64_t looked_ns = 0;
};

// Takes the place that this input had, where there is one.
std::unique_ptr<Place> Entries::Impl::take(const protocol::BridgeChannel& channel,
                                           const protocol::BridgeInput& input) {
  const auto fits = [&](const auto& place) { return place != nullptr && place->can_become(channel, input); };
  // One of the same number first: a channel may have the same input twice.
  auto found = std::find_if(places.begin(), places.end(), [&](const auto& place) {
    return fits(place) && place->input().number == input.number;
  });
  if (found == places.end()) found = std::find_if(places.begin(), places.end(), fits);
  return found == places.end() ? nullptr : std::move(*found);
}

Entries::Entries(std::string ring_path, Clock clock)
    : impl_(std::make_unique<Impl>(std::move(ring_path), std::move(clock))) {}
Entries::~Entries() = default;

tl::expected<void, std::string> Entries::apply(const std::vector<protocol::BridgeChannel>& channels,
                                               const OnChange& made, const OnChange& gone) {
  std::set<std::uint32_t> handles;
  std::size_t inputs = 0;
  for (const auto& channel : channels) {
    inputs += channel.inputs.size();
    if (!channel.inputs.empty()) handles.insert(channel.handle);
  }
  if (auto sized = impl_->ring.resize(inputs, handles.size()); !sized) return sized;

  struct Wish {
    const protocol::BridgeChannel* channel;
    const protocol::BridgeInput* input;
    std::unique_ptr<Place> place;
  };
  std::vector<Wish> wishes;
  for (const auto& channel : channels) {
    for (const auto& input : channel.inputs)
      wishes.push_back({&channel, &input, impl_->take(channel, input)});
  }
  for (const auto& place : impl_->places) {
    if (place == nullptr) continue;
    if (gone) gone(*place);
    if (!handles.contains(place->handle())) impl_->ring.forget_channel(place->handle());
  }
  impl_->places.clear();
  std::vector<Place*> fresh;
  for (Wish& wish : wishes) {
    if (wish.place != nullptr) {
      wish.place->become(*wish.channel, *wish.input);
    } else {
      wish.place = std::make_unique<Place>(*wish.channel, *wish.input, impl_->ring, impl_->clock);
      fresh.push_back(wish.place.get());
    }
    impl_->places.push_back(std::move(wish.place));
  }
  if (made) {
    for (Place* place : fresh) made(*place);
  }
  return {};
}

Entry* Entries::find(std::string_view channel, protocol::SourceKind kind) {
  const auto found = std::find_if(impl_->places.begin(), impl_->places.end(), [&](const auto& place) {
    return place->channel() == channel && place->input().kind == kind;
  });
  return found == impl_->places.end() ? nullptr : found->get();
}

std::vector<const Entry*> Entries::all() const {
  std::vector<const Entry*> out;
  for (const auto& place : impl_->places) out.push_back(place.get());
  return out;
}

void Entries::on_tick(std::int64_t now_ns) {
  for (const auto& place : impl_->places) place->on_tick(now_ns);
  if (now_ns - impl_->looked_ns < kLookNs) return;
  impl_->looked_ns = now_ns;
  impl_->ring.keep();
}

}  // namespace headgate::bridge::ingest
