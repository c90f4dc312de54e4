#include "dataplane/bridge/pull/hls_tracker.h"

#include <algorithm>
#include <utility>

namespace headgate::bridge::pull {
namespace {

using namespace std::chrono_literals;

// Servers put session tokens behind the question mark, another one for each request.
std::string_view path_of(std::string_view uri) { return uri.substr(0, uri.find('?')); }

bool same_media(const MediaSegment& a, const MediaSegment& b) {
  return path_of(a.uri) == path_of(b.uri) && a.range == b.range;
}

}  // namespace

std::chrono::nanoseconds HlsTracker::target() const {
  return std::clamp<std::chrono::nanoseconds>(playlist_.target, 500ms, kLongestTarget);
}

// 6.3.3: not too near to the end of a live playlist, or it runs dry; a complete one from its beginning.
std::uint64_t HlsTracker::start() const {
  if (playlist_.ended) return playlist_.sequence;
  std::chrono::nanoseconds length{0};
  std::size_t index = playlist_.segments.size();
  while (index > 0 &&
         (playlist_.segments.size() - index < kFromEdge || length < kTargetsFromEdge * target())) {
    length += playlist_.segments[--index].duration;
  }
  return playlist_.sequence + index;
}

bool HlsTracker::numbered_anew(const MediaPlaylist& playlist) const {
  if (playlist_.segments.empty() || playlist.segments.empty()) return false;
  const std::uint64_t first = std::max(playlist.sequence, playlist_.sequence);
  const std::uint64_t last = std::min(playlist.sequence + playlist.segments.size(), end());
  if (first >= last)
    return playlist.sequence < playlist_.sequence || playlist.sequence - end() > kFarthestAhead;
  return !same_media(playlist_.segments[last - 1 - playlist_.sequence],
                     playlist.segments[last - 1 - playlist.sequence]);
}

// Some servers let every playlist begin with the same number (FFmpeg with single_file does), against 6.2.2:
// the last segment known tells how far it has moved.
bool HlsTracker::renumber(MediaPlaylist& playlist) const {
  for (std::size_t index = playlist.segments.size(); index-- > 0;) {
    if (!same_media(playlist_.segments.back(), playlist.segments[index])) continue;
    if (end() - 1 < index) return false;
    playlist.sequence = end() - 1 - index;
    return true;
  }
  return false;
}

void HlsTracker::begin_anew(MediaPlaylist playlist) {
  ++counters_.restarts;
  playlist_ = std::move(playlist);
  next_ = start();
  break_ = true;
}

// Whether it brings something.
bool HlsTracker::take_over(MediaPlaylist playlist) {
  if (numbered_anew(playlist) && !renumber(playlist)) {
    begin_anew(std::move(playlist));
    return true;
  }
  const std::uint64_t new_end = playlist.sequence + playlist.segments.size();
  if (new_end < end() || (new_end == end() && playlist.sequence < playlist_.sequence)) {
    ++counters_.stale;
    // An encoder that was started again under the old names looks like this, too, but it stays so.
    if (++stale_in_a_row_ <= kMostStale) return false;
    stale_in_a_row_ = 0;
    begin_anew(std::move(playlist));
    return true;
  }
  stale_in_a_row_ = 0;
  const bool changed = new_end > end() || playlist.ended != playlist_.ended;
  playlist_ = std::move(playlist);
  if (next_ < playlist_.sequence) {
    const std::uint64_t wanted = next_;
    next_ = start();
    counters_.late += next_ - wanted;
    break_ = true;
  }
  return changed;
}

void HlsTracker::on_playlist(MediaPlaylist playlist, Clock::time_point began) {
  bool changed = true;
  if (begun_) {
    changed = take_over(std::move(playlist));
  } else {
    playlist_ = std::move(playlist);
    changed = begun_ = !playlist_.segments.empty();
    next_ = start();
  }
  measure_backlog();
  // 6.3.4: a target duration after the beginning of a load that brought something, else half of it.
  next_reload_ = began + std::chrono::duration_cast<Clock::duration>(changed ? target() : target() / 2);
}

const MediaSegment* HlsTracker::peek() const {
  if (!begun_ || next_ >= end()) return nullptr;
  return &playlist_.segments[next_ - playlist_.sequence];
}

std::optional<HlsTracker::Item> HlsTracker::take() {
  const MediaSegment* segment = peek();
  if (segment == nullptr) return std::nullopt;
  Item item{*segment, next_, std::exchange(break_, false) || segment->discontinuity};
  ++next_;
  backlog_ -= segment->duration;
  return item;
}

void HlsTracker::measure_backlog() {
  backlog_ = std::chrono::nanoseconds{0};
  for (std::uint64_t number = next_; number < end(); ++number) {
    backlog_ += playlist_.segments[number - playlist_.sequence].duration;
  }
}

}  // namespace headgate::bridge::pull
