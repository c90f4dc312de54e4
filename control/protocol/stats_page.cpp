#include "control/protocol/stats_page.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace headgate::protocol {

static_assert(Counter::is_always_lock_free);

namespace {

tl::unexpected<std::string> page_error(const std::string& what, const std::string& path) {
  return tl::unexpected<std::string>(what + " " + path + ": " + std::strerror(errno));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

std::int64_t clock_ns(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

void begin(StatsPage& page) {
  page.magic = kStatsMagic;
  page.version = kStatsVersion;
  page.pid = static_cast<std::uint32_t>(::getpid());
  const std::int64_t now = clock_ns(CLOCK_REALTIME);
  page.clock_base_ns = now - clock_ns(CLOCK_MONOTONIC);
  page.epoch.store(static_cast<std::uint64_t>(now));
}

}  // namespace

tl::expected<StatsMapping, std::string> StatsMapping::create(const std::string& path) {
  const std::string temporary = path + ".new";
  ::unlink(temporary.c_str());
  const Descriptor file(::open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (file.get() < 0) return page_error("can't create", temporary);
  // Allocated now: a full tmpfs must be an error here, not SIGBUS at some later count, or at a look of the
  // reader, for a look at a hole of a tmpfs file allocates it too.
  if (const int error = ::posix_fallocate(file.get(), 0, sizeof(StatsPage)); error != 0) {
    errno = error;
    auto failed = page_error("can't allocate " + std::to_string(sizeof(StatsPage)) + " bytes for", temporary);
    ::unlink(temporary.c_str());
    return failed;
  }
  void* memory = ::mmap(nullptr, sizeof(StatsPage), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) return page_error("can't map", temporary);
  StatsMapping mapping;
  mapping.page_ = static_cast<StatsPage*>(memory);
  begin(*mapping.page_);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return page_error("can't stat", temporary);
  mapping.inode_ = status.st_ino;
  if (::rename(temporary.c_str(), path.c_str()) != 0) return page_error("can't rename to", path);
  return mapping;
}

tl::expected<StatsMapping, std::string> StatsMapping::create_unshared() {
  void* memory =
      ::mmap(nullptr, sizeof(StatsPage), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return page_error("can't map", "a counter page");
  StatsMapping mapping;
  mapping.page_ = static_cast<StatsPage*>(memory);
  begin(*mapping.page_);
  return mapping;
}

tl::expected<StatsMapping, std::string> StatsMapping::open_read_only(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return page_error("can't open", path);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return page_error("can't stat", path);
  if (static_cast<std::uint64_t>(status.st_size) != sizeof(StatsPage)) {
    return tl::unexpected<std::string>(path + ": " + std::to_string(status.st_size) +
                                       " bytes, a counter page has " + std::to_string(sizeof(StatsPage)) +
                                       "; written by another version?");
  }
  void* memory = ::mmap(nullptr, sizeof(StatsPage), PROT_READ, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) return page_error("can't map", path);
  StatsMapping mapping;
  mapping.page_ = static_cast<StatsPage*>(memory);
  mapping.inode_ = status.st_ino;
  if (mapping.page_->magic != kStatsMagic || mapping.page_->version != kStatsVersion) {
    return tl::unexpected<std::string>(path + ": not a counter page of version " +
                                       std::to_string(kStatsVersion));
  }
  return mapping;
}

StatsMapping::StatsMapping(StatsMapping&& other) noexcept
    : page_(std::exchange(other.page_, nullptr)), inode_(std::exchange(other.inode_, 0)) {}

StatsMapping& StatsMapping::operator=(StatsMapping&& other) noexcept {
  std::swap(page_, other.page_);
  std::swap(inode_, other.inode_);
  return *this;
}

StatsMapping::~StatsMapping() {
  if (page_ != nullptr) ::munmap(page_, sizeof(StatsPage));
}

bool StatsMapping::stale(const std::string& path) const noexcept {
  struct stat status {};
  return ::stat(path.c_str(), &status) != 0 || status.st_ino != inode_;
}

}  // namespace headgate::protocol
