#include "dataplane/bridge/ingest/source_clock.h"

#include <algorithm>

namespace headgate::bridge::ingest {
namespace {

constexpr std::int64_t kLeastStep =
    mpegts::kTicksPerSecond / 50;  // a picture further, however fast they come
constexpr std::int64_t kBeforeNs = 2'000'000'000;

std::int64_t ticks(std::int64_t ns) { return ns / 1000 * 27 + ns % 1000 * 27 / 1000; }

}  // namespace

bool SourceClock::Stretch::follows(std::size_t track, std::int64_t dts) const {
  const auto last = of_track.find(track);
  const std::int64_t back = last == of_track.end() ? newest - kAhead : last->second - kBack;
  return dts >= back && dts - newest <= kAhead;
}

std::int64_t SourceClock::Stretch::take(std::size_t track, std::int64_t dts) {
  newest = std::max(newest, dts);
  auto [last, fresh] = of_track.try_emplace(track, dts);
  last->second = std::max(last->second, dts);
  return dts + offset;
}

void SourceClock::lay_on(std::int64_t dts, std::int64_t now_ns) {
  const std::int64_t place =
      has_newest_ ? newest_ + std::max(ticks(std::max<std::int64_t>(now_ns - newest_ns_, 0)), kLeastStep)
                  : ticks(now_ns);
  current_ = Stretch{place - dts, dts, {}};
  laid_ns_ = now_ns;
}

std::int64_t SourceClock::map(std::size_t track, std::int64_t dts, std::int64_t now_ns) {
  if (current_ && !current_->follows(track, dts)) {
    const bool late = before_ && now_ns - laid_ns_ < kBeforeNs && before_->follows(track, dts);
    if (late) return before_->take(track, dts);
    ++jumps_;
    before_ = std::move(current_);
    current_.reset();
  }
  if (!current_) lay_on(dts, now_ns);
  const std::int64_t place = current_->take(track, dts);
  newest_ = has_newest_ ? std::max(newest_, place) : place;
  newest_ns_ = now_ns;
  has_newest_ = true;
  return place;
}

void SourceClock::go_on() {
  current_.reset();
  before_.reset();
}

void SourceClock::begin_anew() {
  go_on();
  has_newest_ = false;
}

}  // namespace headgate::bridge::ingest
