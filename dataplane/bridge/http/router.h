// Which address answers what (the addresses that players use):
//   /CHANNEL/                      player page          /_/FILE   its scripts
//   /CHANNEL/index.m3u8            multivariant playlist
//   /CHANNEL/index.WHAT-ID.m3u8    media playlist; the multivariant playlist names those in force
//   /CHANNEL/media/HASH/K.ts       segment; /CHANNEL/media/HASH/PART/K.ts of a playlist beside the main one
//   /RENDITION/, /RENDITION/index.m3u8, /RENDITION/CHANNEL/index.WHAT-ID.m3u8   the same of a programme at
//                                  several bitrates, whose segments are those of its channels
//   /CHANNEL/stream.ts             the channel's transport stream, without end
//   /CHANNEL/thumbnail.jpg         its last picture, of every channel that is served by anything
// A channel that has no segment yet answers 503 with Retry-After: hls.js gives up at a 404 at once and
// retries after a 5xx, and a CDN does not keep a 503. References: RFC 8216 4, RFC 9110, Fetch (CORS).
// Threading: owned by one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "dataplane/bridge/hls/store.h"
#include "dataplane/bridge/http/assets.h"
#include "dataplane/bridge/http/message.h"

namespace headgate::bridge::http {

// The last picture of a channel.
struct ThumbnailView {
  std::shared_ptr<const std::string> jpeg;  // null: there is none
  std::string etag;
  std::int64_t modified_unix = 0;  // s
  std::uint32_t max_age_s = 1;
  std::string why_none;
};

// What the router needs of a channel.
class ChannelView {
 public:
  virtual ~ChannelView() = default;
  virtual const std::string& display_name() const = 0;
  virtual bool serves_hls() const = 0;
  virtual bool serves_ts() const { return false; }
  virtual bool serves_thumbnail() const { return serves_hls() || serves_ts(); }
  virtual ThumbnailView thumbnail() const { return {}; }
  // Of channels that serve HLS.
  virtual std::uint32_t segment_ms() const = 0;
  virtual hls::SegmentStore& store() = 0;
  virtual std::shared_ptr<std::uint64_t> slow_ts_clients() const { return nullptr; }
  // A new session of a channel that serves it; null: not now.
  virtual std::shared_ptr<BodyStream> open_ts() { return nullptr; }
  // Where clients are counted that did not take an answer of this channel.
  virtual std::shared_ptr<std::uint64_t> slow_clients() const { return nullptr; }
  // Someone asks for the media playlist, or for a segment. False: refuse it. `last_number`: of all viewers of
  // HLS.
  virtual bool on_viewer(const Request& request, std::uint64_t& last_number) = 0;
  virtual bool on_segment(const Request& request, std::size_t bytes) = 0;
};

// What it needs of a programme at several bitrates.
class RenditionView {
 public:
  virtual ~RenditionView() = default;
  virtual const std::string& display_name() const = 0;
  virtual std::uint32_t segment_ms() const = 0;
  // Null: no member has a segment yet.
  virtual hls::SegmentStore::Text multivariant() = 0;
  // Of a member; as SegmentStore::find_playlist.
  virtual bool find_playlist(std::string_view channel, std::string_view name,
                             hls::SegmentStore::Text& text) = 0;
  virtual bool on_viewer(const Request& request, std::uint64_t& last_number) = 0;
};

class Router : public Handler {
 public:
  using Find = std::function<ChannelView*(std::string_view id)>;
  using FindRendition = std::function<RenditionView*(std::string_view id)>;
  Router(Find find, const Assets* assets, FindRendition find_rendition = {})
      : find_(std::move(find)), find_rendition_(std::move(find_rendition)), assets_(assets) {}
  Response handle(const Request& request) override;

 private:
  Response channel_answer(const Request& request, ChannelView& channel, const std::vector<std::string>& path);
  Response asset_answer(const Request& request, const std::string& name);
  Response segment_answer(const Request& request, ChannelView& channel, const std::string& hash,
                          const std::string& part, const std::string& file);
  Response page_answer(const std::string& display_name, bool has_picture);
  Response thumbnail_answer(const Request& request, const ChannelView& channel);
  Response rendition_answer(const Request& request, RenditionView& rendition,
                            const std::vector<std::string>& path);
  Response stream_answer(const Request& request, ChannelView& channel);

  Find find_;
  FindRendition find_rendition_;
  const Assets* assets_;  // null: no player page
  std::uint64_t last_viewer_ = 0;
};

}  // namespace headgate::bridge::http
