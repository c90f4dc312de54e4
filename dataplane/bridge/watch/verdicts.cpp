#include "dataplane/bridge/watch/verdicts.h"

#include <algorithm>
#include <array>

#include "dataplane/bridge/watch/channel_watch.h"

namespace headgate::bridge::watch {
namespace {

// In the order of the bits of WatchEntry::seen.
constexpr std::array kPublished{Kind::black, Kind::frozen, Kind::silent};
static_assert(protocol::kSeenBlack == 1 && protocol::kSeenFrozen == 2 && protocol::kSeenSilence == 4);

void free_entry(protocol::WatchEntry& entry) {
  entry.handle.store(0, std::memory_order_release);
  entry.seen.store(0, std::memory_order_relaxed);
  entry.looked_unix_ns.store(0, std::memory_order_relaxed);
}

}  // namespace

tl::expected<void, std::string> Verdicts::open() {
  auto made = protocol::WatchMapping::create(path_);
  if (!made) return tl::unexpected<std::string>(made.error());
  page_.emplace(std::move(*made));
  places_.clear();
  return {};
}

void Verdicts::keep() {
  if (!page_ || page_->stale(path_)) static_cast<void>(open());
}

protocol::WatchEntry* Verdicts::entry_for(std::uint32_t handle, std::uint32_t input) {
  auto& entries = page_->page()->entries;
  const auto found = places_.find({handle, input});
  if (found != places_.end()) return &entries[found->second];
  const auto free = std::find_if(entries.begin(), entries.end(), [](const protocol::WatchEntry& entry) {
    return entry.handle.load(std::memory_order_relaxed) == 0;
  });
  if (free == entries.end()) return nullptr;
  places_[{handle, input}] = static_cast<std::size_t>(free - entries.begin());
  free->input.store(input, std::memory_order_relaxed);
  free->seen.store(0, std::memory_order_relaxed);
  free->looked_unix_ns.store(0, std::memory_order_relaxed);
  free->handle.store(handle, std::memory_order_release);
  return &*free;
}

void Verdicts::publish(std::uint32_t handle, std::uint32_t input, const ChannelWatch& watch,
                       std::int64_t now_ns, std::int64_t unix_ns) {
  // What is not judged now ages, and then means nothing.
  if (!page_ || handle == 0 || !watch.has_verdict(now_ns)) return;
  protocol::WatchEntry* entry = entry_for(handle, input);
  if (entry == nullptr) {
    ++unpublished_;
    return;
  }
  std::uint32_t seen = 0;
  for (std::size_t i = 0; i < kPublished.size(); ++i) {
    const Finding* finding = watch.find(kPublished[i]);
    entry->since_unix_ns[i].store(finding == nullptr ? 0 : unix_ns - (now_ns - finding->since_ns),
                                  std::memory_order_relaxed);
    if (finding != nullptr) seen |= 1U << i;
  }
  entry->seen.store(seen, std::memory_order_relaxed);
  entry->looked_unix_ns.store(unix_ns, std::memory_order_release);
}

void Verdicts::forget(std::uint32_t handle) {
  for (auto at = places_.begin(); at != places_.end();) {
    if (at->first.first != handle) {
      ++at;
      continue;
    }
    free_entry(page_->page()->entries[at->second]);
    at = places_.erase(at);
  }
}

}  // namespace headgate::bridge::watch
