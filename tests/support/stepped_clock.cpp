// Preloaded into the processes of one gateway: their system's clock is the machine's and as many nanoseconds
// more as stand, eight bytes, in the file that HEADGATE_TEST_CLOCK names. So a test sets the clock as date(1)
// would, and nobody else's. CLOCK_MONOTONIC and CLOCK_BOOTTIME go on, as they do when a clock is set.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

// Mapped once: a sandbox lets nobody open files later.
std::int64_t offset() {
  static const auto* shared = []() -> const std::atomic<std::int64_t>* {
    const char* path = std::getenv("HEADGATE_TEST_CLOCK");
    const int file = path == nullptr ? -1 : ::open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return nullptr;
    void* mapped = ::mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, file, 0);
    ::close(file);
    return mapped == MAP_FAILED ? nullptr : static_cast<const std::atomic<std::int64_t>*>(mapped);
  }();
  return shared == nullptr ? 0 : shared->load(std::memory_order_relaxed);
}

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* now) noexcept {
  static const auto real =
      reinterpret_cast<int (*)(clockid_t, timespec*)>(::dlsym(RTLD_NEXT, "clock_gettime"));
  const int result = real(clock, now);
  if (result != 0 || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return result;
  const std::int64_t set = std::int64_t{now->tv_sec} * kSecond + now->tv_nsec + offset();
  now->tv_sec = set / kSecond;
  now->tv_nsec = set % kSecond;
  return result;
}

extern "C" int gettimeofday(timeval* now, void*) noexcept {
  timespec set{};
  const int result = ::clock_gettime(CLOCK_REALTIME, &set);
  now->tv_sec = set.tv_sec;
  now->tv_usec = set.tv_nsec / 1000;
  return result;
}

extern "C" time_t time(time_t* place) noexcept {
  timespec set{};
  ::clock_gettime(CLOCK_REALTIME, &set);
  if (place != nullptr) *place = set.tv_sec;
  return set.tv_sec;
}
