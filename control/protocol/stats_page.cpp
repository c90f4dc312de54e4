#include "control/protocol/stats_page.h"

#include <time.h>

#include <cstddef>
#include <utility>

namespace headgate::protocol {
namespace {

static_assert(Counter::is_always_lock_free);
static_assert(offsetof(StatsPage, version) == 8 && offsetof(StatsPage, pid) == 12);

constexpr PageKind kStats{"a counter page", sizeof(StatsPage), kStatsMagic, kStatsVersion};

std::int64_t clock_ns(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

void begin_counting(void* memory) {
  StatsPage& page = *static_cast<StatsPage*>(memory);
  const std::int64_t now = clock_ns(CLOCK_REALTIME);
  page.clock_base_ns = now - clock_ns(CLOCK_MONOTONIC);
  page.epoch.store(static_cast<std::uint64_t>(now));
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
