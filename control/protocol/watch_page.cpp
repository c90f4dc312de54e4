#include "control/protocol/watch_page.h"

#include <cstddef>
#include <utility>

namespace headgate::protocol {
namespace {

static_assert(std::atomic<std::uint32_t>::is_always_lock_free &&
              std::atomic<std::int64_t>::is_always_lock_free);
static_assert(offsetof(WatchPage, version) == 8 && offsetof(WatchPage, pid) == 12);

constexpr PageKind kWatch{"a watch page", sizeof(WatchPage), kWatchMagic, kWatchVersion};

}  // namespace

tl::expected<WatchMapping, std::string> WatchMapping::create(const std::string& path) {
  return PageFile::create(path, kWatch).map([](PageFile&& file) { return WatchMapping(std::move(file)); });
}

tl::expected<WatchMapping, std::string> WatchMapping::open_read_only(const std::string& path) {
  return PageFile::open_read_only(path, kWatch).map([](PageFile&& file) {
    return WatchMapping(std::move(file));
  });
}

}  // namespace headgate::protocol
