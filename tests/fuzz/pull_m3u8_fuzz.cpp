// links: headgate::bridge
// Playlists as a server sends them, one after the other (cut at "\n\n\n"), through parser and tracker.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "dataplane/bridge/pull/hls_tracker.h"
#include "dataplane/bridge/pull/m3u8.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headgate::bridge::pull;
  std::string_view text{reinterpret_cast<const char*>(data), size};
  HlsTracker tracker;
  auto now = HlsTracker::Clock::time_point{} + std::chrono::hours(1);
  for (int round = 0; round < 8 && !text.empty(); ++round) {
    const std::size_t end = text.find("\n\n\n");
    const auto playlist = parse_playlist(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 3);
    if (!playlist) {
      if (playlist.error().empty()) std::abort();
      continue;
    }
    if (const auto* many = std::get_if<MultivariantPlaylist>(&*playlist)) {
      if (many->variants.empty()) std::abort();
      continue;
    }
    tracker.on_playlist(std::get<MediaPlaylist>(*playlist), now);
    if (tracker.next_reload() <= now) std::abort();
    now += std::chrono::seconds(1);
    std::uint64_t last = 0;
    bool any = false;
    // The last one stays for the next playlist.
    while (tracker.backlog() > tracker.target()) {
      const auto item = tracker.take();
      if (!item) break;
      if (any && item->number <= last) std::abort();
      last = item->number;
      any = true;
    }
    if (tracker.backlog().count() < 0) std::abort();
  }
  return 0;
}
