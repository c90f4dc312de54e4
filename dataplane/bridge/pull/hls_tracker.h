// Which segment of a media playlist comes next, and when the playlist is to be loaded again: pure, fed with
// playlists as they arrive. Reference: RFC 8216 6.3.3 (where to begin), 6.3.4 (reloading), 6.2.1 (sequence
// numbers). A playlist that numbers its segments anew (an encoder that was started again) is begun anew; an
// older copy (a cache) is passed over. Threading: owned by one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "dataplane/bridge/pull/m3u8.h"

namespace headgate::bridge::pull {

class HlsTracker {
 public:
  using Clock = std::chrono::steady_clock;
  // Where a live playlist is begun: so many segments before its end, and so many target durations at least.
  static constexpr std::size_t kFromEdge = 3;
  static constexpr int kTargetsFromEdge = 2;
  // A server that claims target durations of hours is asked again after this all the same.
  static constexpr std::chrono::seconds kLongestTarget{60};
  // Numbers that lie further ahead are not believed to be the same numbering.
  static constexpr std::uint64_t kFarthestAhead = 100'000;
  // Older copies in a row that are believed to be that.
  static constexpr unsigned kMostStale = 5;

  struct Item {
    MediaSegment segment;
    std::uint64_t number = 0;
    bool break_before = false;  // it does not continue the one before it
  };
  struct Counters {
    std::uint64_t late = 0;      // segments that left the playlist before they were taken
    std::uint64_t restarts = 0;  // times the playlist numbered anew
    std::uint64_t stale = 0;     // older copies of it
  };

  // `began`: when its loading was begun.
  void on_playlist(MediaPlaylist playlist, Clock::time_point began);
  Clock::time_point next_reload() const { return next_reload_; }

  const MediaSegment* peek() const;
  std::optional<Item> take();
  // Of all segments that are listed and not taken.
  std::chrono::nanoseconds backlog() const { return backlog_; }
  std::chrono::nanoseconds target() const;
  bool ended() const { return playlist_.ended; }
  // Nothing more will come: all taken, and the playlist said that it is complete.
  bool over() const { return playlist_.ended && next_ >= end(); }
  const Counters& counters() const { return counters_; }

 private:
  std::uint64_t end() const { return playlist_.sequence + playlist_.segments.size(); }
  std::uint64_t start() const;
  bool numbered_anew(const MediaPlaylist& playlist) const;
  bool renumber(MediaPlaylist& playlist) const;
  void begin_anew(MediaPlaylist playlist);
  bool take_over(MediaPlaylist playlist);
  void measure_backlog();

  MediaPlaylist playlist_;
  bool begun_ = false;
  bool break_ = false;
  unsigned stale_in_a_row_ = 0;
  std::uint64_t next_ = 0;
  std::chrono::nanoseconds backlog_{0};
  Clock::time_point next_reload_{};
  Counters counters_;
};

}  // namespace headgate::bridge::pull
