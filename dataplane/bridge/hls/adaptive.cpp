#include "dataplane/bridge/hls/adaptive.h"

#include <algorithm>

namespace headgate::bridge::hls {
namespace {

constexpr std::size_t kMaxSeen = 512;
constexpr std::size_t kRecent = 3;  // segments
constexpr std::int64_t kSlack = 4'000'000'000;

const Rendition* rendition_of(const Member& member) {
  const auto& all = member.store->renditions();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Rendition& r) { return r.name == member.part; });
  return found == all.end() ? nullptr : &*found;
}

// With the sound in the same stream, or without any: no segment ever, or not of this part.
bool has_media(const Member& member) {
  if (member.store == nullptr || member.store->media_text() == nullptr) return false;
  return member.part.empty() || rendition_of(member) != nullptr;
}

Level level_of(const Member& member) {
  const std::string name =
      member.part.empty() ? member.store->media_name() : member.store->part_name(member.part);
  const Variant& variant = member.part.empty() ? member.store->variant() : rendition_of(member)->variant;
  return {variant, member.channel + "/" + name};
}

std::string seen_from_outside(const std::string& text, const std::string& channel) {
  std::string out;
  out.reserve(text.size() + text.size() / 4);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    if (text[at] != '#') out += "../../" + channel + "/";
    out.append(text, at, end - at);
    at = end;
  }
  return out;
}

std::vector<const Member*> shown(std::span<const Member> members, std::int64_t now_ns) {
  std::vector<const Member*> up;
  std::vector<const Member*> known;
  for (const Member& member : members) {
    if (!has_media(member)) continue;
    known.push_back(&member);
    if (plays(member, now_ns)) up.push_back(&member);
  }
  return up.empty() ? known : up;
}

}  // namespace

bool plays(const Member& member, std::int64_t now_ns) {
  if (!has_media(member)) return false;
  const std::int64_t patience = std::int64_t{member.store->segment_ms()} * 3'000'000 + kSlack;
  if (now_ns - member.store->last_segment_arrival_ns() > patience) return false;
  if (member.part.empty()) return true;
  const auto& entries = member.store->entries();
  const auto recent = static_cast<std::ptrdiff_t>(std::min(kRecent, entries.size()));
  return std::any_of(entries.end() - recent, entries.end(), [&](const Entry& entry) {
    return std::any_of(entry.parts.begin(), entry.parts.end(),
                       [&](const Part& part) { return part.name == member.part; });
  });
}

SegmentStore::Text Adaptive::multivariant(std::span<const Member> members, std::int64_t now_ns) {
  const std::vector<const Member*> listed = shown(members, now_ns);
  if (listed.empty()) return nullptr;
  std::vector<Level> levels;
  for (const Member* member : listed) levels.push_back(level_of(*member));
  std::stable_sort(levels.begin(), levels.end(),
                   [](const Level& a, const Level& b) { return a.variant.bandwidth > b.variant.bandwidth; });
  const auto heard = std::find_if(listed.begin(), listed.end(), [](const Member* member) {
    const auto& all = member->store->renditions();
    return std::any_of(all.begin(), all.end(), [](const Rendition& r) { return !r.group.empty(); });
  });
  if (heard == listed.end()) return with_etag(multivariant_playlist(levels, {}, {}));
  return with_etag(multivariant_playlist(levels, (*heard)->store->renditions(), [&](const Rendition& r) {
    return (*heard)->channel + "/" + (*heard)->store->part_name(r.name);
  }));
}

bool Adaptive::find_playlist(std::span<const Member> members, std::int64_t now_ns, std::string_view channel,
                             std::string_view name, SegmentStore::Text& text) {
  const std::vector<const Member*> listed = shown(members, now_ns);
  const auto found = std::find_if(listed.begin(), listed.end(), [&](const Member* member) {
    // Of a channel whose own pictures are no member the sound may be.
    return member->channel == channel;
  });
  if (found == listed.end() || !(*found)->store->find_playlist(name, text)) return false;
  if (text == nullptr) return true;
  if (seen_.size() > kMaxSeen) seen_.clear();
  Seen& seen = seen_[std::string(channel) + "/" + std::string(name)];
  if (seen.source != text) {
    seen.source = text;
    seen.text = with_etag(seen_from_outside(text->content, (*found)->channel));
  }
  text = seen.text;
  return true;
}

}  // namespace headgate::bridge::hls
