#include "control/protocol/stats_page.h"

#include <chrono>
#include <cstddef>
#include <utility>

namespace headgate::protocol {
namespace {

static_assert(Counter::is_always_lock_free);
static_assert(offsetof(StatsPage, version) == 8 && offsetof(StatsPage, pid) == 12);

constexpr PageKind kStats{"a counter page", sizeof(StatsPage), kStatsMagic, kStatsVersion};

void begin_counting(void* memory) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  static_cast<StatsPage*>(memory)->epoch.store(
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()));
}

}  // namespace

tl::expected<StatsMapping, std::string> StatsMapping::create(const std::string& path) {
  return PageFile::create(path, kStats, begin_counting).map([](PageFile&& file) {
    return StatsMapping(std::move(file));
  });
}

tl::expected<StatsMapping, std::string> StatsMapping::create_unshared() {
  return PageFile::create_unshared(kStats).map([](PageFile&& file) {
    begin_counting(file.memory());
    return StatsMapping(std::move(file));
  });
}

tl::expected<StatsMapping, std::string> StatsMapping::open_read_only(const std::string& path) {
  return PageFile::open_read_only(path, kStats).map([](PageFile&& file) {
    return StatsMapping(std::move(file));
  });
}

}  // namespace headgate::protocol
