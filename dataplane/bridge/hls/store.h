// A channel's finished segments: files in run_dir/bridge/hls/CHANNEL/, the sliding window, the playlists made
// from it, and the journal from which a restarted bridge goes on. A segment stays on disk one window and one
// segment longer than in the playlist (RFC 8216 6.2.2). Threading: owned by one thread; playlists and
// mappings are immutable and may be held longer than the store.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "dataplane/bridge/hls/describe.h"
#include "dataplane/bridge/hls/files.h"
#include "dataplane/bridge/hls/journal.h"
#include "dataplane/bridge/hls/playlist.h"
#include "dataplane/bridge/hls/rendition.h"
#include "dataplane/bridge/hls/segmenter.h"

namespace headgate::bridge::hls {

class SegmentStore : public SegmentSink {
 public:
  // A playlist as it is sent, with its strong entity tag.
  struct Playlist {
    std::string content;
    std::string etag;
  };
  using Text = std::shared_ptr<const Playlist>;

  // A playlist that ended although its channel goes on under another address: it says so (EXT-X-ENDLIST), and
  // its segments stay until its viewers have played them. Otherwise a player that reads on would wait for
  // numbers that never come.
  struct Retired {
    std::map<std::string, Text, std::less<>> playlists;  // by name
    struct Segment {
      std::int64_t k;
      std::string media;
      std::string part;
      std::shared_ptr<const MappedFile> file;
    };
    std::vector<Segment> segments;
    std::chrono::milliseconds keep{};
    std::optional<std::chrono::steady_clock::time_point> until;  // from the first tick on
  };

  // Creates the folder, reads a journal there and keeps what it names; everything else in the folder is
  // removed.
  SegmentStore(std::string directory, std::uint32_t segment_ms, std::uint32_t window);

  // The clock of the packets under way: fixes Unix time against the timeline when the first segment is
  // finished.
  void set_arrival(std::int64_t unix_ns, std::int64_t timeline);
  void set_window(std::uint32_t window);

  void on_segment(const FinishedSegment& segment) override;
  void on_gap(std::int64_t k, std::int64_t start, std::int64_t duration) override;
  void on_part(std::int64_t k, std::size_t part, const SegmentFile& file) override;

  // Ends the playlist, for a successor to serve on; null where nothing was listed.
  std::unique_ptr<Retired> retire();
  void adopt(std::unique_ptr<Retired> retired) { retired_ = std::move(retired); }
  // Forgets what was retired once its time is over.
  void on_tick(std::chrono::steady_clock::time_point now);

  // Of the main playlist.
  std::string media_name() const { return media_playlist_name(segment_ms_, series_, layout_); }
  std::string part_name(const std::string& part) const {
    return part.empty() ? media_name() : media_playlist_name(segment_ms_, series_, part);
  }
  // The media playlist of that name, retired ones included. False: there is none of that name. Null text: no
  // segment is finished yet.
  bool find_playlist(std::string_view name, Text& text) const;
  // Null before the first segment.
  Text media_text() const { return media_text_; }
  Text multivariant_text() const { return multivariant_text_; }
  // The playlists beside the main one, as of the last segment.
  const std::vector<Rendition>& renditions() const { return renditions_; }
  // A segment that is listed or still kept; null otherwise. `part`: of a playlist beside the main one.
  std::shared_ptr<const MappedFile> find(std::int64_t k, std::string_view media, std::string_view part = {});

  // For Segmenter::resume.
  struct Resume {
    std::int64_t next_k;
    std::int64_t next_start;
  };
  std::optional<Resume> resume() const;
  const std::deque<Entry>& entries() const { return entries_; }
  std::size_t listed() const;
  std::uint64_t bytes_on_disk() const;
  std::uint64_t write_errors() const { return write_errors_; }
  std::uint64_t lost_segments() const { return lost_segments_; }  // not written
  // The last segment or journal could not be written.
  bool failing() const { return failing_; }
  std::uint32_t window() const { return window_; }
  std::uint32_t segment_ms() const { return segment_ms_; }
  // When the packets came that ended the last segment, Unix time; 0: none since the start.
  std::int64_t last_segment_arrival_ns() const { return last_segment_arrival_ns_; }
  const Variant& variant() const { return variant_; }
  const std::string& last_error() const { return last_error_; }
  // Unix time at which the last segment ended, by PROGRAM-DATE-TIME.
  std::optional<double> last_segment_unix() const;

  static void remove(const std::string& directory);

 private:
  std::string path_of(const Entry& entry, std::string_view part = {}) const;
  std::shared_ptr<const MappedFile> find_own(std::int64_t k, std::string_view media, std::string_view part);
  void load();
  void clean_folder() const;
  bool write(const std::string& path, std::span<const std::span<const std::uint8_t>> pieces);
  void write_parts(const FinishedSegment& segment, Entry& entry);
  void write_part(Entry& entry, const std::string& name, const SegmentFile& file);
  void unlink_files(const Entry& entry) const;
  void push(Entry entry);
  void begin_layout(std::string layout);
  void begin_addresses();
  std::vector<Entry> publish_part(const std::string& part, bool whole);
  void publish_parts();
  void publish_multivariant();
  void begin_series_before(std::int64_t k);
  void drop_entries();
  void publish();
  std::uint64_t discontinuity_sequence_at(std::size_t entry) const;

  std::string directory_;
  std::uint32_t segment_ms_;
  std::uint32_t window_;
  std::deque<Entry> entries_;
  struct Cached {
    std::int64_t k;
    std::string part;
    std::weak_ptr<const MappedFile> file;
  };
  std::deque<Cached> cache_;
  std::unique_ptr<Retired> retired_;
  std::uint64_t series_ = 0;
  std::uint64_t discontinuity_sequence_ = 0;  // of entries_.front()
  std::string last_media_;
  std::optional<std::int64_t> pdt_offset_s_;
  std::int64_t arrival_ns_ = 0;
  std::int64_t last_segment_arrival_ns_ = 0;
  std::int64_t timeline_ = 0;
  std::string layout_ = "media";  // what the main playlist's name says that it has
  Variant variant_;
  std::vector<Rendition> renditions_;
  std::map<std::string, Text, std::less<>> part_texts_;  // by name of the playlist
  Text media_text_;
  Text multivariant_text_;
  std::uint64_t write_errors_ = 0;
  std::uint64_t lost_segments_ = 0;
  bool failing_ = false;
  std::string last_error_;
};

SegmentStore::Text with_etag(std::string content);

}  // namespace headgate::bridge::hls
