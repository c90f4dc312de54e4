// The playlists of a channel whose tracks have one each: what the multivariant playlist says of them. A sound
// is there once in each coding: as it came, and as AAC made of it. Groups of one type must have the same
// members, which differ in address, coding and channels alone; so the group "ac3" has each sound as AC-3
// where it is there as such, else as AAC. References: RFC 8216 4.3.4.1, 4.3.4.1.1, 4.3.4.2; RFC 6381
// (CODECS). Threading: values and pure functions.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "dataplane/bridge/hls/playlist.h"
#include "dataplane/bridge/hls/segmenter.h"

namespace headgate::bridge::hls {

struct Rendition {
  std::string name;         // in its addresses: "aac-deu"; empty: the main playlist itself (radio)
  std::string group;        // "aac", "ac3", "mp2" …; empty: pictures
  std::uint32_t sound = 0;  // the same for a track and what is made of it
  std::string language;     // RFC 5646; may be empty
  std::string title;        // NAME, the same for a track and what is made of it
  bool describes_video = false;
  std::uint32_t channels = 0;
  Variant variant;      // what is measured of it, and of what it is
  bool offered = true;  // false: nothing comes for it
  bool operator==(const Rendition&) const = default;
};

// Of a track's coding; empty: no player takes it from a transport stream.
std::string group_of(const hub::Track& track);
// The tracks that have a playlist beside the main one, in their order; of radio the main one, too.
// `configuration` may be null.
std::vector<Rendition> describe_parts(const std::vector<TrackFormat>& formats,
                                      const hub::Configuration* configuration);
// Their tracks: indices in formats, in the same order.
std::vector<std::size_t> tracks_with_parts(std::span<const hub::Track> tracks);

// Pictures of one size, with or without sound in them.
struct Level {
  Variant variant;
  std::string uri;
};
using UriOf = std::function<std::string(const Rendition&)>;

// `sounds`: none where they are in the levels' own streams.
std::string multivariant_playlist(std::span<const Level> levels, std::span<const Rendition> sounds,
                                  const UriOf& uri);
std::string multivariant_playlist(const Variant& variant, const std::string& media_playlist_name);

// Lower-case letters, digits and hyphens: what a name in an address is made of.
bool is_part_name(const std::string& text);

}  // namespace headgate::bridge::hls
