// Puts the times of a source on the timeline of the stream that is made of it. The stream's times begin at
// Unix time and then follow the source alone, tick by tick. Where the source begins anew or its times jump
// (more than 10 s ahead, or back by more than 1 s within a track), they are laid on anew so that the stream
// goes on by the time that passed between the arrivals. Threading: owned by one thread; no clock of its own.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "mpegts/packet/types.h"

namespace headgate::bridge::ingest {

class SourceClock {
 public:
  static constexpr std::int64_t kAhead = 10 * mpegts::kTicksPerSecond;
  static constexpr std::int64_t kBack = mpegts::kTicksPerSecond;

  // `dts` of the source, 27 MHz; `now_ns` when it came, Unix time. Its place in the stream.
  std::int64_t map(std::size_t track, std::int64_t dts, std::int64_t now_ns);

  // What comes next has times of another origin: the stream goes on by the time that passes.
  void go_on();
  // And the stream begins anew, at Unix time.
  void begin_anew();
  std::uint64_t jumps() const { return jumps_; }

 private:
  // A stretch of the source's times that belong together.
  struct Stretch {
    std::int64_t offset = 0;
    std::int64_t newest = 0;                       // DTS of the source
    std::map<std::size_t, std::int64_t> of_track;  // the same by track
    bool follows(std::size_t track, std::int64_t dts) const;
    std::int64_t take(std::size_t track, std::int64_t dts);
  };
  void lay_on(std::int64_t dts, std::int64_t now_ns);

  std::optional<Stretch> current_;
  // For tracks that come a little after the others: their last units still belong to it.
  std::optional<Stretch> before_;
  std::int64_t laid_ns_ = 0;
  std::int64_t newest_ = 0;  // on the stream's timeline
  std::int64_t newest_ns_ = 0;
  bool has_newest_ = false;
  std::uint64_t jumps_ = 0;
};

}  // namespace headgate::bridge::ingest
