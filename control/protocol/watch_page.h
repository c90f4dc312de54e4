// What the bridge saw and heard of each channel's inputs, for the fast path, which acts on it without
// control: run_dir/bridge/watch, a shared page of fixed layout, written by the bridge, mapped read-only by
// the fast path. An entry is in use while `handle` is not 0; handles are never reused, and entries don't move
// while they are in use. A verdict counts only while it is fresh: `looked_unix_ns` says when the input was
// last judged. Threading: one writer thread; any number of readers.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

#include <tl/expected.hpp>

#include "control/protocol/page_file.h"

namespace headgate::protocol {

inline constexpr std::uint64_t kWatchMagic = 0x3163746157676448;  // "HdgWatc1"
inline constexpr std::uint32_t kWatchVersion = 1;
inline constexpr std::size_t kMaxWatched = 4096;

// Bits of `seen`.
inline constexpr std::uint32_t kSeenBlack = 1;
inline constexpr std::uint32_t kSeenFrozen = 2;
inline constexpr std::uint32_t kSeenSilence = 4;

struct alignas(64) WatchEntry {
  std::atomic<std::uint32_t> handle;  // of the channel; 0: free
  std::atomic<std::uint32_t> input;   // 1 = primary
  std::atomic<std::uint32_t> seen;    // troubles now, each for longer than the channel's threshold
  std::uint32_t reserved;
  std::array<std::atomic<std::int64_t>, 3> since_unix_ns;  // when each began; 0: it is not there
  std::atomic<std::int64_t> looked_unix_ns;
};
static_assert(sizeof(WatchEntry) == 64);

struct WatchPage {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t pid;
  std::array<WatchEntry, kMaxWatched> entries;
};

// A mapping of the page; unmapped on destruction.
class WatchMapping {
 public:
  // Writer: makes a new file and renames it over an old one.
  static tl::expected<WatchMapping, std::string> create(const std::string& path);
  // Reader: fails where it is absent or of another version.
  static tl::expected<WatchMapping, std::string> open_read_only(const std::string& path);
  WatchPage* page() noexcept { return static_cast<WatchPage*>(file_.memory()); }
  const WatchPage* page() const noexcept { return static_cast<const WatchPage*>(file_.memory()); }
  // Reader: the file was replaced by a new process; open again.
  bool stale(const std::string& path) const noexcept { return file_.stale(path); }

 private:
  explicit WatchMapping(PageFile file) noexcept : file_(std::move(file)) {}
  PageFile file_;
};

}  // namespace headgate::protocol
