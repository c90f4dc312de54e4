#include "dataplane/fastpath/control/taps.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace headgate::fastpath {
namespace {

constexpr std::size_t kSlots = 8192;  // 100 Mb/s for nearly a second

void remove_ring(const std::string& path) {
  ::unlink(path.c_str());
  ::unlink((path + ".wake").c_str());
}

}  // namespace

Taps::Taps(std::string folder) : folder_(std::move(folder)) {
  for (std::size_t i = 0; i < taps_.size(); ++i) remove_ring(path(i));
}

Taps::~Taps() {
  for (const auto& tap : taps_) {
    if (tap) remove_ring(tap->path);
  }
}

std::string Taps::path(std::size_t index) const { return fmt::format("{}/tap-{}.ring", folder_, index); }

tl::expected<std::string, std::string> Taps::open(const Wish& wish, Time now) {
  const auto place = std::find(taps_.begin(), taps_.end(), nullptr);
  if (place == taps_.end())
    return tl::unexpected<std::string>(fmt::format("{} copies of inputs are being read already", kMaxTaps));
  auto tap = std::make_unique<Tap>();
  tap->wish = wish;
  tap->path = path(static_cast<std::size_t>(place - taps_.begin()));
  tap->opened = now;
  auto ring = ring::Producer::open(tap->path, kSlots);
  if (!ring) {
    remove_ring(tap->path);
    return tl::unexpected<std::string>(ring.error());
  }
  // Not the bridge's, whose group the folder has.
  ::chmod(tap->path.c_str(), 0600);
  ::chmod((tap->path + ".wake").c_str(), 0600);
  tap->ring = std::move(*ring);
  *place = std::move(tap);
  return (*place)->path;
}

void Taps::mark(Snapshot& snapshot) const {
  snapshot.taps = {};
  for (Route& route : snapshot.routes) route.taps = 0;
  for (std::size_t i = 0; i < taps_.size(); ++i) {
    if (!taps_[i]) continue;
    const Wish& wish = taps_[i]->wish;
    snapshot.taps[i] = taps_[i]->ring.get();
    for (Route& route : snapshot.routes) {
      const InputRuntime& input = *route.input;
      if (input.channel == wish.channel && input.number == wish.input && input.url == wish.url)
        route.taps = static_cast<std::uint8_t>(route.taps | 1U << i);
    }
  }
}

bool Taps::over(Tap& tap, Time now) const {
  const bool reader = tap.ring->has_consumer();
  const bool left = tap.read && !reader;
  tap.read |= reader;
  return left || now - tap.opened > tap.wish.time + kReaderBound ||
         (!tap.read && now - tap.opened > kReaderBound);
}

Taps::Ended Taps::end(Time now) {
  Ended ended;
  for (auto& tap : taps_) {
    if (!tap || !over(*tap, now)) continue;
    remove_ring(tap->path);
    ended.push_back(std::move(tap->ring));
    tap.reset();
  }
  return ended;
}

}  // namespace headgate::fastpath
