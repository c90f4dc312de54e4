// HLS with transport stream segments, live or complete. Reference: RFC 8216 6.3.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "dataplane/bridge/net/back_off.h"
#include "dataplane/bridge/net/text.h"
#include "dataplane/bridge/pull/hls_tracker.h"
#include "dataplane/bridge/pull/http_client.h"
#include "dataplane/bridge/pull/m3u8.h"
#include "dataplane/bridge/pull/paced_queue.h"
#include "dataplane/bridge/pull/playing.h"
#include "dataplane/bridge/pull/pull.h"
#include "dataplane/bridge/pull/speed.h"
#include "dataplane/bridge/pull/ts_input.h"

namespace headgate::bridge::pull {
namespace {

using namespace std::chrono_literals;
using Clock = Ticker::Clock;
using std::chrono::nanoseconds;

constexpr auto kPlaylistTime = 10s;
constexpr auto kLeastSegmentTime = 20s;
constexpr unsigned kTries = 4;          // of a segment
constexpr unsigned kPlaylistTries = 3;  // of a media playlist, before the multivariant one is asked again
constexpr std::size_t kMostLeftOut = 16;
constexpr auto kTailWait = 2s;
constexpr auto kEndedPoll = 10s;

// A playlist may claim segments of a day: nobody waits so long for one that is missing.
constexpr nanoseconds kLongestSkip = 60s;
constexpr std::size_t kLongestText = 100;

// What a playlist brings, for status.
std::string shown(std::string_view text) { return net::printable(text, kLongestText); }

nanoseconds scaled(nanoseconds time, double factor) {
  return nanoseconds(static_cast<std::int64_t>(static_cast<double>(time.count()) * factor));
}

std::string status_error(const ResponseHead& head) {
  if (head.status == 401) return "401 Unauthorized: user or password are missing or wrong";
  if (head.status != 200 && head.status != 206) return "the server answers " + status_line(head.status);
  if (!head.content_encoding.empty() && head.content_encoding != "identity") {
    return "the server compresses (" + head.content_encoding.substr(0, 32) + "), which was not asked for";
  }
  return "";
}

class HlsSource final : public ingest::Source {
 public:
  HlsSource(boost::asio::io_context& context, ingest::Entry& entry)
      : url_(parse_url(entry.input().address)),
        playing_(entry),
        playlists_(context),
        segments_(context),
        ticker_(context, [this](Clock::time_point now, nanoseconds elapsed) { on_tick(now, elapsed); }) {}

 private:
  void on_tick(Clock::time_point now, nanoseconds elapsed) {
    if (!playlists_.busy() && now >= next_load_) load(now);
    if (!segments_.busy()) fetch_next(now);
    if (segments_.paused() && queue_.bytes() < kEnoughBytes) segments_.pause(false);
    play(now, elapsed);
    look_after(now);
  }

  // --- playlists

  void load(Clock::time_point now) {
    if (!url_) return load_failed(url_.error());
    text_.clear();
    load_began_ = now;
    playlists_.get({media_url_.value_or(*url_), std::nullopt, kPlaylistTime},
                   {[this](const ResponseHead& head, const Url& from) {
                      loaded_from_ = from;
                      return status_error(head);
                    },
                    [this](std::span<const std::uint8_t> bytes) -> std::string {
                      if (text_.size() + bytes.size() > kMaxPlaylist)
                        return "the playlist is larger than 8 MiB";
                      text_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
                      return "";
                    },
                    [this](const std::string& error) { on_loaded(error); }});
  }

  void load_failed(const std::string& why) {
    error_ = "playlist: " + why;
    const auto now = Clock::now();
    ++load_failures_;
    next_load_ = now + back_off_.next();
    // Its address may have grown old: ask what the playlist above it says now; of equal variants the next
    // one.
    if (load_failures_ % kPlaylistTries == 0 && media_url_) {
      media_url_.reset();
      ++variant_turn_;
    }
    if (!playing_.attached()) playing_.lost(error_);
  }

  void on_loaded(const std::string& error) {
    if (!error.empty()) return load_failed(error);
    auto playlist = parse_playlist(text_);
    text_.clear();
    if (!playlist) return load_failed(playlist.error());
    if (const auto* many = std::get_if<MultivariantPlaylist>(&*playlist)) return on_variants(*many);
    on_media(std::get<MediaPlaylist>(std::move(*playlist)));
  }

  void on_variants(const MultivariantPlaylist& playlist) {
    if (media_url_) return load_failed("a multivariant playlist where a media playlist was to be");
    std::uint64_t highest = 0;
    for (const Variant& variant : playlist.variants) highest = std::max(highest, variant.bandwidth);
    std::vector<const Variant*> best;
    for (const Variant& variant : playlist.variants) {
      if (variant.bandwidth == highest) best.push_back(&variant);
    }
    const Variant& chosen = *best[variant_turn_ % best.size()];
    auto url = resolve(loaded_from_, chosen.uri);
    if (!url) return load_failed("the variant's address: " + url.error());
    media_url_ = std::move(*url);
    variant_ = fmt::format("{}{}{} b/s, of {}", shown(chosen.resolution),
                           chosen.resolution.empty() ? "" : ", ", chosen.bandwidth, playlist.variants.size());
    left_out_.clear();
    for (const Rendition& rendition : playlist.renditions) {
      if (rendition.uri.empty() || rendition.group != chosen.audio_group || rendition.type != "AUDIO")
        continue;
      if (left_out_.size() >= kMostLeftOut) break;
      hub::LeftOutTrack left;
      left.track.language = shown(rendition.language);
      left.reason =
          fmt::format("\"{}\" has a playlist of its own, which is not supported yet", shown(rendition.name));
      left_out_.push_back(std::move(left));
    }
    next_load_ = Clock::now();
  }

  void on_media(MediaPlaylist playlist) {
    if (!playlist.refused.empty()) return load_failed(playlist.refused);
    if (!media_url_) media_url_ = *url_;
    base_ = loaded_from_;
    const auto before = tracker_.counters();
    tracker_.on_playlist(std::move(playlist), load_began_);
    playing_.drop("segment_late", tracker_.counters().late - before.late);
    load_failures_ = 0;
    back_off_.reset();
    next_load_ = std::max(tracker_.next_reload(), Clock::now() + 100ms);
    if (tracker_.over()) next_load_ = std::max(next_load_, Clock::now() + kEndedPoll);
    if (tracker_.peek() == nullptr && !current_ && !playing_.attached() && !finished_) {
      playing_.lost("the playlist has no segment yet");
    }
  }

  // --- segments

  void fetch_next(Clock::time_point now) {
    if (current_) {
      if (now >= retry_at_) fetch();
      return;
    }
    const MediaSegment* next = tracker_.peek();
    // One ahead of the one that is played, so that two are in memory.
    if (next == nullptr || queue_.level() > std::max<nanoseconds>(next->duration, 1s)) return;
    auto item = tracker_.take();
    if (item->break_before) queue_.mark(0ns, true);
    finished_ = false;
    if (item->segment.gap) {
      playing_.drop("segment_gap", 1);
      skip(item->segment.duration);
      return;
    }
    current_ = std::move(item);
    tries_ = 0;
    taken_ = 0;
    begin_tail_ = queue_.tail();
    input_ = TsInput();
    fetch();
  }

  // So much of the stream is not there. A jump of the PCR by more than a second counts for nothing in the
  // pacing, so that it must be waited for here.
  void skip(nanoseconds missing) { queue_.mark(missing > 1s ? std::min(missing, kLongestSkip) : 0ns, true); }

  void fetch() {
    auto url = resolve(base_, current_->segment.uri);
    if (!url) return segment_missing("its address: " + url.error());
    passing_ = taken_;
    const auto total = std::max<nanoseconds>(kLeastSegmentTime, 4 * current_->segment.duration);
    segments_.get({std::move(*url), current_->segment.range, total},
                  {[this](const ResponseHead& head, const Url&) { return on_segment_head(head); },
                   [this](std::span<const std::uint8_t> bytes) { return on_segment_bytes(bytes); },
                   [this](const std::string& error) { on_segment_end(error); }});
  }

  std::string on_segment_head(const ResponseHead& head) {
    std::string why = status_error(head);
    if (why.empty() && current_->segment.range && head.status != 206) {
      why = "the server gives whole files only, and the playlist has byte ranges";
    }
    return why;
  }

  std::string on_segment_bytes(std::span<const std::uint8_t> bytes) {
    // What an earlier try brought.
    const std::size_t known = static_cast<std::size_t>(std::min<std::uint64_t>(passing_, bytes.size()));
    passing_ -= known;
    bytes = bytes.subspan(known);
    taken_ += bytes.size();
    hopeless_ = input_.push(bytes, queue_);
    if (queue_.bytes() > kMostBytes) segments_.pause(true);
    return hopeless_;
  }

  void on_segment_end(const std::string& error) {
    std::string why = error;
    if (why.empty()) why = hopeless_ = input_.finish(queue_);
    if (why.empty()) {
      playing_.drop("foreign_bytes", input_.garbage());
      ++fetched_;
      error_.clear();
      current_.reset();
      tell();
      return;
    }
    if (hopeless_.empty() && ++tries_ < kTries) {
      retry_at_ = Clock::now() + std::chrono::milliseconds(250U << tries_);
      return;
    }
    segment_missing(why);
  }

  void segment_missing(const std::string& why) {
    hopeless_.clear();
    error_ = fmt::format("segment {}: {}", current_->number, why);
    playing_.drop("foreign_bytes", input_.garbage());
    playing_.drop("segment_missing", 1);
    const nanoseconds came = queue_.tail() - begin_tail_;
    skip(current_->segment.duration - std::min(came, current_->segment.duration));
    current_.reset();
    if (!playing_.attached()) playing_.lost(error_);
  }

  void tell() {
    auto& details = playing_.entry().status().details;
    details["segments"] = std::to_string(fetched_);
    details["behind_ms"] =
        std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(waiting()).count());
    details["target_ms"] =
        std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(tracker_.target()).count());
    details["pauses"] = std::to_string(pauses_);
    if (!variant_.empty()) details["variant"] = variant_;
    playing_.entry().status().left_out_by_source = left_out_;
  }

  // --- playing

  // Everything that the server has listed and that has not been handed on.
  nanoseconds waiting() const {
    nanoseconds rest{0};
    if (current_)
      rest = std::max<nanoseconds>(0ns, current_->segment.duration - (queue_.tail() - begin_tail_));
    return queue_.level() + rest + tracker_.backlog();
  }

  void play(Clock::time_point now, nanoseconds elapsed) {
    if (!running_) {
      if (queue_.dry()) return;
      if (!starting_) {
        // With less than this the next segment would come too late: wait a little first.
        const nanoseconds wanted = tracker_.target() * 3 / 2;
        const nanoseconds lacking = tracker_.ended() ? 0ns : std::max<nanoseconds>(0ns, wanted - waiting());
        starting_ = now + std::chrono::duration_cast<Clock::duration>(std::min(lacking, tracker_.target()));
      }
      if (now < *starting_) return;
      running_ = true;
      speed_.reset();
    }
    const bool fresh = !playing_.attached();
    queue_.advance(scaled(elapsed, speed_.factor()), [this](std::span<const std::uint8_t> packets, bool gap) {
      playing_.give(packets, gap, segments_.peer());
    });
    if (fresh && playing_.attached()) tell();  // who attaches begins with nothing told
    speed_.on_level(waiting(), elapsed);
    if (!queue_.dry()) return;
    // The rest waits for the PCR of a segment that is late, or that never comes.
    if (!queue_.empty() && (tracker_.over() && !current_)) queue_.flush();
    if (queue_.dry()) {
      running_ = false;
      starting_.reset();
      dry_since_ = now;
      if (!tracker_.over()) ++pauses_;
    }
  }

  // What went wrong is told once nothing is left to play.
  void look_after(Clock::time_point now) {
    if (running_ || !queue_.dry()) return;
    if (!queue_.empty() && now - dry_since_ > kTailWait) queue_.flush();
    if (!queue_.dry() || !playing_.attached()) return;
    if (tracker_.over() && !current_) {
      finished_ = true;
      playing_.lost("the playlist has ended (EXT-X-ENDLIST)");
    } else if (now - dry_since_ > std::max<nanoseconds>(tracker_.target() * 3 / 2, 3s)) {
      playing_.lost(!error_.empty() ? error_ : "the playlist brings no new segment");
    }
  }

  const tl::expected<Url, std::string> url_;
  Playing playing_;

  std::optional<Url> media_url_;
  Url loaded_from_;  // after redirects
  Url base_;         // of the segments' addresses
  std::string text_;
  HlsTracker tracker_;
  net::BackOff back_off_;
  unsigned load_failures_ = 0;
  unsigned variant_turn_ = 0;
  std::string variant_;  // in words
  std::vector<hub::LeftOutTrack> left_out_;
  Clock::time_point load_began_{};
  Clock::time_point next_load_{};

  std::optional<HlsTracker::Item> current_;  // being fetched
  TsInput input_;
  std::uint64_t taken_ = 0;    // bytes of it
  std::uint64_t passing_ = 0;  // bytes of this try to pass over
  unsigned tries_ = 0;
  Clock::time_point retry_at_{};
  nanoseconds begin_tail_{0};
  std::string hopeless_;  // an error that another try won't mend
  std::uint64_t fetched_ = 0;

  PacedQueue queue_;
  Speed speed_{30s};
  bool running_ = false;
  bool finished_ = false;
  std::optional<Clock::time_point> starting_;
  Clock::time_point dry_since_{};
  std::uint64_t pauses_ = 0;
  std::string error_;  // the last one, "" while segments come

  HttpClient playlists_;
  HttpClient segments_;
  Ticker ticker_;
};

}  // namespace

std::unique_ptr<ingest::Source> make_hls(boost::asio::io_context& context, ingest::Entry& entry) {
  return std::make_unique<HlsSource>(context, entry);
}

}  // namespace headgate::bridge::pull
