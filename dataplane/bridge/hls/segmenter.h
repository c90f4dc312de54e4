// Cuts a channel's units into segments by the slot rule, the same on every node that saw the same packets:
//   - an access unit's slot is floor(DTS on the timeline / segment duration);
//   - segment k begins at slot k's first random access point; a slot that ends without one gives a segment
//     that begins at its last access unit and is not independent;
//   - audio belongs to the segment by its PTS against the PTS of the boundary; the segment before waits for
//     it, at most kAudioPatience of media time;
//   - a slot without access units is a gap.
// A segment is PAT, PMT, then whole PES packets ordered by DTS, each PID in its own order, every packet
// bit-exact. Where something is made of a track (AAC of AC-3, smaller pictures) each track has a file of its
// own, cut at the same boundaries: pictures made smaller by PTS, like sound. Nobody waits for what is made
// here and comes late: its part of a segment follows the rest (on_part). Radio: the first audio is the
// master, every PES packet a random access point. References: RFC 8216 3.2, 4.3.2; ISO/IEC
// 13818-1:2022 2.4.4. Threading: owned by one thread. Memory: open segments, each at most max_bytes; at most
// four open at a time; all channels that share a MemoryBudget stay within it; as does what came late, of
// kTwinLimit at most.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dataplane/bridge/hls/budgeted_bytes.h"
#include "dataplane/bridge/hls/late_twins.h"
#include "dataplane/bridge/hls/segment_file.h"
#include "dataplane/bridge/hub/track.h"

namespace headgate::bridge::hls {

// What a finished segment's tracks turned out to be: for CODECS, RESOLUTION, the media path.
struct TrackFormat {
  hub::Track track;
  std::optional<mpegts::es::VideoFormat> video;
  std::optional<mpegts::es::AudioFormat> audio;
  bool operator==(const TrackFormat&) const = default;
};

struct FinishedSegment {
  std::int64_t k = 0;
  std::int64_t start = 0;     // DTS of its first access unit, timeline
  std::int64_t duration = 0;  // to the next boundary, 27 MHz
  bool independent = true;
  bool discontinuity = false;  // before it
  std::vector<TrackFormat> formats;
  std::size_t size = 0;                               // bytes
  std::vector<std::span<const std::uint8_t>> pieces;  // to be written one after the other
  // Each track in a file of its own: what is above is that of the first track alone.
  bool apart = false;
  std::span<const SegmentFile> parts;  // of tracks_with_parts(), in that order
  std::vector<bool> awaited;           // those of them that follow by on_part()
  const hub::Configuration* configuration = nullptr;
};

class SegmentSink {
 public:
  virtual ~SegmentSink() = default;
  // Valid during the call. In order of k.
  virtual void on_segment(const FinishedSegment& segment) = 0;
  virtual void on_gap(std::int64_t k, std::int64_t start, std::int64_t duration) = 0;
  // One that FinishedSegment::awaited named: `part` is its place there. In order of k for each track.
  virtual void on_part(std::int64_t k, std::size_t part, const SegmentFile& file) = 0;
};

struct SegmenterOptions {
  std::int64_t segment = 4 * mpegts::kTicksPerSecond;  // 27 MHz
  std::size_t max_bytes = 40'000'000;                  // of one segment
  std::int64_t max_gaps = 8;       // listed in a row; older ones are out of the window anyway
  MemoryBudget* budget = nullptr;  // outlives the segmenter; null: none
  // Each track in a file of its own, also where nothing is made of a track.
  bool apart = false;
};

struct SegmenterCounters {
  std::uint64_t segments = 0;
  std::uint64_t gaps = 0;
  std::uint64_t discontinuities = 0;
  std::uint64_t gop_too_long = 0;
  std::uint64_t dropped_units = 0;        // beyond max_bytes or the budget
  std::uint64_t dropped_over_budget = 0;  // those of them that the budget refused
  std::uint64_t unlisted_units = 0;  // before the first boundary, or from a break to the next slot's start
  // Audio that came after its segment was closed: it went into the next; what is made here into none.
  std::uint64_t late_units = 0;
  std::uint64_t restarts = 0;  // the timeline stepped back behind finished segments
};

class Segmenter : public hub::UnitSink {
 public:
  static constexpr std::int64_t kAudioPatience = 3 * mpegts::kTicksPerSecond / 2;
  // A twin that is farther behind its original is not waited for.
  static constexpr std::int64_t kTwinPatience = mpegts::kTicksPerSecond / 2;
  // Behind the pictures; by then silence stands in its place (transcode/audio_twins.h), and smaller pictures
  // are left out (transcode/ladder.h).
  static constexpr std::int64_t kTwinLimit = 8 * mpegts::kTicksPerSecond;

  Segmenter(const SegmenterOptions& options, SegmentSink& sink);
  ~Segmenter() override;

  // After a restart: what was finished last, and where the next segment was to begin.
  void resume(std::int64_t next_k, std::int64_t next_start);

  void on_configuration(std::shared_ptr<const hub::Configuration> configuration) override;
  void on_unit(const hub::Unit& unit) override;
  void on_discontinuity() override;
  void on_loss() override;
  // End of the stream: the open segment ends with its last unit.
  void finish();
  // Nothing has come for so long (27 MHz). Where the slot under way is over by that measure its segment ends
  // with its last unit, so that viewers get what came; numbers go on when media returns.
  void on_silence(std::int64_t length);
  // The producer of units began anew, with an unknown loss: the next segment is marked.
  void on_producer_restart();
  // SegmenterOptions::apart, from the next segment on.
  void set_apart(bool apart);

  const SegmenterCounters& counters() const { return counters_; }

 private:
  using Item = SegmentItem;
  struct Open;
  struct TrackState {
    std::optional<std::size_t> original;  // of a twin: its track's number, or its own without one
    std::int64_t last_key = 0;
    std::int64_t last_pts = 0;
    bool seen = false;
    std::optional<mpegts::es::VideoFormat> video;
    std::optional<mpegts::es::AudioFormat> audio;
  };

  std::int64_t slot_of(std::int64_t dts) const;
  void on_master(const hub::Unit& unit);
  void cross_slot(std::int64_t slot);
  void end_before_silence();
  bool may_start(std::int64_t k);
  void start(std::int64_t k, std::int64_t dts, std::int64_t pts, bool independent);
  void list_gaps(std::int64_t k, std::int64_t start);
  void take_over(Open& from, Open& to, std::int64_t pts, bool last_master);
  void append(Open& segment, const hub::Unit& unit);
  Item place(const hub::Unit& unit, std::size_t offset);
  bool append_late(const hub::Unit& unit);
  Open& home_of(const hub::Unit& unit);
  void trim_preroll();
  void break_here(std::int64_t end);
  void push_preroll();
  void flush(bool all);
  bool audio_complete(const Open& segment) const;
  void publish(Open& segment);
  std::unique_ptr<Open> make_open();
  void recycle(std::unique_ptr<Open> segment);
  std::int64_t natural_end() const;

  SegmenterOptions options_;
  SegmentSink& sink_;
  LateTwins late_;
  SegmenterCounters counters_;
  std::shared_ptr<const hub::Configuration> configuration_;
  std::deque<std::unique_ptr<Open>> open_;  // the last one takes new master units
  std::unique_ptr<Open> spare_;
  std::vector<TrackState> tracks_;
  bool any_master_ = false;
  bool lost_ = false;
  bool pending_discontinuity_ = false;
  std::int64_t last_slot_ = 0;
  std::int64_t last_dts_ = 0;           // of the master
  std::int64_t last_interval_ = 0;      // between its last two units
  std::int64_t min_slot_ = 0;           // no segment begins in a slot before
  std::optional<std::int64_t> next_k_;  // the number after the last one finished or listed
  std::int64_t next_start_ = 0;
  SegmentFile whole_;
  std::vector<SegmentFile> parts_;
  FinishedSegment finished_;
};

}  // namespace headgate::bridge::hls
