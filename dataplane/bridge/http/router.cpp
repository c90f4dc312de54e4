#include "dataplane/bridge/http/router.h"

#include <fmt/format.h>

#include <charconv>

#include "dataplane/bridge/http/target.h"

namespace headgate::bridge::http {
namespace {

constexpr const char* kAllowed = "GET, HEAD, OPTIONS";

void allow_any_origin(Response& response) {
  response.add("Access-Control-Allow-Origin", "*");
  response.add("Access-Control-Expose-Headers",
               "Content-Length, Content-Range, Date, ETag, Retry-After, Server");
}

Response preflight() {
  Response response;
  response.status = 204;
  response.add("Access-Control-Allow-Origin", "*");
  response.add("Access-Control-Allow-Methods", kAllowed);
  response.add("Access-Control-Allow-Headers", "Range, Content-Type, If-None-Match, X-Requested-With");
  response.add("Access-Control-Max-Age", "86400");
  response.add("Allow", kAllowed);
  return response;
}

Response playlist(const Request& request, const hls::SegmentStore::Text& text, std::uint32_t segment_ms,
                  const char* cache) {
  if (text == nullptr) {
    Response response = plain(503, "The first segment of this channel is not finished yet.");
    response.add("Retry-After", std::to_string(std::max<std::uint32_t>(1, segment_ms / 2000)));
    return response;
  }
  Response response;
  response.add("Content-Type", "application/vnd.apple.mpegurl");
  response.add("Cache-Control", cache);
  response.add("ETag", text->etag);
  allow_any_origin(response);
  if (matches_etag(request.if_none_match, text->etag)) {
    response.status = 304;
    return response;
  }
  response.set_text(std::shared_ptr<const std::string>(text, &text->content));
  return response;
}

Response ended_by_operator() {
  Response response = plain(403, "The operator ended this viewer's session: try again in a minute.");
  allow_any_origin(response);
  return response;
}

Response with_slash(const std::string& name) {
  Response response = plain(301, "The player page is at the address with a slash at its end.");
  response.add("Location", name + "/");
  return response;
}

}  // namespace

Response Router::handle(const Request& request) {
  if (request.target.size() > kMaxTarget) return plain(414, "The address is too long.");
  if (request.method == Method::options) return preflight();
  if (request.method == Method::other) {
    Response response = plain(405, "Only GET, HEAD and OPTIONS are answered here.");
    response.add("Allow", kAllowed);
    return response;
  }
  const auto target = parse_target(request.target);
  if (!target) return plain(400, "The address is malformed.");
  const auto& path = target->segments;
  if (path[0] == "_") return path.size() == 2 ? asset_answer(request, path[1]) : plain(404, "Not found.");
  ChannelView* channel = path[0].empty() ? nullptr : find_(path[0]);
  if (channel == nullptr && find_rendition_) {
    if (RenditionView* rendition = find_rendition_(path[0]))
      return rendition_answer(request, *rendition, path);
  }
  const bool thumbnail = channel != nullptr && path.size() == 2 && path[1] == "thumbnail.jpg";
  if (thumbnail && channel->serves_thumbnail()) return thumbnail_answer(request, *channel);
  if (channel == nullptr || !(channel->serves_hls() || channel->serves_ts()))
    return plain(404, "No such channel.");
  if (path.size() == 2 && path[1] == "stream.ts") {
    if (!channel->serves_ts()) return plain(404, "This channel is not served as a transport stream.");
    return stream_answer(request, *channel);
  }
  if (!channel->serves_hls()) return plain(404, "This channel is not served by HLS.");
  if (path.size() == 1) return with_slash(path[0]);
  Response response = channel_answer(request, *channel, path);
  response.cut_off = channel->slow_clients();
  return response;
}

Response Router::channel_answer(const Request& request, ChannelView& channel,
                                const std::vector<std::string>& path) {
  if (path.size() == 2) {
    const std::string& file = path[1];
    if (file.empty())
      return page_answer(channel.display_name(),
                         channel.serves_thumbnail() && channel.thumbnail().jpeg != nullptr);
    if (file == "index.m3u8") {
      return playlist(request, channel.store().multivariant_text(), channel.segment_ms(),
                      "public, max-age=2");
    }
    if (hls::SegmentStore::Text text; channel.store().find_playlist(file, text)) {
      if (!channel.on_viewer(request, last_viewer_)) return ended_by_operator();
      return playlist(request, text, channel.segment_ms(), "public, max-age=1");
    }
  }
  if (path.size() == 4 && path[1] == "media") return segment_answer(request, channel, path[2], "", path[3]);
  if (path.size() == 5 && path[1] == "media" && !path[3].empty())
    return segment_answer(request, channel, path[2], path[3], path[4]);
  return plain(404, "Not found.");
}

Response Router::rendition_answer(const Request& request, RenditionView& rendition,
                                  const std::vector<std::string>& path) {
  if (path.size() == 1) return with_slash(path[0]);
  if (path.size() == 2 && path[1].empty()) return page_answer(rendition.display_name(), false);
  if (path.size() == 2 && path[1] == "index.m3u8")
    return playlist(request, rendition.multivariant(), rendition.segment_ms(), "public, max-age=2");
  hls::SegmentStore::Text text;
  if (path.size() == 3 && rendition.find_playlist(path[1], path[2], text)) {
    if (!rendition.on_viewer(request, last_viewer_)) return ended_by_operator();
    return playlist(request, text, rendition.segment_ms(), "public, max-age=1");
  }
  return plain(404, "Not found, or this member brings nothing now.");
}

Response Router::stream_answer(const Request& request, ChannelView& channel) {
  Response response;
  response.add("Content-Type", "video/mp2t");
  response.add("Cache-Control", "no-store");
  response.add("Accept-Ranges", "none");
  response.add("X-Content-Type-Options", "nosniff");
  allow_any_origin(response);
  response.endless = true;
  response.cut_off = channel.slow_ts_clients();
  if (request.method == Method::get) response.stream = channel.open_ts();
  return response;
}

Response Router::thumbnail_answer(const Request& request, const ChannelView& channel) {
  const ThumbnailView view = channel.thumbnail();
  if (view.jpeg == nullptr) return plain(404, view.why_none);
  Response response;
  response.add("Content-Type", "image/jpeg");
  response.add("Cache-Control", fmt::format("public, max-age={}", view.max_age_s));
  response.add("ETag", view.etag);
  response.add("Last-Modified", http_date(view.modified_unix));
  response.add("X-Content-Type-Options", "nosniff");
  response.cut_off = channel.slow_clients();
  allow_any_origin(response);
  if (matches_etag(request.if_none_match, view.etag)) {
    response.status = 304;
    return response;
  }
  response.set_text(view.jpeg);
  return response;
}

Response Router::page_answer(const std::string& display_name, bool has_picture) {
  if (assets_ == nullptr) return plain(404, "The player page is not installed.");
  Response response;
  response.add("Content-Type", "text/html; charset=utf-8");
  response.add("Cache-Control", "no-cache");
  // hls.js runs its demultiplexer in a worker made from a blob and feeds the video element by a blob URL.
  response.add("Content-Security-Policy",
               "default-src 'self'; img-src 'self' data:; media-src 'self' blob:; worker-src 'self' blob:; "
               "object-src 'none'");
  response.add("X-Content-Type-Options", "nosniff");
  response.set_text(std::make_shared<const std::string>(assets_->player_page(display_name, has_picture)));
  return response;
}

Response Router::asset_answer(const Request& request, const std::string& name) {
  const Asset* asset = assets_ == nullptr ? nullptr : assets_->find(name);
  if (asset == nullptr) return plain(404, "Not found.");
  Response response;
  response.add("Content-Type", asset->content_type);
  response.add("Cache-Control", "public, max-age=3600");
  response.add("ETag", asset->etag);
  response.add("X-Content-Type-Options", "nosniff");
  if (matches_etag(request.if_none_match, asset->etag)) {
    response.status = 304;
    return response;
  }
  response.set_text(asset->content);
  return response;
}

Response Router::segment_answer(const Request& request, ChannelView& channel, const std::string& hash,
                                const std::string& part, const std::string& file) {
  constexpr std::string_view kSuffix = ".ts";
  std::int64_t k = 0;
  const auto [end, error] = std::from_chars(file.data(), file.data() + file.size(), k);
  const std::string_view rest(end, static_cast<std::size_t>(file.data() + file.size() - end));
  // One address a segment: no leading zeros, no sign but a minus.
  const bool canonical = error == std::errc{} && rest == kSuffix && file == fmt::format("{}.ts", k);
  const auto media = canonical ? channel.store().find(k, hash, part) : nullptr;
  if (media == nullptr) return plain(404, "No such segment, or no longer kept.");
  Response response;
  response.add("Content-Type", "video/mp2t");
  // Longer than anyone may ask for it: its bytes never change.
  response.add("Cache-Control", "public, max-age=86400, immutable");
  response.add("Accept-Ranges", "bytes");
  const std::string etag =
      part.empty() ? fmt::format("\"{}-{}\"", hash, k) : fmt::format("\"{}-{}-{}\"", hash, part, k);
  response.add("ETag", etag);
  allow_any_origin(response);
  if (matches_etag(request.if_none_match, etag)) {
    response.status = 304;
    return response;
  }
  const ByteRange range = parse_range(request.range, media->bytes().size());
  if (range.kind == ByteRange::Kind::unsatisfiable) {
    Response refused = plain(416, "The range lies outside the segment.");
    refused.add("Content-Range", fmt::format("bytes */{}", media->bytes().size()));
    return refused;
  }
  if (!channel.on_segment(request, request.method == Method::get ? range.length : 0))
    return ended_by_operator();
  response.body = media->bytes().subspan(range.first, range.length);
  if (range.kind == ByteRange::Kind::part) {
    response.status = 206;
    response.add("Content-Range", fmt::format("bytes {}-{}/{}", range.first, range.first + range.length - 1,
                                              media->bytes().size()));
  }
  response.owner = media;
  return response;
}

}  // namespace headgate::bridge::http
