#include "mpegts/mux/mux_lane.h"

#include <algorithm>

namespace headgate::mpegts {
namespace {

constexpr unsigned kFraction = 32;
constexpr std::size_t kPayload = kPacketSize - 4;
constexpr std::int64_t kShortest = kTicksPerSecond / 200;  // of a window: 5 ms

}  // namespace

std::int64_t MuxLane::start_of(std::size_t size, std::int64_t dts, std::int64_t clock) {
  const std::int64_t earliest = std::max({dts - shape_.lead, clock, last_start_});
  if (shape_.buffer == 0) return earliest;
  std::int64_t start = earliest;
  while (!held_.empty() && (held_.front().dts <= start || held_bytes_ + size > shape_.buffer)) {
    start = std::max(start, held_.front().dts);
    held_bytes_ -= held_.front().size;
    held_.pop_front();
  }
  held_.push_back({dts, size});
  held_bytes_ += size;
  // In time comes before in the buffer: a frame that fills it all can't wait for the one before it.
  return std::max(earliest, std::min(start, dts - shape_.window - kMargin));
}

void MuxLane::push(std::vector<std::uint8_t> pes, std::int64_t dts, bool random_access, std::int64_t clock) {
  const std::int64_t start = start_of(pes.size(), dts, clock);
  const std::int64_t window = std::min(shape_.window, std::max(dts - kMargin - start, kShortest));
  if (queue_.empty()) {
    // What rounding left over.
    shares_.clear();
    credit_ = 0;
    time_ = std::max(time_, start);
  }
  const auto ticks = static_cast<std::uint64_t>(window);
  const std::uint64_t bytes = static_cast<std::uint64_t>(pes.size()) << kFraction;
  shares_.push_back({start, start + window, (bytes + ticks - 1) / ticks});
  queue_.push_back({std::move(pes), start, random_access});
  last_start_ = start;
  last_dts_ = dts;
}

std::span<const std::uint8_t> MuxLane::rest() const {
  return std::span<const std::uint8_t>{queue_.front().bytes}.subspan(sent_);
}

std::int64_t MuxLane::next() const {
  const std::uint64_t need = static_cast<std::uint64_t>(std::min(kPayload, rest().size())) << kFraction;
  std::uint64_t credit = credit_;
  std::int64_t time = time_;
  while (credit < need) {
    std::uint64_t rate = 0;
    std::int64_t change = std::numeric_limits<std::int64_t>::max();
    for (const Share& share : shares_) {
      if (share.end <= time) continue;
      if (share.start > time) {
        change = std::min(change, share.start);
        continue;
      }
      rate += share.rate;
      change = std::min(change, share.end);
    }
    if (change == std::numeric_limits<std::int64_t>::max()) return time;
    const auto span = static_cast<std::uint64_t>(change - time);
    if (rate > 0) {
      const std::uint64_t ticks = (need - credit + rate - 1) / rate;
      if (ticks <= span) return time + static_cast<std::int64_t>(ticks);
      credit += rate * span;
    }
    time = change;
  }
  return time;
}

bool MuxLane::take(std::size_t bytes, std::int64_t time) {
  for (const Share& share : shares_) {
    const std::int64_t from = std::max(share.start, time_);
    const std::int64_t to = std::min(share.end, time);
    if (to > from) credit_ += share.rate * static_cast<std::uint64_t>(to - from);
  }
  time_ = std::max(time_, time);
  std::erase_if(shares_, [&](const Share& share) { return share.end <= time_; });
  const std::uint64_t cost = static_cast<std::uint64_t>(bytes) << kFraction;
  credit_ -= std::min(credit_, cost);
  sent_ += bytes;
  if (sent_ < queue_.front().bytes.size()) return false;
  queue_.pop_front();
  sent_ = 0;
  return true;
}

void MuxLane::forget_starts() {
  last_start_ = time_ = kNever;
  held_.clear();
  held_bytes_ = 0;
}

}  // namespace headgate::mpegts
