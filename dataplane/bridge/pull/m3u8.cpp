#include "dataplane/bridge/pull/m3u8.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

namespace headgate::bridge::pull {
namespace {

using Failure = tl::unexpected<std::string>;

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::chrono::nanoseconds> parse_seconds(std::string_view text) {
  constexpr double kMost = 86'400;
  const auto seconds = parse_number<double>(text);
  if (!seconds || !std::isfinite(*seconds) || *seconds < 0 || *seconds > kMost) return std::nullopt;
  return std::chrono::nanoseconds{std::llround(*seconds * 1e9)};
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == '\r' || text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  return text;
}

// The value of an attribute without its quotes (4.2), "" where it is absent.
std::string_view attribute(std::string_view list, std::string_view wanted) {
  while (!list.empty()) {
    const std::size_t equals = list.find('=');
    if (equals == std::string_view::npos) return {};
    const std::string_view name = trimmed(list.substr(0, equals));
    list.remove_prefix(equals + 1);
    std::string_view value;
    if (list.starts_with('"')) {
      const std::size_t end = std::min(list.find('"', 1), list.size());
      value = list.substr(1, end - 1);
      list.remove_prefix(std::min(end + 1, list.size()));
      list.remove_prefix(std::min(list.find(','), list.size()));
    } else {
      const std::size_t end = std::min(list.find(','), list.size());
      value = trimmed(list.substr(0, end));
      list.remove_prefix(end);
    }
    if (name == wanted) return value;
    if (!list.empty()) list.remove_prefix(1);
  }
  return {};
}

// "EXTINF:4.000,title" to "4.000,title"; nothing where the line is another tag.
std::optional<std::string_view> tag(std::string_view line, std::string_view name) {
  if (!line.starts_with(name)) return std::nullopt;
  line.remove_prefix(name.size());
  if (line.empty()) return line;
  if (line.front() != ':') return std::nullopt;
  return line.substr(1);
}

class Parser {
 public:
  tl::expected<Playlist, std::string> parse(std::string_view text) {
    if (text.size() > kMaxPlaylist) return Failure("the playlist is larger than 8 MiB");
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    bool first = true;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      const std::string_view line = trimmed(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
      ++line_;
      if (std::exchange(first, false)) {
        if (line != "#EXTM3U") return Failure("not a playlist: it does not begin with #EXTM3U");
        continue;
      }
      if (line.empty()) continue;
      std::string why = line.front() == '#' ? on_tag(line) : on_uri(line);
      if (!why.empty()) return Failure(fmt::format("line {} of the playlist: {}", line_, why));
    }
    if (first) return Failure("the playlist is empty");
    return finish();
  }

 private:
  tl::expected<Playlist, std::string> finish() {
    if (is_multivariant_) {
      if (!media_.segments.empty()) return Failure("the playlist has both variants and segments");
      if (multivariant_.variants.empty()) return Failure("the playlist has no variant with an address");
      return Playlist(std::move(multivariant_));
    }
    if (media_.segments.empty() && !is_media_)
      return Failure("the playlist has neither variants nor segments");
    for (const MediaSegment& segment : media_.segments) {
      // 4.3.3.1 demands it; without it the longest segment serves.
      if (!has_target_) media_.target = std::max(media_.target, segment.duration);
    }
    return Playlist(std::move(media_));
  }

  // "" or what is wrong.
  std::string on_tag(std::string_view line) {
    if (const auto value = tag(line, "#EXTINF")) {
      const auto duration = parse_seconds(trimmed(value->substr(0, value->find(','))));
      if (!duration) return "EXTINF has no duration";
      segment_.duration = *duration;
      has_duration_ = true;
      return "";
    }
    if (const auto value = tag(line, "#EXT-X-BYTERANGE")) return on_byte_range(trimmed(*value));
    if (tag(line, "#EXT-X-DISCONTINUITY")) return segment_.discontinuity = true, "";
    if (tag(line, "#EXT-X-GAP")) return segment_.gap = true, "";
    if (tag(line, "#EXT-X-ENDLIST")) return media_.ended = is_media_ = true, "";
    if (const auto value = tag(line, "#EXT-X-TARGETDURATION")) {
      const auto target = parse_seconds(trimmed(*value));
      if (!target) return "EXT-X-TARGETDURATION has no duration";
      media_.target = *target;
      has_target_ = is_media_ = true;
      return "";
    }
    if (const auto value = tag(line, "#EXT-X-MEDIA-SEQUENCE")) {
      const auto number = parse_number<std::uint64_t>(trimmed(*value));
      // Room above, so that numbers of segments don't overflow.
      if (!number || *number > UINT64_MAX / 2) return "EXT-X-MEDIA-SEQUENCE has no number";
      media_.sequence = *number;
      is_media_ = true;
      return "";
    }
    return on_refused(line) ? "" : on_multivariant_tag(line);
  }

  // Tags of what is not supported: the playlist is right, but nothing can be made of it.
  bool on_refused(std::string_view line) {
    if (const auto value = tag(line, "#EXT-X-KEY")) {
      const std::string_view method = attribute(*value, "METHOD");
      if (method != "NONE") {
        media_.refused =
            fmt::format("encrypted segments ({}) are not supported yet",
                        method == "AES-128" || method.starts_with("SAMPLE-AES") ? method : "EXT-X-KEY");
      }
      return true;
    }
    if (tag(line, "#EXT-X-MAP")) {
      media_.refused = "fragmented MP4 segments (EXT-X-MAP) are not supported yet, only transport streams";
      return true;
    }
    if (tag(line, "#EXT-X-DEFINE")) {
      media_.refused = "playlist variables (EXT-X-DEFINE) are not supported yet";
      return true;
    }
    return false;
  }

  std::string on_multivariant_tag(std::string_view line) {
    if (const auto value = tag(line, "#EXT-X-STREAM-INF")) {
      is_multivariant_ = true;
      variant_ = Variant{};
      variant_.bandwidth = parse_number<std::uint64_t>(attribute(*value, "BANDWIDTH")).value_or(0);
      variant_.resolution = attribute(*value, "RESOLUTION");
      variant_.audio_group = attribute(*value, "AUDIO");
      has_variant_ = true;
    } else if (const auto media = tag(line, "#EXT-X-MEDIA")) {
      is_multivariant_ = true;
      if (multivariant_.renditions.size() >= kMaxVariants) return "too many renditions";
      multivariant_.renditions.push_back(
          {std::string(attribute(*media, "TYPE")), std::string(attribute(*media, "GROUP-ID")),
           std::string(attribute(*media, "NAME")), std::string(attribute(*media, "LANGUAGE")),
           std::string(attribute(*media, "URI"))});
    } else if (tag(line, "#EXT-X-I-FRAME-STREAM-INF")) {
      is_multivariant_ = true;
    }
    return "";
  }

  // 4.3.2.2: without an offset it begins where the one before ended, in the same resource.
  std::string on_byte_range(std::string_view value) {
    const std::size_t at = std::min(value.find('@'), value.size());
    const auto length = parse_number<std::uint64_t>(value.substr(0, at));
    if (!length || *length == 0 || *length > kLargestFile) return "EXT-X-BYTERANGE has no length";
    std::uint64_t first = kNoOffset;
    if (at < value.size()) {
      const auto given = parse_number<std::uint64_t>(value.substr(at + 1));
      if (!given || *given > kLargestFile) return "EXT-X-BYTERANGE has no offset";
      first = *given;
    }
    segment_.range = SegmentRange{first, *length};
    return "";
  }

  std::string on_uri(std::string_view line) {
    if (std::exchange(has_variant_, false)) {
      if (multivariant_.variants.size() >= kMaxVariants) return "too many variants";
      variant_.uri = line;
      multivariant_.variants.push_back(std::move(variant_));
      return "";
    }
    if (!std::exchange(has_duration_, false)) return is_multivariant_ ? "" : "a segment without EXTINF";
    if (media_.segments.size() >= kMaxSegments) return "too many segments";
    segment_.uri = line;
    if (segment_.range && segment_.range->first == kNoOffset) {
      const MediaSegment* before = media_.segments.empty() ? nullptr : &media_.segments.back();
      if (before == nullptr || !before->range || before->uri != segment_.uri) {
        return "EXT-X-BYTERANGE has no offset, and the segment before it is of another file";
      }
      segment_.range->first = before->range->first + before->range->length;
      if (segment_.range->first > kLargestFile) return "EXT-X-BYTERANGE leads beyond any file";
    }
    media_.segments.push_back(std::exchange(segment_, MediaSegment{}));
    return "";
  }

  static constexpr std::uint64_t kNoOffset = UINT64_MAX;
  static constexpr std::uint64_t kLargestFile = std::uint64_t{1} << 48;
  std::size_t line_ = 0;
  MediaPlaylist media_;
  MultivariantPlaylist multivariant_;
  MediaSegment segment_;
  Variant variant_;
  bool is_media_ = false;
  bool is_multivariant_ = false;
  bool has_target_ = false;
  bool has_duration_ = false;
  bool has_variant_ = false;
};

}  // namespace

tl::expected<Playlist, std::string> parse_playlist(std::string_view text) { return Parser().parse(text); }

}  // namespace headgate::bridge::pull
