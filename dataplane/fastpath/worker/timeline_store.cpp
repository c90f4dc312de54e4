#include "dataplane/fastpath/worker/timeline_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>

namespace headgate::fastpath {
namespace {

constexpr std::uint64_t kMagic = 0x314C6D5474676448;  // "HdgtTmL1"

constexpr std::int64_t kFarthest = std::int64_t{1} << 59;
constexpr std::int64_t kLatestArrival = std::int64_t{1} << 62;

struct Copy {
  std::int64_t timeline;
  std::int64_t offset;
  std::uint64_t pcr;
  std::int64_t arrival_ns;
};

struct Place {
  std::array<char, 72> channel;
  std::atomic<std::uint64_t> writes;  // 0: never; the copy of write n is copies[n & 1]
  std::array<Copy, 2> copies;
};

}  // namespace

struct TimelineStore::File {
  std::uint64_t magic;
  std::array<Place, kPlaces> places;
};

tl::expected<TimelineStore, std::string> TimelineStore::open(const std::string& path) {
  const auto failure = [&](const char* what) {
    return tl::unexpected<std::string>(fmt::format("can't {} {}: {}", what, path, std::strerror(errno)));
  };
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (fd < 0) return failure("open");
  struct stat info {};
  const bool sized = ::fstat(fd, &info) == 0 && info.st_size == static_cast<off_t>(sizeof(File));
  // Of another size or version: begun anew.
  if (!sized && (::ftruncate(fd, 0) != 0 || ::ftruncate(fd, sizeof(File)) != 0)) {
    ::close(fd);
    return failure("size");
  }
  // Allocated now: a full tmpfs must be an error here, not SIGBUS at some later write.
  if (const int error = ::posix_fallocate(fd, 0, sizeof(File)); error != 0) {
    ::close(fd);
    errno = error;
    return failure("allocate");
  }
  void* area = ::mmap(nullptr, sizeof(File), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (area == MAP_FAILED) return failure("map");
  auto* file = static_cast<File*>(area);
  if (file->magic != kMagic) {
    std::memset(area, 0, sizeof(File));
    file->magic = kMagic;
  }
  return TimelineStore(file);
}

TimelineStore::TimelineStore(TimelineStore&& other) noexcept : file_(other.file_) { other.file_ = nullptr; }

TimelineStore::~TimelineStore() {
  if (file_ != nullptr) ::munmap(file_, sizeof(File));
}

std::size_t TimelineStore::find_or_add(const std::string& channel) {
  const auto same = [&](const Place& place) {
    return std::strncmp(place.channel.data(), channel.c_str(), place.channel.size() - 1) == 0;
  };
  std::size_t oldest = 0;
  for (std::size_t i = 0; i < kPlaces; ++i) {
    Place& place = file_->places[i];
    if (place.channel[0] != 0 && same(place)) return i;
    if (place.channel[0] == 0) {
      oldest = i;
      break;
    }
    const auto age = [](const Place& p) {
      return p.copies[p.writes.load(std::memory_order_acquire) & 1].arrival_ns;
    };
    if (age(place) < age(file_->places[oldest])) oldest = i;
  }
  Place& place = file_->places[oldest];
  place.writes.store(0, std::memory_order_release);
  place.copies = {};
  place.channel = {};
  channel.copy(place.channel.data(), place.channel.size() - 1);
  return oldest;
}

std::optional<mpegts::Timeline::State> TimelineStore::load(std::size_t index) const noexcept {
  const Place& place = file_->places[index];
  const std::uint64_t writes = place.writes.load(std::memory_order_acquire);
  if (writes == 0) return std::nullopt;
  const Copy& copy = place.copies[writes & 1];
  // A damaged file: what no stream reaches (600 years from now) would overflow in sums.
  const auto near = [](std::int64_t ticks) { return ticks >= -kFarthest && ticks <= kFarthest; };
  if (!near(copy.timeline) || !near(copy.offset) || copy.arrival_ns < 0 || copy.arrival_ns > kLatestArrival)
    return std::nullopt;
  mpegts::Timeline::State state;
  state.timeline = copy.timeline;
  state.offset = copy.offset;
  state.pcr = copy.pcr % mpegts::kPcrModulus;
  state.arrival_ns = copy.arrival_ns;
  state.valid = true;
  return state;
}

void TimelineStore::save(std::size_t index, const mpegts::Timeline::State& state) noexcept {
  if (!state.valid) return;
  Place& place = file_->places[index];
  const std::uint64_t writes = place.writes.load(std::memory_order_relaxed) + 1;
  place.copies[writes & 1] = {state.timeline, state.offset, state.pcr, state.arrival_ns};
  place.writes.store(writes, std::memory_order_release);
}

}  // namespace headgate::fastpath
