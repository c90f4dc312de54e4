#include "dataplane/fastpath/control/watch_reader.h"

#include <algorithm>
#include <utility>

#include "control/log/log.h"
#include "dataplane/fastpath/worker/pipe.h"
#include "dataplane/ring/truncation.h"

namespace headgate::fastpath {
namespace {

using protocol::Trouble;

// The bridge's clock is ours; what it wrote while we read is a little in the future.
constexpr std::int64_t kAheadNs = 1'000'000'000;
constexpr std::int64_t kLongestNs = std::int64_t{24} * 3600 * 1'000'000'000;

bool wants_verdicts(const PipePlan& plan) {
  return std::any_of(plan.policy.when.begin(), plan.policy.when.end(), [](Trouble trouble) {
    return trouble == Trouble::frozen || trouble == Trouble::black || trouble == Trouble::silence;
  });
}

void take(const protocol::WatchEntry& entry, std::int64_t unix_ns, InputRuntime::Verdict& verdict) {
  const std::int64_t age = unix_ns - entry.looked_unix_ns.load(std::memory_order_acquire);
  if (age < -kAheadNs || age > WatchReader::kFreshNs) {
    verdict.fresh.store(false, std::memory_order_release);
    return;
  }
  for (std::size_t i = 0; i < verdict.lasts_ns.size(); ++i) {
    const std::int64_t since = entry.since_unix_ns[i].load(std::memory_order_relaxed);
    // Another process wrote it: no number is taken on trust.
    const std::int64_t lasts = since > 0 && since <= unix_ns ? std::min(unix_ns - since, kLongestNs) : 0;
    verdict.lasts_ns[i].store(lasts, std::memory_order_relaxed);
  }
  verdict.seen.store(entry.seen.load(std::memory_order_relaxed), std::memory_order_relaxed);
  verdict.fresh.store(true, std::memory_order_release);
}

}  // namespace

bool WatchReader::open() {
  if (page_ && !page_->stale(path_)) return true;
  close();
  auto opened = protocol::WatchMapping::open_read_only(path_);
  if (!opened) {
    if (error_ != opened.error()) log::info("no verdicts on pictures and sound yet: {}", opened.error());
    error_ = opened.error();
    return false;
  }
  error_.clear();
  page_.emplace(std::move(*opened));
  // The bridge can cut its file off at any time.
  ring::cover(page_->page(), sizeof(protocol::WatchPage));
  return true;
}

void WatchReader::close() {
  if (page_) ring::uncover(page_->page());
  page_.reset();
}

const protocol::WatchEntry* WatchReader::find(std::uint32_t handle, std::uint32_t input) const {
  const auto& entries = std::as_const(*page_).page()->entries;
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const protocol::WatchEntry& entry) {
    return entry.handle.load(std::memory_order_acquire) == handle &&
           entry.input.load(std::memory_order_relaxed) == input;
  });
  return found == entries.end() ? nullptr : &*found;
}

void WatchReader::look(const Snapshot& snapshot, std::int64_t unix_ns) {
  const bool wanted = std::any_of(snapshot.pipes.begin(), snapshot.pipes.end(), wants_verdicts);
  if (!wanted) return;
  const bool there = open();
  for (const PipePlan& plan : snapshot.pipes) {
    if (!wants_verdicts(plan)) continue;
    for (const Feed* feed : plan.feeds) {
      InputRuntime& input = *feed->input;
      const protocol::WatchEntry* entry = there ? find(plan.handle, input.number) : nullptr;
      if (entry == nullptr) {
        input.verdict.fresh.store(false, std::memory_order_release);
      } else {
        take(*entry, unix_ns, input.verdict);
      }
    }
  }
}

}  // namespace headgate::fastpath
