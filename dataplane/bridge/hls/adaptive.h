// One programme at several bitrates: the multivariant playlist over several channels' own playlists, and over
// pictures that are made smaller here, which are parts of their source's store. The sound is that of the best
// member, the same at every bitrate, so that a change of bitrate is not heard. A member that brings nothing
// leaves the list, and who plays it gets 404, upon which players go to another one; without any member the
// list stays what it was, for one of them may come back.
//
// The members' media playlists stand under /ID/CHANNEL/, so that viewers can be counted; the segments that
// they name are those of the channel itself, so that a CDN keeps them once. References: RFC 8216 4.3.4.2,
// 6.2.4. Threading: owned by one thread.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "dataplane/bridge/hls/store.h"

namespace headgate::bridge::hls {

struct Member {
  std::string channel;
  const SegmentStore* store = nullptr;
  std::string part;  // its pictures made smaller; empty: as they are
};

// Whether it brought a segment of late.
bool plays(const Member& member, std::int64_t now_ns);

class Adaptive {
 public:
  // Null: no member has ever had a segment. Members: best first.
  SegmentStore::Text multivariant(std::span<const Member> members, std::int64_t now_ns);
  // As SegmentStore::find_playlist, with addresses of segments as they are seen from /ID/CHANNEL/.
  bool find_playlist(std::span<const Member> members, std::int64_t now_ns, std::string_view channel,
                     std::string_view name, SegmentStore::Text& text);

 private:
  struct Seen {
    SegmentStore::Text source;
    SegmentStore::Text text;
  };
  std::map<std::string, Seen> seen_;  // by CHANNEL/NAME
};

}  // namespace headgate::bridge::hls
