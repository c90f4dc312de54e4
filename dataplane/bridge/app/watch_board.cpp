#include "dataplane/bridge/app/watch_board.h"

#include <algorithm>
#include <array>

namespace headgate::bridge::app {
namespace {

struct SeenKind {
  watch::Kind kind;
  std::uint32_t bit;
  std::size_t place;  // in since_unix_ns
};
constexpr std::array kSeenKinds{SeenKind{watch::Kind::black, protocol::kSeenBlack, 0},
                                SeenKind{watch::Kind::frozen, protocol::kSeenFrozen, 1},
                                SeenKind{watch::Kind::silent, protocol::kSeenSilence, 2}};

}  // namespace

tl::expected<WatchBoard, std::string> WatchBoard::create(const std::string& path) {
  auto mapping = protocol::WatchMapping::create(path);
  if (!mapping) return tl::unexpected<std::string>(mapping.error());
  return WatchBoard(std::move(*mapping));
}

WatchBoard::Place WatchBoard::take(std::uint32_t handle, std::uint32_t input) {
  auto& entries = mapping_.page()->entries;
  const auto free = std::find_if(entries.begin(), entries.end(), [](const protocol::WatchEntry& entry) {
    return entry.handle.load(std::memory_order_relaxed) == 0;
  });
  if (free == entries.end()) return Place();
  free->input.store(input, std::memory_order_relaxed);
  free->seen.store(0, std::memory_order_relaxed);
  for (auto& since : free->since_unix_ns) since.store(0, std::memory_order_relaxed);
  free->looked_unix_ns.store(0, std::memory_order_relaxed);
  free->handle.store(handle, std::memory_order_release);
  return Place(&*free);
}

void WatchBoard::Place::tell(const watch::ChannelWatch& watch, std::int64_t now_ns, std::int64_t unix_ns) {
  if (entry_ == nullptr || !watch.has_verdict(now_ns)) return;
  std::uint32_t seen = 0;
  for (const SeenKind& each : kSeenKinds) {
    const watch::Finding* finding = watch.find(each.kind);
    if (finding != nullptr) seen |= each.bit;
    const std::int64_t since = finding == nullptr ? 0 : unix_ns - (now_ns - finding->since_ns);
    entry_->since_unix_ns[each.place].store(since, std::memory_order_relaxed);
  }
  entry_->seen.store(seen, std::memory_order_relaxed);
  entry_->looked_unix_ns.store(unix_ns, std::memory_order_release);
}

void WatchBoard::Place::leave() {
  if (entry_ != nullptr) entry_->handle.store(0, std::memory_order_release);
  entry_ = nullptr;
}

}  // namespace headgate::bridge::app
